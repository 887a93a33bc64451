/**
 * mdadm --examine of a member with a version 1 superblock, byte for byte as version 4.2 prints it, and the
 * one entry point for both versions. Facts: the output recorded with the golden images.
 */
import { levelText } from "../formats/md/layout-names.ts";
import { ctimeText } from "../base/dates.ts";
import { mdUuid } from "../codec/uuid.ts";
import type { MdBitmap } from "../formats/md/bitmap.ts";
import {
  DEVFLAG,
  FEATURE,
  MAX_ROLES,
  ROLE,
  nameText,
  pplPlace,
  readRoles,
  superblock1,
  superblock1Checksum,
} from "../formats/md/superblock-1-layout.ts";
import type { Superblock1 } from "../formats/md/superblock-1-layout.ts";
import type { MdSuperblock } from "../formats/md/superblock.ts";
import { examine090 } from "./examine-090-text.ts";
import {
  arrayKib,
  hasChunks,
  humanBoth,
  isLocalName,
  joinLines,
  labelled,
  layoutText,
} from "./text.ts";

/** A member with the bytes its superblock was decoded from. */
export interface Examined {
  readonly path: string;
  readonly superblock: MdSuperblock;
  /** The 4 KiB at the superblock's place. */
  readonly data: Uint8Array;
  readonly deviceSectors: number;
  /** The internal bitmap's header, where there is one. */
  readonly bitmap: MdBitmap | null;
  readonly homehost: string | null;
  /** The path of a block device, which 0.90 knows by number; null when there is none. */
  readonly pathOf: (major: number, minor: number) => string | null;
}

const WIDTH = 15;
const line = (label: string, value: string | number): string => labelled(WIDTH, label, value);

function sectorsText(sectors: number): string {
  return `${sectors} sectors${humanBoth(sectors * 512)}`;
}

function nameLine(name: string, homehost: string | null): string {
  const local = isLocalName(name, homehost) ? `  (local to host ${homehost})` : "";
  return line("Name", `${name}${local}`);
}

function sizeLines(raw: Superblock1): string[] {
  const kib = arrayKib(raw.level, raw.layout, raw.raidDisks, Number(raw.size) / 2);
  const lines = [line("Avail Dev Size", sectorsText(Number(raw.dataSize)))];
  if (kib !== null) lines.push(line("Array Size", `${kib} KiB${humanBoth(kib * 1024)}`));
  // A raid0 uses all of each member and says no size; of a linear array mdadm prints the 0.
  if (raw.size !== raw.dataSize && raw.level !== 0)
    lines.push(line("Used Dev Size", sectorsText(Number(raw.size))));
  return lines;
}

/** Bytes of a bitmap up to the next 4 KiB, in sectors. */
function bitmapSectors(bitmap: MdBitmap): number {
  return Math.ceil((bitmap.dataOffset + bitmap.dataBytes) / 4096) * 8 * Math.max(bitmap.nodes, 1);
}

/** The kernel keeps this free behind a superblock in front of the data. */
const SUPERBLOCK_ROOM_SECTORS = 72;

/** Sectors free before and behind the data; the second below 0 when the device is too small. */
function unusedSpace(
  raw: Superblock1,
  isJournal: boolean,
  bitmap: MdBitmap | null,
): [number, number] {
  const superSector = Number(raw.superOffset);
  const dataOffset = Number(raw.dataOffset);
  // Of these all is used, whatever the size says.
  const size = isJournal || raw.level <= 0 ? Number(raw.dataSize) : Number(raw.size);
  const hasBitmap = (raw.featureMap & FEATURE.bitmap) !== 0;
  const hasLog = raw.bblogOffset !== 0 && raw.bblogSize !== 0;
  if (superSector > dataOffset) {
    const ends = [superSector];
    if (hasBitmap && raw.bitmapOffset < 0) ends.push(superSector + raw.bitmapOffset);
    if (hasLog && raw.bblogOffset < 0) ends.push(superSector + raw.bblogOffset);
    return [dataOffset, Math.min(...ends) - dataOffset - size];
  }
  const starts = [superSector + SUPERBLOCK_ROOM_SECTORS];
  if (hasBitmap && bitmap !== null)
    starts.push(superSector + raw.bitmapOffset + bitmapSectors(bitmap));
  const ppl = pplPlace(raw);
  if (ppl !== null) starts.push(ppl.startSector + ppl.sectors);
  if (hasLog) starts.push(superSector + raw.bblogOffset + raw.bblogSize);
  return [Math.max(dataOffset - Math.max(...starts), 0), Number(raw.dataSize) - size];
}

function offsetLines(raw: Superblock1, isJournal: boolean, bitmap: MdBitmap | null): string[] {
  const lines: string[] = [];
  if (raw.dataOffset !== 0n) lines.push(line("Data Offset", `${raw.dataOffset} sectors`));
  const isMoving = (raw.featureMap & FEATURE.newOffset) !== 0;
  if (isMoving) lines.push(line("New Offset", `${raw.dataOffset + BigInt(raw.newOffset)} sectors`));
  lines.push(line("Super Offset", `${raw.superOffset} sectors`));
  if ((raw.featureMap & FEATURE.recoveryOffset) !== 0 && !isJournal)
    lines.push(line("Recovery Offset", `${raw.recoveryOffset} sectors`));
  const [before, after] = unusedSpace(raw, isJournal, bitmap);
  if (isMoving || (before === 0 && after === 0)) return lines;
  const behind = after >= 0 ? `${after} sectors` : `${after} sectors DEVICE TOO SMALL`;
  return [...lines, line("Unused Space", `before=${before} sectors, after=${behind}`)];
}

const ALL_ONES = 0xffff_ffff_ffff_ffffn;

