/**
 * The version 0.90 superblock: 4 KiB, 1024 words in the byte order of the machine that wrote it, at the last multiple of
 * 64 KiB that leaves 64 KiB to the end of the device. Data start at sector 0. Minor version 91 is a 0.90 in a reshape.
 *
 *   0 constant (32 words)   128 state (32)   256 shape (64)   512 disks (27 x 32)   3968 this disk (32)
 *
 * Sizes are in KiB, chunks in bytes, so members end at 2 TiB, or 4 TiB with kernels that read the number as unsigned.
 * It has no name, no device UUID, no recovery offset, and 27 devices at most. The counters of events are two words
 * each, the high one first in big-endian, so as 64-bit numbers in the superblock's own order they read the same.
 *
 * Facts: md_p.h, super_90_load, super_90_validate and super_90_sync in drivers/md/md.c, mdadm's super0.c.
 */
import { utcText } from "../../base/dates.ts";
import { MAX_SECTORS, alignDown } from "../../base/units.ts";
import { array, asHex, bytes, i32, shownAs, u32, u64 } from "../../codec/fields.ts";
import type { ByteOrder } from "../../codec/fields.ts";
import { nested, struct } from "../../codec/struct.ts";
import type { ValueOf } from "../../codec/struct.ts";
import { levelName, makeShape, shapeProblem } from "./shape-check.ts";
import type { MdReshape, MdRole, MdShape, MdSuperblock, SuperblockDecode } from "./superblock.ts";
import { MD_MAGIC, sectorNumber } from "./superblock-1-layout.ts";
import type { SuperblockPlace } from "./superblock-1-layout.ts";

const SUPERBLOCK_090_BYTES = 4096;
const RESERVED_SECTORS = 128;
export const MAX_DISKS_090 = 27;
/** Behind the superblock, where the rest of the 64 KiB is free. */
const BITMAP_DISTANCE_SECTORS = 8;

export const STATE_090 = { clean: 1 << 0, errors: 1 << 1, bitmap: 1 << 8 } as const;
export const DISK_STATE = {
  faulty: 1 << 0,
  active: 1 << 1,
  sync: 1 << 2,
  removed: 1 << 3,
  clusterAdd: 1 << 4,
  candidate: 1 << 5,
  writeMostly: 1 << 9,
  failFast: 1 << 10,
  journal: 1 << 18,
} as const;

const disk090 = struct("md disk 0.90", "little", 128, {
  number: u32(0),
  major: u32(4),
  minor: u32(8),
  raidDisk: u32(12),
  state: u32(16),
  reserved: bytes(20, 108),
});
type Disk090 = ValueOf<typeof disk090>;

function showDisk(disk: Disk090): string {
  const words = Object.entries(DISK_STATE).filter(([, bit]) => (disk.state & bit) !== 0);
  const state = words.map(([word]) => word).join(" ") || "spare";
  return `${disk.number}: ${disk.major}:${disk.minor} slot ${disk.raidDisk} ${state};`;
}

const word = (value: number): string => value.toString(16).padStart(8, "0");

export const superblock090 = struct("md superblock 0.90", "little", SUPERBLOCK_090_BYTES, {
  magic: shownAs(u32(0), asHex),
  majorVersion: u32(4),
  minorVersion: u32(8),
  patchVersion: u32(12),
  gvalidWords: u32(16),
  setUuid0: shownAs(u32(20), word),
  ctime: shownAs(u32(24), utcText),
  level: shownAs(i32(28), (number) => `${number} (${levelName(number)})`),
  /** KiB of each member that are used. */
  size: u32(32),
  nrDisks: u32(36),
  raidDisks: u32(40),
  mdMinor: u32(44),
  notPersistent: u32(48),
  setUuid1: shownAs(u32(52), word),
  setUuid2: shownAs(u32(56), word),
  setUuid3: shownAs(u32(60), word),
  gstateCreserved: bytes(64, 64),

  utime: shownAs(u32(128), utcText),
  state: shownAs(u32(132), asHex),
  activeDisks: u32(136),
  workingDisks: u32(140),
  failedDisks: u32(144),
  spareDisks: u32(148),
  sbCsum: shownAs(u32(152), asHex),
  events: u64(156),
  /** The event count that recoveryCp belongs to. */
  cpEvents: u64(164),
  /** Sectors. */
  recoveryCp: u32(172),
  /** This and the four behind it: minor version 91 only. */
  reshapePosition: u64(176),
  newLevel: i32(184),
  deltaDisks: i32(188),
  newLayout: i32(192),
  /** Bytes. */
  newChunk: u32(196),
  gstateSreserved: bytes(200, 56),

  layout: i32(256),
  /** Bytes. */
  chunkSize: u32(260),
  rootPv: u32(264),
  rootBlock: u32(268),
  pstateReserved: bytes(272, 240),

  disks: array(nested(disk090, showDisk), 512, MAX_DISKS_090),
  thisDisk: nested(disk090, showDisk)(3968),
});
export type Superblock090 = ValueOf<typeof superblock090>;

