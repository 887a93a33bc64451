/**
 * The version 1 superblock as bytes: one layout for 1.0, 1.1 and 1.2, always little-endian.
 *
 *   0 array, constant        128 this device        192 array state        256 dev_roles, 2 bytes a device number
 *
 * Facts: include/uapi/linux/raid/md_p.h and super_1_sync in drivers/md/md.c up to kernel 6.19, mdadm's super1.c.
 * Byte table: docs/formats/md-superblock.md.
 */
import { utcText } from "../../base/dates.ts";
import { alignDown } from "../../base/units.ts";
import { asHex, bytes, i32, shownAs, u16, u32, u64, u8 } from "../../codec/fields.ts";
import type { Field } from "../../codec/fields.ts";
import { struct } from "../../codec/struct.ts";
import type { ValueOf } from "../../codec/struct.ts";
import { mdUuid } from "../../codec/uuid.ts";
import { levelName, makeShape } from "./shape-check.ts";
import type { MdBadBlockLog, MdReshape, MdRole, MdSuperblock, MdVersion } from "./superblock.ts";

export const MD_MAGIC = 0xa92b4efc;

/** What is read and written as one; the role table ends within it. */
const SUPERBLOCK_1_BYTES = 4096;
export const ROLES_OFFSET = 256;
/** Entries of the role table that 4 KiB have room for. */
export const MAX_ROLES = (SUPERBLOCK_1_BYTES - ROLES_OFFSET) / 2;

const ALL_ONES = 0xffff_ffff_ffff_ffffn;
const orNone = (value: bigint): string => (value === ALL_ONES ? "none" : String(value));

/** Low 40 bits seconds, high 24 microseconds (which nobody sets). */
function time(offset: number): Field<bigint> {
  return shownAs(u64(offset), (value) => utcText(Number(value & 0xff_ffff_ffffn)));
}

function name(offset: number): Field<Uint8Array> {
  return shownAs(bytes(offset, 32), (raw) => JSON.stringify(nameText(raw)));
}

export function nameText(raw: Uint8Array): string {
  const end = raw.indexOf(0);
  return new TextDecoder().decode(end < 0 ? raw : raw.subarray(0, end));
}

export const FEATURE = {
  bitmap: 1,
  recoveryOffset: 2,
  reshape: 4,
  badBlocks: 8,
  replacement: 16,
  reshapeBackwards: 32,
  newOffset: 64,
  recoveryBitmap: 128,
  clustered: 256,
  journal: 512,
  ppl: 1024,
  multiplePpls: 2048,
  raid0Layout: 4096,
} as const;

const FEATURE_NAMES: readonly (readonly [number, string])[] = [
  [FEATURE.bitmap, "bitmap"],
  [FEATURE.recoveryOffset, "recovery-offset"],
  [FEATURE.reshape, "reshape"],
  [FEATURE.badBlocks, "bad-blocks"],
  [FEATURE.replacement, "replacement"],
  [FEATURE.reshapeBackwards, "reshape-backwards"],
  [FEATURE.newOffset, "new-offset"],
  [FEATURE.recoveryBitmap, "recovery-by-bitmap"],
  [FEATURE.clustered, "clustered"],
  [FEATURE.journal, "journal"],
  [FEATURE.ppl, "ppl"],
  [FEATURE.multiplePpls, "multiple-ppls"],
  [FEATURE.raid0Layout, "raid0-layout"],
];
export const KNOWN_FEATURES = FEATURE_NAMES.reduce((all, [bit]) => all | bit, 0);

export const DEVFLAG = { writeMostly: 1, failFast: 2 } as const;

export const ROLE = {
  /** Slots are below this. */
  max: 0xff00,
  spare: 0xffff,
  faulty: 0xfffe,
  journal: 0xfffd,
} as const;

/** Field names are the kernel's. Values are kept raw (64 bits as bigint) so that encoding gives back every byte. */
export const superblock1 = struct("md superblock 1", "little", SUPERBLOCK_1_BYTES, {
  magic: shownAs(u32(0), asHex),
  majorVersion: u32(4),
  featureMap: shownAs(u32(8), (map) => [asHex(map), ...featureNames(map)].join(" ")),
  pad0: u32(12),
  setUuid: shownAs(bytes(16, 16), mdUuid),
  setName: name(32),
  ctime: time(64),
  level: shownAs(i32(72), (number) => `${number} (${levelName(number)})`),
  layout: i32(76),
  /** Sectors of each member that are used. */
  size: u64(80),
  /** Sectors. */
  chunksize: u32(88),
  raidDisks: u32(92),
  /** Signed sectors from the superblock; with a PPL feature instead i16 offset and u16 size, both sectors. */
  bitmapOffset: i32(96),
  newLevel: i32(100),
  reshapePosition: shownAs(u64(104), orNone),
  deltaDisks: i32(112),
  newLayout: i32(116),
  newChunk: u32(120),
  newOffset: i32(124),
  dataOffset: u64(128),
  dataSize: u64(136),
  superOffset: u64(144),
  /** On a journal device: the log's tail. */
  recoveryOffset: shownAs(u64(152), orNone),
  devNumber: u32(160),
  cntCorrectedRead: u32(164),
  deviceUuid: shownAs(bytes(168, 16), mdUuid),
  devflags: shownAs(u8(184), asHex),
  bblogShift: u8(185),
  bblogSize: u16(186),
  bblogOffset: i32(188),
  utime: time(192),
  events: u64(200),
  resyncOffset: shownAs(u64(208), orNone),
  sbCsum: shownAs(u32(216), asHex),
  maxDev: u32(220),
  /** Kernel 6.19 and later; padding before. */
  logicalBlockSize: u32(224),
  pad3: bytes(228, 28),
});
export type Superblock1 = ValueOf<typeof superblock1>;