function reshapeLines(raw: Superblock1): string[] {
  if ((raw.featureMap & FEATURE.reshape) === 0) return [];
  const kib = Number(raw.reshapePosition / 2n);
  const lines = [line("Reshape pos'n", `${kib}${humanBoth(kib * 1024)}`)];
  const { deltaDisks, raidDisks } = raw;
  if (deltaDisks !== 0)
    lines.push(line("Delta Devices", `${deltaDisks} (${raidDisks - deltaDisks}->${raidDisks})`));
  if (raw.newLevel !== raw.level) lines.push(line("New Level", levelText(raw.newLevel)));
  const newLayout = layoutText(raw.newLevel, raw.newLayout);
  if (raw.newLayout !== raw.layout && newLayout !== null) lines.push(line("New Layout", newLayout));
  if (raw.newChunk !== raw.chunksize) lines.push(line("New Chunksize", `${raw.newChunk / 2}K`));
  return [...lines, ""];
}

function placeLines(raw: Superblock1): string[] {
  const ppl = pplPlace(raw);
  if (ppl !== null) {
    const offset = ppl.startSector - Number(raw.superOffset);
    return [line("PPL", `${ppl.sectors} sectors at offset ${offset} sectors from superblock`)];
  }
  return (raw.featureMap & FEATURE.bitmap) === 0
    ? []
    : [line("Internal Bitmap", `${raw.bitmapOffset} sectors from superblock`)];
}

function flagLines(raw: Superblock1): string[] {
  const words: string[] = [];
  if ((raw.devflags & DEVFLAG.writeMostly) !== 0) words.push("write-mostly");
  if ((raw.devflags & DEVFLAG.failFast) !== 0) words.push("failfast");
  return words.length === 0 ? [] : [line("Flags", words.join(" "))];
}

function badBlockLines(raw: Superblock1): string[] {
  if (raw.bblogSize === 0 || raw.bblogOffset === 0) return [];
  const present = (raw.featureMap & FEATURE.badBlocks) === 0 ? "" : " - bad blocks present.";
  const entries = raw.bblogSize * 64;
  return [
    line(
      "Bad Block Log",
      `${entries} entries available at offset ${raw.bblogOffset} sectors${present}`,
    ),
  ];
}

function layoutLines(raw: Superblock1): string[] {
  const isRecorded = raw.level !== 0 || (raw.featureMap & FEATURE.raid0Layout) !== 0;
  const layout = isRecorded ? layoutText(raw.level, raw.layout) : null;
  const lines = layout === null ? [] : [line("Layout", layout)];
  const kib = `${raw.chunksize / 2}K`;
  if (hasChunks(raw.level)) lines.push(line("Chunk Size", kib));
  else if (raw.level === -1) lines.push(line("Rounding", kib));
  return lines;
}

function roleText(raw: Superblock1, roles: readonly number[]): string {
  const role = roles[raw.devNumber] ?? ROLE.spare;
  if (role >= ROLE.faulty) return "spare";
  if (role === ROLE.journal) return "Journal";
  const kind = (raw.featureMap & FEATURE.replacement) === 0 ? "Active" : "Replacement";
  return `${kind} device ${role}`;
}

/** One character a slot: how many devices claim it. */
function slotsText(raw: Superblock1, roles: readonly number[]): string {
  const slots = raw.raidDisks + Math.max(-raw.deltaDisks, 0);
  const claims = Array.from({ length: slots }, () => 0);
  for (const role of roles) if (role < slots) claims[role]! += 1;
  return claims.map((count) => ".AR"[count] ?? "?").join("");
}

function examine1({ path, superblock, data, deviceSectors, bitmap, homehost }: Examined): string {
  const raw = superblock1.decode(data);
  const roles = readRoles(data, Math.min(raw.maxDev, MAX_ROLES));
  const isJournal = roles[raw.devNumber] === ROLE.journal;
  const sum = superblock1Checksum(data, raw.maxDev);
  const end = Number(raw.dataOffset + raw.dataSize);
  const isCut = deviceSectors < end;
  const state = raw.resyncOffset === ALL_ONES ? "clean" : "active";
  const checksum = raw.sbCsum.toString(16);
  return joinLines([
    `${path}:`,
    line("Magic", raw.magic.toString(16)),
    line("Version", superblock.version),
    line("Feature Map", `0x${raw.featureMap.toString(16)}`),
    line("Array UUID", mdUuid(raw.setUuid)),
    nameLine(nameText(raw.setName), homehost),
    line("Creation Time", ctimeText(Number(raw.ctime & 0xff_ffff_ffffn))),
    line("Raid Level", levelText(raw.level)),
    line("Raid Devices", raw.raidDisks),
    "",
    ...sizeLines(raw),
    ...offsetLines(raw, isJournal, bitmap),
    line("State", `${state}${isCut ? " TRUNCATED DEVICE" : ""}`),
    line("Device UUID", mdUuid(raw.deviceUuid)),
    "",
    ...placeLines(raw),
    ...reshapeLines(raw),
    ...flagLines(raw),
    line("Update Time", ctimeText(Number(raw.utime & 0xff_ffff_ffffn))),
    ...badBlockLines(raw),
    line(
      "Checksum",
      `${checksum} - ${sum === raw.sbCsum ? "correct" : `expected ${sum.toString(16)}`}`,
    ),
    line("Events", String(raw.events)),
    "",
    ...layoutLines(raw),
    "",
    `   Device Role : ${roleText(raw, roles)}`,
    `   Array State : ${slotsText(raw, roles)} ('A' == active, '.' == missing, 'R' == replacing)`,
  ]);
}

/** `mdadm --examine PATH`. */
export function examineText(examined: Examined): string {
  return examined.superblock.version === "0.90" ? examine090(examined) : examine1(examined);
}
