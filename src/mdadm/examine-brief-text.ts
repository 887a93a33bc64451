/** mdadm --examine --brief (lines for mdadm.conf) and --export (lines for udev), as version 4.2 prints them. */
import { levelText } from "../formats/md/layout-names.ts";
import type { MdSuperblock } from "../formats/md/superblock.ts";
import { arrayKib, bareName, humanBrief, joinLines } from "./text.ts";

/** An array as its members' superblocks tell it: any one of them, and all their paths. */
export interface BriefArray {
  readonly superblock: MdSuperblock;
  /** Members without a slot of their own: spares, the journal, replacements. */
  readonly spares: number;
  readonly paths: readonly string[];
}

function firstLine({ superblock }: BriefArray, verbose: boolean): string {
  const { version, levelNumber, arrayUuid, name, preferredMinor } = superblock;
  const disks = raidDisks(superblock);
  const level = verbose ? ` level=${levelText(levelNumber)}` : "";
  if (version === "0.90") {
    const count = verbose ? ` num-devices=${disks}` : "";
    return `ARRAY /dev/md${preferredMinor ?? 0}${level}${count} UUID=${arrayUuid}`;
  }
  const bare = name === null ? "" : bareName(name);
  const device = bare === "" ? "" : `/dev/md/${bare} `;
  const count = verbose ? `num-devices=${disks} ` : "";
  const named = name === null || name === "" ? "" : ` name=${name}`;
  return `ARRAY ${device}${level} metadata=${version} ${count}UUID=${arrayUuid}${named}`;
}

/** One array's lines; mdadm prints the array it found last first. */
export function examineBriefText(array: BriefArray, verbose: boolean): string {
  const spares = array.spares === 0 ? "" : `   spares=${array.spares}`;
  const devices = verbose ? `   devices=${array.paths.join(",")}` : "";
  const more = `${spares}${devices}`;
  return joinLines([firstLine(array, verbose), ...(more === "" ? [] : [more])]);
}

function raidDisks(superblock: MdSuperblock): number {
  return superblock.shape?.raidDisks ?? 0;
}

/** MD_NAME=value lines. */
export function examineExportText(superblock: MdSuperblock): string {
  const { version, levelNumber, name, arrayUuid, deviceUuid, events } = superblock;
  const lines = [`MD_LEVEL=${levelText(levelNumber)}`, `MD_DEVICES=${raidDisks(superblock)}`];
  if (version === "0.90")
    return joinLines([
      ...lines,
      `MD_UUID=${arrayUuid}`,
      // What it calls the time of the update is that of the creation.
      `MD_UPDATE_TIME=${superblock.createdSeconds}`,
      `MD_EVENTS=${events}`,
    ]);
  if (name !== null && name !== "") lines.push(`MD_NAME=${name}`);
  const size = humanBrief(arrayBytes(superblock), "jedec");
  if (size !== "") lines.push(`MD_ARRAY_SIZE=${size}`);
  return joinLines([
    ...lines,
    `MD_UUID=${arrayUuid}`,
    `MD_UPDATE_TIME=${superblock.updatedSeconds}`,
    `MD_DEV_UUID=${deviceUuid ?? ""}`,
    `MD_EVENTS=${events}`,
  ]);
}

function arrayBytes({ levelNumber, shape, componentSectors }: MdSuperblock): number {
  const kib = arrayKib(
    levelNumber,
    shape?.layout ?? 0,
    shape?.raidDisks ?? 0,
    componentSectors / 2,
  );
  return (kib ?? 0) * 1024;
}