/** Where the superblock of a minor version lies, in sectors; null when the device is too small to have one. */
export function superblock1Sector(
  version: Exclude<MdVersion, "0.90">,
  deviceSectors: number,
): number | null {
  // mdadm's load_super1 wants 12 KiB.
  if (deviceSectors < 24) return null;
  switch (version) {
    case "1.0":
      return alignDown(deviceSectors - 16, 8);
    case "1.1":
      return 0;
    case "1.2":
      return 8;
  }
}

/**
 * Sum of the little-endian 32-bit words up to the end of the role table with the checksum itself as 0, an odd 16-bit rest
 * added as it is, then the high half of the 64-bit sum added to the low one.
 */
export function superblock1Checksum(data: Uint8Array, maxDev: number): number {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const end = ROLES_OFFSET + 2 * maxDev;
  let sum = 0;
  for (let at = 0; at + 4 <= end; at += 4) if (at !== 216) sum += view.getUint32(at, true);
  if (end % 4 === 2) sum += view.getUint16(end - 2, true);
  return ((sum % 0x1_0000_0000) + Math.floor(sum / 0x1_0000_0000)) >>> 0;
}

export function readRoles(data: Uint8Array, maxDev: number): number[] {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  return Array.from({ length: maxDev }, (_unused, i) => view.getUint16(ROLES_OFFSET + 2 * i, true));
}

export function roleFromNumber(role: number): MdRole {
  if (role === ROLE.faulty) return { kind: "faulty" };
  if (role === ROLE.journal) return { kind: "journal" };
  // Numbers between the largest slot and the special ones have no meaning; mdadm takes them for spares.
  if (role >= ROLE.max) return { kind: "spare" };
  return { kind: "active", slot: role };
}

export function featureNames(map: number): string[] {
  return FEATURE_NAMES.filter(([bit]) => (map & bit) !== 0).map(([, word]) => word);
}

/** Sector counts as numbers; everything beyond 2^53, all ones above all, is Infinity. */
export function sectorNumber(raw: bigint): number {
  return raw > BigInt(Number.MAX_SAFE_INTEGER) ? Infinity : Number(raw);
}

/** The log's place, null without one. The area is used in whole 4 KiB behind its header. */
export function pplPlace(raw: Superblock1): MdSuperblock["ppl"] {
  const multiple = (raw.featureMap & FEATURE.multiplePpls) !== 0;
  if (!multiple && (raw.featureMap & FEATURE.ppl) === 0) return null;
  const offset = (raw.bitmapOffset << 16) >> 16;
  const sectors = pplAreaSectors(raw.bitmapOffset);
  return { startSector: Number(raw.superOffset) + offset, sectors, multiple };
}

/** The size of a PPL's area, whole 4 KiB, from the field that it shares with the bitmap's place. */
export function pplAreaSectors(bitmapOffset: number): number {
  return alignDown(bitmapOffset >>> 16, 8);
}

export function badBlockPlace(raw: Superblock1): MdBadBlockLog | null {
  if (raw.bblogSize === 0 || raw.bblogOffset === 0) return null;
  return {
    startSector: Number(raw.superOffset) + raw.bblogOffset,
    sectors: raw.bblogSize,
    shift: raw.bblogShift,
    inUse: (raw.featureMap & FEATURE.badBlocks) !== 0,
  };
}

/** Both shapes of a reshape; null when none runs or one of the levels is not served. */
export function reshapeOf(raw: Superblock1): MdReshape | null {
  const { featureMap, deltaDisks, raidDisks } = raw;
  if ((featureMap & FEATURE.reshape) === 0) return null;
  const before = makeShape({
    levelNumber: raw.level,
    layout: raw.layout,
    chunkSectors: raw.chunksize,
    raidDisks: raidDisks - deltaDisks,
  });
  const after = makeShape({
    levelNumber: raw.newLevel,
    layout: raw.newLayout,
    chunkSectors: raw.newChunk,
    raidDisks,
  });
  if (before === null || after === null) return null;
  return {
    positionSectors: sectorNumber(raw.reshapePosition),
    deltaDisks,
    backwards:
      deltaDisks < 0 || (deltaDisks === 0 && (featureMap & FEATURE.reshapeBackwards) !== 0),
    before,
    after,
    newOffsetDeltaSectors: (featureMap & FEATURE.newOffset) === 0 ? 0 : raw.newOffset,
  };
}

export interface SuperblockPlace {
  /** The sector the bytes were read from. */
  readonly sector: number;
  readonly deviceSectors: number;
}
