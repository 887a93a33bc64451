/** What the kernel does to an array before it hands it over, and what it does with one that it is given. */
import { diskNode } from "../slices.ts";
import type { Job, StampFile } from "../slices.ts";
import { DISK_SECTORS, heldNextAt, isDirty } from "./plan.ts";
import type { Subject } from "./plan.ts";

/** Of the content, of what was written later, and of what members held before there was an array. */
export const FIRST = "first";
export const LATER = ["laterA", "laterB"] as const;
const JUNK = ["junk0", "junk1", "junk2", "junk3", "junk4", "junk5"];

/** Longer than any volume here. */
const STAMP_SECTORS = 5 * DISK_SECTORS;
export const STAMPS: readonly StampFile[] = [FIRST, ...LATER, ...JUNK].map((seed) => ({
  seed,
  sectors: STAMP_SECTORS,
}));

/** One more than slots where somebody comes in. */
function disksOf({ state, slots }: Subject): number {
  const comesIn = state === "degraded" || state === "half recovered" || state === "half replaced";
  return comesIn ? slots + 1 : slots;
}

function node(subject: Subject, disk: number): string {
  return diskNode(subject.name, disk);
}

function nodes(subject: Subject, count: number): string[] {
  return Array.from({ length: count }, (_unused, disk) => node(subject, disk));
}

function createCommand(subject: Subject, md: string, more: string): string {
  const { version, level, layout, slots, chunkSectors, bitmapChunkSectors } = subject;
  const words = [
    `mdadm -C /dev/${md} --run --homehost=holdfast -e ${version} -l ${level} -n ${slots}`,
    version === "0.90" ? null : `--name=${subject.name}`,
    chunkSectors === 0 ? null : `-c ${chunkSectors / 2}`,
    layout === null ? null : `--layout=${layout}`,
    bitmapChunkSectors === null
      ? "--bitmap=none"
      : `--bitmap=internal --bitmap-chunk=${bitmapChunkSectors / 2}K`,
    more,
    ...nodes(subject, slots),
  ];
  return words.filter((word) => word !== null).join(" ");
}

function junk(subject: Subject, disks: readonly number[]): string[] {
  return disks.map((disk) => `stamp ${node(subject, disk)} ${JUNK[disk]}`);
}

function writesSome(md: string): string[] {
  return [
    `overwrite /dev/${md} ${LATER[0]} 80 300`,
    `overwrite /dev/${md} ${LATER[0]} 505 90`,
    `overwrite /dev/${md} ${LATER[0]} 900 41`,
  ];
}

/** New disks are zeros, so it is true. The stop settles the bitmap. */
function filled(subject: Subject, md: string): string[] {
  const settle =
    subject.bitmapChunkSectors === null
      ? []
      : [`md_stop ${md}`, `mdadm -A /dev/${md} ${nodes(subject, subject.slots).join(" ")}`];
  return [
    createCommand(subject, md, "--assume-clean"),
    `md_wait ${md}`,
    `stamp /dev/${md} ${FIRST}`,
    ...settle,
  ];
}

function loses(subject: Subject, md: string): string[] {
  const lost = node(subject, subject.lost);
  return [`mdadm /dev/${md} -f ${lost}`, `until_true 10 mdadm /dev/${md} -r ${lost}`];
}

/** Until it is as it is to be handed over, but for what ends it. */
function untilThere(subject: Subject, md: string): string[] {
  const { state, slots, heldAt, lost } = subject;
  const spare = node(subject, slots);
  switch (state) {
    case "degraded":
      return [
        ...filled(subject, md),
        ...junk(subject, [slots]),
        ...loses(subject, md),
        ...writesSome(md),
      ];
    case "re-added":
      return [...filled(subject, md), ...loses(subject, md), ...writesSome(md)];
    case "half resynced":
      return [
        ...junk(
          subject,
          Array.from({ length: slots }, (_unused, disk) => disk),
        ),
        createCommand(subject, md, "--readonly --force"),
        `hold_at ${md} ${heldAt}`,
        `mdadm --readwrite /dev/${md}`,
        `held ${md}`,
        ...writesSome(md),
      ];
    case "half recovered":
      return [
        ...filled(subject, md),
        ...junk(subject, [slots]),
        ...loses(subject, md),
        `hold_at ${md} ${heldAt}`,
        `mdadm /dev/${md} --add-spare ${spare}`,
        `held ${md}`,
        ...writesSome(md),
      ];
    case "half replaced":
      return [
        ...filled(subject, md),
        ...junk(subject, [slots]),
        `hold_at ${md} ${heldAt}`,
        `mdadm /dev/${md} --add-spare ${spare}`,
        `mdadm /dev/${md} --replace ${node(subject, lost)} --with ${spare}`,
        `held ${md}`,
        ...writesSome(md),
      ];
    case "dirty with bitmap":
    case "dirty without bitmap":
      return filled(subject, md);
  }
}

