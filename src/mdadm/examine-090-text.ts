/** mdadm --examine of a member with a version 0.90 superblock, byte for byte as version 4.2 prints it. */
import { isLocal090 } from "../formats/md/homehost.ts";
import { levelText } from "../formats/md/layout-names.ts";
import { ctimeText } from "../base/dates.ts";
import {
  DISK_STATE,
  STATE_090,
  superblock090,
  superblock090Checksum,
} from "../formats/md/superblock-090.ts";
import type { Superblock090 } from "../formats/md/superblock-090.ts";
import type { Examined } from "./examine-text.ts";
import { arrayKib, hasChunks, humanBoth, joinLines, labelled, layoutText } from "./text.ts";

const line = (label: string, value: string | number): string => labelled(15, label, value);

type Disk = Superblock090["thisDisk"];

const WORDS: readonly (readonly [bit: number, word: string])[] = [
  [DISK_STATE.faulty, "faulty"],
  [DISK_STATE.active, "active"],
  [DISK_STATE.sync, "sync"],
  [DISK_STATE.removed, "removed"],
  [DISK_STATE.writeMostly, "write-mostly"],
  [DISK_STATE.failFast, "failfast"],
];
/** These say nothing of the disk's part in the array. */
const MARKS = DISK_STATE.writeMostly | DISK_STATE.failFast;

function diskLine(head: string, disk: Disk, pathOf: Examined["pathOf"]): string {
  const numbers = [disk.number, disk.major, disk.minor, disk.raidDisk].map((n) =>
    String(n | 0).padStart(5),
  );
  const words = WORDS.filter(([bit]) => (disk.state & bit) !== 0).map(([, word]) => ` ${word}`);
  if ((disk.state & ~MARKS) === 0) words.push(" spare");
  const path = disk.major === 0 && disk.minor === 0 ? null : pathOf(disk.major, disk.minor);
  const where = path === null ? "" : `   ${path}`;
  return `${head} ${numbers[0]}   ${numbers[1]}    ${numbers[2]}    ${numbers[3]}     ${words.join("")}${where}`;
}

function diskLines(raw: Superblock090, pathOf: Examined["pathOf"]): string[] {
  const rows =
    raw.raidDisks + raw.spareDisks + (isReshaping(raw) ? Math.max(-raw.deltaDisks, 0) : 0);
  return [
    "      Number   Major   Minor   RaidDevice State",
    diskLine("this", raw.thisDisk, pathOf),
    "",
    ...raw.disks
      .slice(0, rows)
      .map((disk, index) => diskLine(String(index).padStart(4), disk, pathOf)),
  ];
}

function sizeLines(raw: Superblock090): string[] {
  if (raw.level <= 0) return [];
  const kib = arrayKib(raw.level, raw.layout, raw.raidDisks, raw.size);
  const lines = [line("Used Dev Size", `${raw.size}${humanBoth(raw.size * 1024)}`)];
  if (kib !== null) lines.push(line("Array Size", `${kib}${humanBoth(kib * 1024)}`));
  return lines;
}

function isReshaping(raw: Superblock090): boolean {
  return raw.minorVersion > 90 && raw.reshapePosition !== 0xffff_ffff_ffff_ffffn;
}

function reshapeLines(raw: Superblock090): string[] {
  if (!isReshaping(raw)) return [];
  const kib = Number(raw.reshapePosition / 2n);
  const { deltaDisks, raidDisks } = raw;
  const lines = [line("Reshape pos'n", `${kib}${humanBoth(kib * 1024)}`)];
  if (deltaDisks !== 0)
    lines.push(line("Delta Devices", `${deltaDisks} (${raidDisks - deltaDisks}->${raidDisks})`));
  if (raw.newLevel !== raw.level) lines.push(line("New Level", levelText(raw.newLevel)));
  const layout = layoutText(raw.newLevel, raw.newLayout);
  if (raw.newLayout !== raw.layout && layout !== null) lines.push(line("New Layout", layout));
  if (raw.newChunk !== raw.chunkSize) lines.push(line("New Chunksize", raw.newChunk));
  return [...lines, ""];
}

function layoutLines(raw: Superblock090): string[] {
  // 0.90 does not say how a raid0 is laid out.
  const layout = raw.level === 0 ? null : layoutText(raw.level, raw.layout);
  const lines = layout === null ? [] : [line("Layout", layout)];
  const kib = `${raw.chunkSize / 1024}K`;
  if (hasChunks(raw.level)) lines.push(line("Chunk Size", kib));
  else if (raw.level === -1) lines.push(line("Rounding", kib));
  return lines;
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}

export function examine090({ path, superblock, data, pathOf, homehost }: Examined): string {
  const raw = superblock090.decode(data, 0, superblock.byteOrder);
  const sum = superblock090Checksum(data, superblock.byteOrder);
  const local = isLocal090(superblock.arrayUuid, homehost) ? ` (local to host ${homehost})` : "";
  return joinLines([
    `${path}:`,
    line("Magic", raw.magic.toString(16)),
    line("Version", `${raw.majorVersion}.${two(raw.minorVersion)}.${two(raw.patchVersion)}`),
    line("UUID", `${superblock.arrayUuid}${local}`),
    ...(raw.notPersistent === 0 ? [] : [line("Eedk", "not persistent")]),
    line("Creation Time", ctimeText(raw.ctime)),
    line("Raid Level", levelText(raw.level)),
    ...sizeLines(raw),
    line("Raid Devices", raw.raidDisks),
    line("Total Devices", raw.nrDisks),
    line("Preferred Minor", raw.mdMinor),
    "",
    ...reshapeLines(raw),
    line("Update Time", ctimeText(raw.utime)),
    line("State", (raw.state & STATE_090.clean) === 0 ? "active" : "clean"),
    ...((raw.state & STATE_090.bitmap) === 0 ? [] : [line("Internal Bitmap", "present")]),
    line("Active Devices", raw.activeDisks),
    line("Working Devices", raw.workingDisks),
    line("Failed Devices", raw.failedDisks),
    line("Spare Devices", raw.spareDisks),
    line(
      "Checksum",
      `${raw.sbCsum.toString(16)} - ${superblock.checksumOk ? "correct" : `expected ${sum.toString(16)}`}`,
    ),
    line("Events", String(raw.events)),
    "",
    ...layoutLines(raw),
    "",
    ...diskLines(raw, pathOf),
  ]);
}