/** Where the superblock lies, in sectors; null when the device is too small to have one. */
export function superblock090Sector(deviceSectors: number): number | null {
  if (deviceSectors < RESERVED_SECTORS) return null;
  return alignDown(deviceSectors, RESERVED_SECTORS) - RESERVED_SECTORS;
}

/** Sum of all words but the checksum, the high half of the 64-bit sum added to the low one. */
export function superblock090Checksum(data: Uint8Array, order: ByteOrder): number {
  const view = new DataView(data.buffer, data.byteOffset, SUPERBLOCK_090_BYTES);
  let sum = 0;
  for (let at = 0; at < SUPERBLOCK_090_BYTES; at += 4)
    if (at !== 152) sum += view.getUint32(at, order === "little");
  return ((sum % 0x1_0000_0000) + Math.floor(sum / 0x1_0000_0000)) >>> 0;
}

/** Kernels compare checksums folded to 16 bits: some architectures wrote them that way. */
function foldChecksum(sum: number): number {
  const once = (sum & 0xffff) + (sum >>> 16);
  return (once & 0xffff) + (once >>> 16);
}

function plainShape(raw: Superblock090): MdShape | null {
  return makeShape({
    levelNumber: raw.level,
    layout: raw.layout,
    chunkSectors: raw.chunkSize / 512,
    raidDisks: raw.raidDisks,
  });
}

function isReshaping(raw: Superblock090): boolean {
  return raw.minorVersion === 91 && sectorNumber(raw.reshapePosition) !== Infinity;
}

function reshapeOf(raw: Superblock090): MdReshape | null {
  const after = makeShape({
    levelNumber: raw.newLevel,
    layout: raw.newLayout,
    chunkSectors: raw.newChunk / 512,
    raidDisks: raw.raidDisks,
  });
  const plain = plainShape(raw);
  if (!isReshaping(raw) || plain === null || after === null) return null;
  return {
    positionSectors: sectorNumber(raw.reshapePosition),
    deltaDisks: raw.deltaDisks,
    backwards: raw.deltaDisks < 0,
    before: { ...plain, raidDisks: raw.raidDisks - raw.deltaDisks },
    after,
    newOffsetDeltaSectors: 0,
  };
}

function shapesProblem(raw: Superblock090): string | null {
  if (raw.chunkSize % 512 !== 0) return `its chunk size is ${raw.chunkSize} bytes`;
  const plain = plainShape(raw);
  if (!isReshaping(raw)) return plain === null ? null : shapeProblem(plain);
  const oldDisks = raw.raidDisks - raw.deltaDisks;
  if (oldDisks < 1 || oldDisks > MAX_DISKS_090) return `its reshape comes from ${oldDisks} disks`;
  if (raw.newChunk % 512 !== 0) return `its new chunk size is ${raw.newChunk} bytes`;
  const reshape = reshapeOf(raw);
  if (reshape === null) return null;
  const problem = shapeProblem(reshape.before) ?? shapeProblem(reshape.after);
  if (problem !== null) return `in its reshape, ${problem}`;
  const most = 2 * raw.size * Math.max(raw.raidDisks, oldDisks);
  if (reshape.positionSectors > most)
    return `its reshape is at sector ${reshape.positionSectors} of an array that has at most ${most}`;
  return null;
}

function problemOf(raw: Superblock090, place: SuperblockPlace): string | null {
  if (raw.majorVersion !== 0 || (raw.minorVersion !== 90 && raw.minorVersion !== 91))
    return `it says it is of version ${raw.majorVersion}.${raw.minorVersion}, at a place where only 0.90 lies`;
  if (raw.raidDisks === 0 || raw.raidDisks > MAX_DISKS_090)
    return `it says the array has ${raw.raidDisks} disks, and 0.90 has room for ${MAX_DISKS_090}`;
  if (raw.thisDisk.number >= MAX_DISKS_090)
    return `it says it is device number ${raw.thisDisk.number}, and 0.90 has room for ${MAX_DISKS_090}`;
  if (sectorNumber(raw.events) === Infinity) return `its event count is ${raw.events}`;
  const shapes = shapesProblem(raw);
  if (shapes !== null) return shapes;
  if (raw.level >= 1 && (2 * raw.size > place.sector || 2 * raw.size > MAX_SECTORS))
    return `the array uses ${2 * raw.size} sectors of each member, and this one has ${place.sector}: it was cut short, or this is an incomplete image`;
  const role = roleOf(raw, raw.disks[raw.thisDisk.number]!);
  const slots = Math.max(raw.raidDisks, isReshaping(raw) ? raw.raidDisks - raw.deltaDisks : 0);
  if (role.kind === "active" && role.slot >= slots)
    return `it says it is member ${role.slot} of an array of ${slots}`;
  return null;
}

