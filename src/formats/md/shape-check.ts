/**
 * What an array's shape must satisfy, whatever the superblock's version: the predicate for both the reader and
 * the writer of superblocks. The limits are those of the kernel's personalities (setup_conf in raid5.c, setup_geo in
 * raid10.c, create_strip_zones in raid0.c).
 */
import { isParityLayout, layoutName } from "./layout-names.ts";
import { MD_LEVEL_BY_NUMBER, MD_OTHER_LEVEL_NAMES } from "./superblock.ts";
import type { MdShape } from "./superblock.ts";

/** Chunks are kept in bytes in a signed 32-bit number by the kernel. */
const MAX_CHUNK_SECTORS = 0x7fffffff >>> 9;
const PAGE_SECTORS = 8;

export function isPowerOfTwo(value: number): boolean {
  return Number.isInteger(value) && value > 0 && value <= 0x40000000 && (value & (value - 1)) === 0;
}

/** "raid5", "faulty", "level 42". */
export function levelName(levelNumber: number): string {
  return (
    MD_LEVEL_BY_NUMBER.get(levelNumber) ??
    MD_OTHER_LEVEL_NAMES.get(levelNumber) ??
    `level ${levelNumber}`
  );
}

/** Null when the level is not one that can be served. */
export function makeShape(raw: {
  levelNumber: number;
  layout: number;
  chunkSectors: number;
  raidDisks: number;
}): MdShape | null {
  const level = MD_LEVEL_BY_NUMBER.get(raw.levelNumber);
  if (level === undefined) return null;
  // Old mdadm recorded a chunk size for raid1 too; nothing ever used it.
  const chunkSectors = level === "raid1" ? 0 : raw.chunkSectors;
  return { level, layout: raw.layout, chunkSectors, raidDisks: raw.raidDisks };
}

/** What a 1.x superblock of 4 KiB has room for. */
const MOST_DISKS = 1920;
/** 2^255 = 1 in the field of Q, so Q tells no more members apart. */
const MOST_RAID6_DISKS = 255;

function chunkProblem(shape: MdShape): string | null {
  const { level, chunkSectors } = shape;
  if (level === "raid1" || (level === "linear" && chunkSectors === 0)) return null;
  const text = `its chunk size is ${chunkSectors} sectors`;
  if (!Number.isInteger(chunkSectors) || chunkSectors < 0) return `${text}, which cannot be`;
  if (chunkSectors > MAX_CHUNK_SECTORS) return `${text}, which is more than any kernel can have`;
  if (level === "linear") return null;
  if (chunkSectors === 0) return `${text}, and ${level} needs one`;
  if (level === "raid0") return null;
  if (chunkSectors < PAGE_SECTORS || !isPowerOfTwo(chunkSectors))
    return `${text}, and ${level} needs a power of two of at least 4 KiB`;
  return null;
}

function raid10Problem({ layout, raidDisks }: MdShape): string | null {
  const near = layout & 0xff;
  const far = (layout >>> 8) & 0xff;
  if (near * far < 2 || layout < 0 || layout >>> 17 > 2)
    return `its layout number ${layout} is none of raid10's`;
  if (near * far > raidDisks)
    return `its layout keeps ${near * far} copies (${layoutName("raid10", layout)}) on ${raidDisks} disks`;
  return null;
}

function diskProblem({ level, raidDisks }: MdShape): string | null {
  const least = { linear: 1, raid0: 1, raid1: 1, raid4: 2, raid5: 2, raid6: 4, raid10: 2 }[level];
  const most = level === "raid6" ? MOST_RAID6_DISKS : MOST_DISKS;
  if (Number.isInteger(raidDisks) && raidDisks >= least && raidDisks <= most) return null;
  if (raidDisks > most) return `it has ${raidDisks} disks, and ${level} can have ${most} at most`;
  return `it has ${raidDisks} disks, and ${level} needs at least ${least}`;
}

/** Why there can be no such array, as one sentence without a subject's name; null when there can. */
export function shapeProblem(shape: MdShape): string | null {
  const problem = diskProblem(shape) ?? chunkProblem(shape);
  if (problem !== null) return problem;
  switch (shape.level) {
    case "raid5":
    case "raid6":
      return isParityLayout(shape.level, shape.layout)
        ? null
        : `its layout number ${shape.layout} is none of ${shape.level}'s`;
    case "raid10":
      return raid10Problem(shape);
    case "linear":
    case "raid0":
    case "raid1":
    case "raid4":
      return null;
  }
}
