/**
 * md arrays to measure with, made by the project's own codec: version 1.2 superblocks, no bitmap, clean, 1 MiB of data offset, and the
 * parity the kernel would have written. No kernel is needed. Beside them lies a plain file with the volume's bytes for servers that
 * know no RAID. Every 4 KiB differ, so that no server can get away with a shortcut for zeros or repeats.
 */
import { closeSync, fsyncSync, ftruncateSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { Prng } from "../src/base/prng.ts";
import {
  MD_MAGIC,
  ROLES_OFFSET,
  superblock1,
  superblock1Checksum,
} from "../src/formats/md/superblock-1-layout.ts";
import type { MdShape } from "../src/formats/md/superblock.ts";
import { makeGeometry } from "../src/md/geometry/geometry.ts";
import { Raid0Geometry } from "../src/md/geometry/raid0.ts";
import { Raid10Geometry } from "../src/md/geometry/raid10.ts";
import { StripeGeometry } from "../src/md/geometry/raid456.ts";
import { generate } from "../src/parity/parity.ts";

const MIB = 1024 * 1024;
const SECTOR = 512;
const SUPERBLOCK_SECTOR = 8;
const CHUNK_SECTORS = 128;
/** Layout numbers of what mdadm makes: left-symmetric, and two near copies. */
const LEFT_SYMMETRIC = 2;
const NEAR_2 = 0x102;
const LAYOUTS: Partial<Readonly<Record<MdShape["level"], number>>> = {
  raid5: LEFT_SYMMETRIC,
  raid6: LEFT_SYMMETRIC,
  raid10: NEAR_2,
};
export const DATA_OFFSET_BYTES = MIB;
const DATA_OFFSET_SECTORS = DATA_OFFSET_BYTES / SECTOR;
const CREATED = 1_700_000_000n;
const NONE = 0xffff_ffff_ffff_ffffn;

export type ArrayName =
  | "linear"
  | "raid0-2"
  | "raid1-2"
  | "raid1-3"
  | "raid5-4"
  | "raid6-4"
  | "raid10-4";

interface Recipe {
  readonly levelNumber: number;
  readonly shape: MdShape;
  readonly dataDisks: number;
}

function recipe(
  level: MdShape["level"],
  levelNumber: number,
  raidDisks: number,
  dataDisks: number,
): Recipe {
  const layout = LAYOUTS[level] ?? 0;
  const chunkSectors = level === "linear" || level === "raid1" ? 0 : CHUNK_SECTORS;
  return { levelNumber, shape: { level, layout, chunkSectors, raidDisks }, dataDisks };
}

const RECIPES: Readonly<Record<ArrayName, Recipe>> = {
  linear: recipe("linear", -1, 1, 1),
  "raid0-2": recipe("raid0", 0, 2, 2),
  "raid1-2": recipe("raid1", 1, 2, 1),
  "raid1-3": recipe("raid1", 1, 3, 1),
  "raid5-4": recipe("raid5", 5, 4, 3),
  "raid6-4": recipe("raid6", 6, 4, 2),
  "raid10-4": recipe("raid10", 10, 4, 2),
};
export const ARRAY_NAMES = Object.keys(RECIPES) as readonly ArrayName[];

export interface MadeArray {
  readonly name: ArrayName;
  /** By slot. */
  readonly members: readonly string[];
  /** The same volume in one file. */
  readonly plain: string;
  readonly sizeBytes: number;
}

const PATTERN = new Uint8Array(4 * MIB);
const patternWords = new Uint32Array(PATTERN.buffer);
const prng = new Prng(1);
for (let i = 0; i < patternWords.length; i += 1) patternWords[i] = prng.u32();

/** The volume's bytes at an offset that is a multiple of the length, which divides 4 MiB and is a multiple of 4 KiB. */
function volumeBytes(offsetBytes: number, lengthBytes: number): Uint8Array {
  const from = offsetBytes % PATTERN.length;
  const data = PATTERN.slice(from, from + lengthBytes);
  const view = new DataView(data.buffer);
  for (let at = 0; at < lengthBytes; at += 4096) view.setFloat64(at, offsetBytes + at);
  return data;
}

/** Superblock of one member. @param memberSectors of data */
function superblockBytes(name: ArrayName, slot: number, memberSectors: number): Uint8Array {
  const { levelNumber, shape } = RECIPES[name];
  const uuid = new Uint8Array(16).fill(0xb0 + Object.keys(RECIPES).indexOf(name));
  const data = superblock1.encode({
    magic: MD_MAGIC,
    majorVersion: 1,
    featureMap: 0,
    pad0: 0,
    setUuid: uuid,
    setName: paddedName(`bench:${name}`),
    ctime: CREATED,
    level: levelNumber,
    layout: shape.layout,
    size: shape.level === "linear" ? 0n : BigInt(memberSectors),
    chunksize: shape.chunkSectors,
    raidDisks: shape.raidDisks,
    bitmapOffset: 0,
    newLevel: 0,
    reshapePosition: 0n,
    deltaDisks: 0,
    newLayout: 0,
    newChunk: 0,
    newOffset: 0,
    dataOffset: BigInt(DATA_OFFSET_SECTORS),
    dataSize: BigInt(memberSectors),
    superOffset: BigInt(SUPERBLOCK_SECTOR),
    recoveryOffset: 0n,
    devNumber: slot,
    cntCorrectedRead: 0,
    deviceUuid: uuid.map((byte, index) => (index === 15 ? slot : byte)),
    devflags: 0,
    bblogShift: 0,
    bblogSize: 0,
    bblogOffset: 0,
    utime: CREATED,
    events: 10n,
    resyncOffset: NONE,
    sbCsum: 0,
    maxDev: shape.raidDisks,
    logicalBlockSize: 0,
    pad3: new Uint8Array(28),
  });
  const view = new DataView(data.buffer, data.byteOffset);
  for (let role = 0; role < shape.raidDisks; role += 1) {
    view.setUint16(ROLES_OFFSET + 2 * role, role, true);
  }
  const sbCsum = superblock1Checksum(data, shape.raidDisks);
  superblock1.encodeInto(data, 0, { sbCsum });
  return data;
}

function paddedName(name: string): Uint8Array {
  const padded = new Uint8Array(32);
  padded.set(new TextEncoder().encode(name));
  return padded;
}

/** Writes the volume's bytes in pieces. @param fd one file after the other gets each piece */
function writeCopies(fds: readonly number[], sizeBytes: number, offsetBytes: number): void {
  for (let at = 0; at < sizeBytes; at += MIB) {
    const data = volumeBytes(at, MIB);
    for (const fd of fds) writeSync(fd, data, 0, data.length, offsetBytes + at);
  }
}

function writeStripes(fds: readonly number[], geometry: StripeGeometry): void {
  const chunkBytes = geometry.chunkSectors * SECTOR;
  const rows = geometry.usedSectors / geometry.chunkSectors;
  const parity = [new Uint8Array(chunkBytes), new Uint8Array(chunkBytes)] as const;
  for (let row = 0; row < rows; row += 1) {
    const layout = geometry.rowLayout(row);
    const first = row * geometry.dataDisks * chunkBytes;
    const blocks = new Map(
      layout.data.map((slot, index) => [slot, volumeBytes(first + index * chunkBytes, chunkBytes)]),
    );
    blocks.set(layout.p, parity[0]);
    if (layout.q !== null) blocks.set(layout.q, parity[1]);
    generate(layout, blocks);
    for (const [slot, block] of blocks) {
      writeSync(fds[slot]!, block, 0, chunkBytes, DATA_OFFSET_BYTES + row * chunkBytes);
    }
  }
}

/** Chunk by chunk of each member, where it holds data of the volume. */
function writeChunks(fds: readonly number[], geometry: Raid0Geometry | Raid10Geometry): void {
  const chunkBytes = geometry.chunkSectors * SECTOR;
  for (const [slot, fd] of fds.entries()) {
    const chunks = geometry.memberSectorsUsed(slot) / geometry.chunkSectors;
    for (let chunk = 0; chunk < chunks; chunk += 1) {
      const sector = geometry.toVolume(slot, chunk * geometry.chunkSectors);
      if (sector === null) continue;
      const data = volumeBytes(sector * SECTOR, chunkBytes);
      writeSync(fd, data, 0, chunkBytes, DATA_OFFSET_BYTES + chunk * chunkBytes);
    }
  }
}

/** Creates a file, hands it over, and has it on the disk at the end: dirty pages could not be dropped from the cache. */
function withFiles(paths: readonly string[], bytes: number, write: (fds: number[]) => void): void {
  const fds = paths.map((path) => openSync(path, "w"));
  try {
    for (const fd of fds) ftruncateSync(fd, bytes);
    write(fds);
    for (const fd of fds) fsyncSync(fd);
  } finally {
    for (const fd of fds) closeSync(fd);
  }
}

/**
 * Makes an array and the plain file.
 * @param sizeMiB of the volume; a multiple of 6 gives whole chunks with 1, 2 and 3 data disks
 */
export function makeArray(folder: string, name: ArrayName, sizeMiB: number): MadeArray {
  const { shape, dataDisks } = RECIPES[name];
  const sizeBytes = sizeMiB * MIB;
  const memberBytes = sizeBytes / dataDisks;
  const memberSectors = memberBytes / SECTOR;
  const geometry = makeGeometry(shape, {
    componentSectors: memberSectors,
    memberSectors: Array.from({ length: shape.raidDisks }, () => memberSectors),
    raid0Layout: null,
  });
  const members = Array.from({ length: shape.raidDisks }, (_, slot) =>
    join(folder, `${name}-${slot}.img`),
  );
  const plain = join(folder, `${name}-plain.img`);
  withFiles([plain], sizeBytes, (fds) => writeCopies(fds, sizeBytes, 0));
  withFiles(members, DATA_OFFSET_BYTES + memberBytes, (fds) => {
    for (const [slot, fd] of fds.entries()) {
      const superblock = superblockBytes(name, slot, memberSectors);
      writeSync(fd, superblock, 0, superblock.length, SUPERBLOCK_SECTOR * SECTOR);
    }
    if (geometry instanceof StripeGeometry) writeStripes(fds, geometry);
    else if (geometry instanceof Raid0Geometry) writeChunks(fds, geometry);
    else if (geometry instanceof Raid10Geometry) writeChunks(fds, geometry);
    else writeCopies(fds, sizeBytes, DATA_OFFSET_BYTES);
  });
  return { name, members, plain, sizeBytes };
}