/**
 * Dirty ones are written to for ever, each at the same places: to be run in a guest that is killed. However slow the machine is, they do not become
 * clean in between.
 */
function cutOff(subject: Subject, md: string): string[] {
  const { name, lost, slots } = subject;
  const slow = `/dev/mapper/${name}slow`;
  const table = `0 ${DISK_SECTORS} delay ${node(subject, lost)} 0 0 ${node(subject, lost)} 0 200`;
  const members = nodes(subject, slots).map((each, slot) => (slot === lost ? slow : each));
  return [
    "md_stop md0",
    `dmsetup create ${name}slow --table "${table}"`,
    `mdadm -A /dev/${md} ${members.join(" ")}`,
    `echo 0 >/sys/block/${md}/md/safe_mode_delay`,
    `overwrite /dev/${md} ${LATER[0]} 100 20`,
    `stamp_in_turn /dev/${md} 20 "${LATER.join(" ")}" 100 560 &`,
    `stamp_in_turn /dev/${md} 70 "${LATER.join(" ")}" 330 800 &`,
  ];
}

/** Nothing is written any more, as its superblocks say; background sync creeps on until the guest is killed. */
function creepsOn(subject: Subject, md: string): string[] {
  return [
    `until_true 10 md_clean ${md}`,
    `look /dev/${md} ${subject.name}`,
    `echo 100 >/sys/block/${md}/md/sync_speed_min`,
    `echo 100 >/sys/block/${md}/md/sync_speed_max`,
    `hold_at ${md} ${heldNextAt(subject)}`,
  ];
}

/** @param at which of those that are cut off together */
export function handOverJob(subject: Subject, at: number): Job {
  const { name, isCut } = subject;
  const own = `md${at + 1}`;
  const script = (): string[] => {
    if (isDirty(subject)) return [...untilThere(subject, "md0"), ...cutOff(subject, own)];
    if (isCut) return [...untilThere(subject, own), ...creepsOn(subject, own)];
    return [...untilThere(subject, "md0"), `look /dev/md0 ${name}`, "md_stop md0"];
  };
  return {
    name,
    diskSectors: Array.from({ length: disksOf(subject) }, () => DISK_SECTORS),
    script: script().join("\n"),
  };
}

/** The array is whole: the kernel reads it, and finds nothing. */
export function takeBackJob(subject: Subject, images: readonly string[]): Job {
  const { name } = subject;
  const members = nodes(subject, images.length).join(" ");
  return {
    name,
    diskSectors: images.map(() => DISK_SECTORS),
    from: images,
    script: [
      `mdadm -A /dev/md0 ${members}`,
      `look /dev/md0 ${name}`,
      `echo "found $(md_value md0 sync_action), degraded $(md_value md0 degraded)"`,
      "md_wait md0",
      "md_check md0",
      "md_stop md0",
    ].join("\n"),
  };
}

/** Of those that `carryOnJob` is given, the disks that are in the array; the others come later. */
function atStart({ state, slots, lost }: Subject): number[] {
  const all = Array.from({ length: slots }, (_unused, disk) => disk);
  if (state === "re-added") return all.filter((disk) => disk !== lost);
  return state === "half recovered" || state === "half replaced" ? [...all, slots] : all;
}

function comingIn(subject: Subject): string[] {
  const { state, slots, lost } = subject;
  if (state === "degraded") return [`mdadm /dev/md0 --add ${node(subject, slots)}`];
  return state === "re-added" ? [`mdadm /dev/md0 --re-add ${node(subject, lost)}`] : [];
}

/** The kernel takes over from Holdfast: looks at what it finds before it does anything, then carries on. */
export function carryOnJob(subject: Subject, images: readonly string[]): Job {
  const { name } = subject;
  const members = atStart(subject).map((disk) => node(subject, disk));
  return {
    name,
    diskSectors: images.map(() => DISK_SECTORS),
    from: images,
    script: [
      `mdadm -A -o /dev/md0 ${members.join(" ")}`,
      `echo "resync from $(md_value md0 resync_start)"`,
      `grep . /sys/block/md0/md/dev-*/recovery_start`,
      `look /dev/md0 ${name}`,
      "md_io md0 before",
      "mdadm --readwrite /dev/md0",
      ...comingIn(subject),
      "md_wait md0",
      "md_io md0 after",
      `echo "degraded $(md_value md0 degraded)"`,
      "md_check md0",
      `look /dev/md0 ${name}-after`,
      "md_stop md0",
    ].join("\n"),
  };
}
