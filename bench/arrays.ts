/**
 * md arrays to measure with, as Holdfast creates them: version 1.2 superblocks, an internal bitmap where there is redundancy, clean, 1 MiB
 * of data offset, and the parity the kernel would have written. No kernel is needed. Beside them lies a plain file with the volume's bytes for servers that
 * know no RAID. Every 4 KiB differ, so that no server can get away with a shortcut for zeros or repeats.
 */
import { closeSync, fsyncSync, ftruncateSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { Prng } from "../src/base/prng.ts";
import type { MdShape } from "../src/formats/md/superblock.ts";
import { planCreate } from "../src/md/create/plan-create.ts";
import { makeGeometry } from "../src/md/geometry/geometry.ts";
import { Raid0Geometry } from "../src/md/geometry/raid0.ts";
import { Raid10Geometry } from "../src/md/geometry/raid10.ts";
import { StripeGeometry } from "../src/md/geometry/raid456.ts";
import { generate } from "../src/parity/parity.ts";

const MIB = 1024 * 1024;
const SECTOR = 512;
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
const CREATED_SECONDS = 1_700_000_000;

export type ArrayName =
  | "linear"
  | "raid0-2"
  | "raid1-2"
  | "raid1-3"
  | "raid5-4"
  | "raid6-4"
  | "raid10-4";

interface Recipe {
  readonly shape: MdShape;
  readonly dataDisks: number;
}

function recipe(level: MdShape["level"], raidDisks: number, dataDisks: number): Recipe {
  const layout = LAYOUTS[level] ?? 0;
  const chunkSectors = level === "linear" || level === "raid1" ? 0 : CHUNK_SECTORS;
  return { shape: { level, layout, chunkSectors, raidDisks }, dataDisks };
}

const RECIPES: Readonly<Record<ArrayName, Recipe>> = {
  linear: recipe("linear", 1, 1),
  "raid0-2": recipe("raid0", 2, 2),
  "raid1-2": recipe("raid1", 2, 1),
  "raid1-3": recipe("raid1", 3, 1),
  "raid5-4": recipe("raid5", 4, 3),
  "raid6-4": recipe("raid6", 4, 2),
  "raid10-4": recipe("raid10", 4, 2),
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

/** What stands on the members besides data: as if it had been created, and synced since. */
export function metadataWrites(
  name: ArrayName,
  memberSectors: number,
  regionSectors: number | null,
): readonly { readonly slot: number; readonly offsetBytes: number; readonly bytes: Uint8Array }[] {
  const { shape } = RECIPES[name];
  const uuid = new Uint8Array(16).fill(0xb0 + Object.keys(RECIPES).indexOf(name));
  const isRedundant = shape.level !== "linear" && shape.level !== "raid0";
  const decision = planCreate({
    version: "1.2",
    level: shape.level,
    layout: LAYOUTS[shape.level] ?? null,
    chunkSectors: shape.chunkSectors === 0 ? null : shape.chunkSectors,
    raidDisks: shape.raidDisks,
    spareDisks: 0,
    devices: Array.from({ length: shape.raidDisks }, (_unused, slot) => ({
      label: `member ${slot}`,
      sectors: DATA_OFFSET_SECTORS + memberSectors,
      deviceUuid: uuid.map((byte, index) => (index === 15 ? slot : byte)),
      isJournal: false,
      writeMostly: false,
      failFast: false,
      dataOffsetSectors: null,
      node: null,
      oldSuperblockSectors: [],
    })),
    componentSectors: null,
    dataOffsetSectors: DATA_OFFSET_SECTORS,
    bitmap: isRedundant ? { chunkSectors: regionSectors, delaySeconds: 5, writeBehind: 0 } : null,
    consistencyPolicy: null,
    assumeClean: true,
    force: true,
    badBlockLog: true,
    name,
    homehost: "bench",
    arrayUuid: uuid,
    createdSeconds: CREATED_SECONDS,
    preferredMinor: 0,
    journalSequence: 0n,
  });
  if (decision.kind === "refused") throw new Error(decision.reason);
  return decision.plan.devices.flatMap(({ index, writes }) =>
    writes.map(({ sector, bytes }) => ({ slot: index, offsetBytes: sector * SECTOR, bytes })),
  );
}

/**
 * Writes the volume's bytes in pieces as large as chunks: kernels keep a file in the cache in pieces as large as it was written in, and with
 * large ones each small write costs more, so all files must be alike in that. @param fd one file after the other gets each piece
 */
function writeCopies(fds: readonly number[], sizeBytes: number, offsetBytes: number): void {
  const pieceBytes = CHUNK_SECTORS * SECTOR;
  for (let at = 0; at < sizeBytes; at += pieceBytes) {
    const data = volumeBytes(at, pieceBytes);
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

/** Files with the volume's bytes and nothing else. */
export function makePlain(paths: readonly string[], sizeBytes: number): void {
  withFiles(paths, sizeBytes, (fds) => writeCopies(fds, sizeBytes, 0));
}

/**
 * Makes an array and the plain file.
 * @param sizeMiB of the volume; a multiple of 6 gives whole chunks with 1, 2 and 3 data disks
 * @param regionSectors of the bitmap; null: as usual
 */
export function makeArray(
  folder: string,
  name: ArrayName,
  sizeMiB: number,
  regionSectors: number | null = null,
): MadeArray {
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
  makePlain([plain], sizeBytes);
  withFiles(members, DATA_OFFSET_BYTES + memberBytes, (fds) => {
    for (const { slot, offsetBytes, bytes } of metadataWrites(name, memberSectors, regionSectors))
      writeSync(fds[slot]!, bytes, 0, bytes.length, offsetBytes);
    if (geometry instanceof StripeGeometry) writeStripes(fds, geometry);
    else if (geometry instanceof Raid0Geometry) writeChunks(fds, geometry);
    else if (geometry instanceof Raid10Geometry) writeChunks(fds, geometry);
    else writeCopies(fds, sizeBytes, DATA_OFFSET_BYTES);
  });
  return { name, members, plain, sizeBytes };
}