function roleOf(raw: Superblock090, disk: Disk090): MdRole {
  if (disk.state & DISK_STATE.faulty) return { kind: "faulty" };
  if (disk.state & DISK_STATE.sync) return { kind: "active", slot: disk.raidDisk };
  // Active but not in sync only means something in a reshape: such a disk is filled by it.
  if (disk.state & DISK_STATE.active && raw.minorVersion === 91)
    return { kind: "active", slot: disk.raidDisk };
  return { kind: "spare" };
}

/**
 * 0.91 has no place for a recovery offset; a disk that is being filled counts as good up to the stripe at the reshape
 * position (raid5_run in the kernel), elsewhere not at all.
 */
function recoveryOffset(disk: Disk090, reshape: MdReshape | null): number {
  if (disk.state & DISK_STATE.sync || !(disk.state & DISK_STATE.active) || reshape === null)
    return Infinity;
  const { level, raidDisks, chunkSectors } = reshape.after;
  const parity = { raid4: 1, raid5: 1, raid6: 2, raid10: 0, raid0: 0, raid1: 0, linear: 0 }[level];
  if (parity === 0) return 0;
  const chunk = Math.max(chunkSectors, reshape.before.chunkSectors);
  return Math.floor(reshape.positionSectors / (chunk * (raidDisks - parity))) * chunk;
}

function resyncOffset(raw: Superblock090): number {
  if (raw.state & STATE_090.clean) return Infinity;
  return raw.events === raw.cpEvents ? raw.recoveryCp : 0;
}

/** 4 TiB less a KiB is all that `size` can say; without it (linear, raid0) all the device counts. */
function dataSectors(raw: Superblock090, place: SuperblockPlace): number {
  return raw.level >= 1 ? Math.min(place.sector, 2 ** 33 - 2) : place.sector;
}

function interpret(
  raw: Superblock090,
  order: ByteOrder,
  place: SuperblockPlace,
  checksumOk: boolean,
): MdSuperblock {
  const own = raw.disks[raw.thisDisk.number]!;
  const reshape = reshapeOf(raw);
  const role = roleOf(raw, own);
  return {
    version: "0.90",
    byteOrder: order,
    superSector: place.sector,
    checksumOk,
    arrayUuid: [raw.setUuid0, raw.setUuid1, raw.setUuid2, raw.setUuid3].map(word).join(":"),
    deviceUuid: null,
    name: null,
    preferredMinor: raw.mdMinor,
    createdSeconds: raw.ctime,
    updatedSeconds: raw.utime,
    events: sectorNumber(raw.events),
    levelNumber: raw.level,
    shape: isReshaping(raw) ? (reshape?.after ?? null) : plainShape(raw),
    reshape,
    componentSectors: 2 * raw.size,
    dataOffsetSectors: 0,
    dataSectors: dataSectors(raw, place),
    resyncOffsetSectors: resyncOffset(raw),
    recoveryOffsetSectors: role.kind === "active" ? recoveryOffset(own, reshape) : Infinity,
    recoveryByBitmap: false,
    deviceNumber: raw.thisDisk.number,
    role,
    replacement: false,
    writeMostly: (own.state & DISK_STATE.writeMostly) !== 0,
    failFast: (own.state & DISK_STATE.failFast) !== 0,
    roles: raw.disks.map((disk) => roleOf(raw, disk)),
    bitmapSector: raw.state & STATE_090.bitmap ? place.sector + BITMAP_DISTANCE_SECTORS : null,
    badBlockLog: null,
    ppl: null,
    hasJournal: false,
    journalTailSectors: null,
    correctedSectors: 0,
    clustered: false,
    raid0Layout: null,
    logicalBlockBytes: null,
    features: raw.state & STATE_090.bitmap ? ["bitmap"] : [],
    unknownFeatures: 0,
    // Kernels zero the whole block when they write it and do not look at the unused words when they read it.
    reservedBytesSet: false,
    fields: superblock090.describe(raw),
  };
}

function byteOrderOf(data: Uint8Array): ByteOrder | null {
  const view = new DataView(data.buffer, data.byteOffset, 4);
  if (view.getUint32(0, true) === MD_MAGIC) return "little";
  return view.getUint32(0, false) === MD_MAGIC ? "big" : null;
}

/**
 * @param data the 4 KiB at the superblock's place, of either byte order
 * A wrong checksum is not `bad`: it is reported in `checksumOk`.
 */
export function decodeSuperblock090(data: Uint8Array, place: SuperblockPlace): SuperblockDecode {
  const order = byteOrderOf(data);
  if (order === null) return { kind: "none" };
  const raw = superblock090.decode(data, 0, order);
  const reason = problemOf(raw, place);
  if (reason !== null) return { kind: "bad", reason, fields: superblock090.describe(raw) };
  const sum = foldChecksum(superblock090Checksum(data, order));
  const checksumOk = sum === foldChecksum(raw.sbCsum);
  return { kind: "ok", superblock: interpret(raw, order, place, checksumOk) };
}
