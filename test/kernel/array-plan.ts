/**
 * Random arrays: what to have the kernel make, decided by one seed.
 *
 * Every level comes up, every layout that mdadm can create for it at least once, and around that everything
 * is chance: chunk, metadata version, disk count and sizes, bitmap, data offset, write-mostly, bad-block log, a member that is absent from the
 * start or fails before the last writes, the way the content is written, and the members that are left out later.
 */
import { Prng } from "../../src/base/prng.ts";

export type Level = "linear" | "raid0" | "raid1" | "raid4" | "raid5" | "raid6" | "raid10";

/** A second pattern over a part of the volume, in thousandths of its size and sectors. */
export interface Overwrite {
  readonly startPermille: number;
  readonly sectors: number;
}

export interface ArrayPlan {
  readonly name: string;
  readonly level: Level;
  /** mdadm's word; null where the level has none. */
  readonly layout: string | null;
  /** Null for raid1 and linear. */
  readonly chunkKib: number | null;
  readonly metadata: "0.90" | "1.0" | "1.1" | "1.2";
  /** Sectors of each member, by slot. */
  readonly memberSectors: readonly number[];
  /** Bitmap chunk in KiB; null for no bitmap. */
  readonly bitmapChunkKib: number | null;
  readonly writeMostly: readonly number[];
  readonly badBlockLog: boolean;
  /** Data offset of each member in KiB; null to leave it to mdadm. */
  readonly dataOffsetKib: readonly number[] | null;
  /** Skips the first resync (new disks are zeros, so it is true). */
  readonly assumeClean: boolean;
  /** Slot that is "missing" on creation. */
  readonly absent: number | null;
  /** Slot that fails before the last overwrite: its disk is stale. */
  readonly fails: number | null;
  readonly spare: boolean;
  readonly seed: string;
  readonly overwrites: readonly Overwrite[];
}

const CLASSIC = [
  "left-asymmetric",
  "right-asymmetric",
  "left-symmetric",
  "right-symmetric",
] as const;
const ROTATING = [
  ...CLASSIC,
  "parity-first",
  "parity-last",
  "ddf-zero-restart",
  "ddf-N-restart",
  "ddf-N-continue",
] as const;

/** Layouts by level; each comes up at least once in a run. */
const LAYOUTS: Record<Level, readonly (string | null)[]> = {
  linear: [null, null, null],
  raid0: [null, null, null, "original", "alternate", "alternate", "original"],
  raid1: [null, null, null, null, null, null, null, null],
  raid4: [null, null, null, null],
  raid5: [...ROTATING, "left-symmetric", "right-asymmetric"],
  raid6: [...ROTATING, ...CLASSIC.map((layout) => `${layout}-6`), "parity-first-6"],
  raid10: ["n2", "n2", "n2", "n3", "n4", "f2", "f2", "f2", "f3", "o2", "o2", "o2", "o3"],
};

const DISKS: Record<Level, readonly [number, number]> = {
  linear: [1, 4],
  raid0: [1, 5],
  raid1: [1, 4],
  raid4: [2, 5],
  raid5: [2, 6],
  raid6: [4, 7],
  raid10: [2, 6],
};

export const STAMP_SEEDS = ["kernelA", "kernelB", "kernelC"] as const;
export const OVERWRITE_SEED = "later";
/** No array is bigger: stamp files are that long. */
export const LARGEST_ARRAY_SECTORS = 7 * 8 * 2048;

export function hasRedundancy(level: Level): boolean {
  return level !== "linear" && level !== "raid0";
}

function raid10Copies(layout: string): { readonly near: boolean; readonly copies: number } {
  return { near: layout.startsWith("n"), copies: Number(layout.slice(1)) };
}

/**
 * Whether some chunk of a raid10 has all its copies on missing disks (md(4)): near copies of chunk c lie on the disks
 * c*n..c*n+n-1 modulo the disk count, far and offset copies on c, c+1, ...
 */
function raid10Lost(layout: string, disks: number, missing: ReadonlySet<number>): boolean {
  const { near, copies } = raid10Copies(layout);
  for (let chunk = 0; chunk < disks; chunk += 1) {
    const first = near ? chunk * copies : chunk;
    let present = false;
    for (let copy = 0; copy < copies; copy += 1) present ||= !missing.has((first + copy) % disks);
    if (!present) return true;
  }
  return false;
}

/** Whether the array can be read without these slots. */
export function survives(
  plan: Pick<ArrayPlan, "level" | "layout" | "memberSectors">,
  missing: ReadonlySet<number>,
): boolean {
  const disks = plan.memberSectors.length;
  switch (plan.level) {
    case "linear":
    case "raid0":
      return missing.size === 0;
    case "raid1":
      return missing.size < disks;
    case "raid4":
    case "raid5":
      return missing.size <= 1;
    case "raid6":
      return missing.size <= 2;
    case "raid10":
      return !raid10Lost(plan.layout ?? "n2", disks, missing);
  }
}

/** Slots whose disks are of no use when the array is opened again. */
export function lostSlots(plan: ArrayPlan): Set<number> {
  return new Set([plan.absent, plan.fails].filter((slot) => slot !== null));
}

function memberSizes(prng: Prng, level: Level, layout: string | null, disks: number): number[] {
  const unequal = level === "linear" || (level === "raid0" && layout !== null);
  const base = prng.between(3 * 2048, 6 * 2048);
  return Array.from({ length: disks }, () =>
    unequal ? prng.between(3 * 2048, 8 * 2048) : base + prng.below(100),
  );
}

function diskCount(prng: Prng, level: Level, layout: string | null): number {
  const [least, most] = DISKS[level];
  if (level === "raid10" && layout !== null) return prng.between(raid10Copies(layout).copies, most);
  if (level === "raid0" && layout !== null) return prng.between(3, most);
  return prng.between(least, most);
}

function dataOffsets(prng: Prng, metadata: string, disks: number): number[] | null {
  if (metadata === "0.90" || metadata === "1.0" || !prng.chance(0.3)) return null;
  const first = prng.between(64, 255) * 4;
  const variable = prng.chance(0.5);
  return Array.from({ length: disks }, () => (variable ? prng.between(64, 255) * 4 : first));
}

/** A slot to lose, if the array can bear it besides those in `lost`. */
function slotToLose(
  prng: Prng,
  probability: number,
  plan: Pick<ArrayPlan, "level" | "layout" | "memberSectors">,
  lost: readonly (number | null)[],
): number | null {
  if (!prng.chance(probability)) return null;
  const slot = prng.below(plan.memberSectors.length);
  const all = new Set([slot, ...lost.filter((each) => each !== null)]);
  return !lost.includes(slot) && survives(plan, all) ? slot : null;
}

function chunkOf(prng: Prng, level: Level): number | null {
  if (level === "raid1" || level === "linear") return null;
  // Only raid0 may have a chunk that is no power of two.
  if (level === "raid0" && prng.chance(0.3)) return prng.pick([12, 20, 36, 100]);
  return prng.pick([4, 8, 16, 32, 64, 128, 256, 512]);
}

function metadataOf(prng: Prng, level: Level): ArrayPlan["metadata"] {
  // A raid0 of unequal disks needs a place to note its layout, which 0.90 has not: mdadm 4.2 makes none at all.
  if (level === "raid0") return prng.pick(["1.0", "1.1", "1.2"]);
  return prng.pick(["0.90", "1.0", "1.1", "1.2", "1.2"]);
}

function overwritesOf(prng: Prng): Overwrite[] {
  return Array.from({ length: prng.between(1, 4) }, () => ({
    startPermille: prng.below(1000),
    sectors: prng.chance(0.5) ? prng.between(1, 40) : prng.between(40, 3000),
  }));
}

function planOne(prng: Prng, name: string, level: Level, layout: string | null): ArrayPlan {
  const disks = diskCount(prng, level, layout);
  const metadata = metadataOf(prng, level);
  const memberSectors = memberSizes(prng, level, layout, disks);
  const shape = { level, layout, memberSectors };
  const redundant = hasRedundancy(level);
  const absent = redundant && disks > 1 ? slotToLose(prng, 0.15, shape, []) : null;
  const fails = redundant && disks > 1 ? slotToLose(prng, 0.25, shape, [absent]) : null;
  return {
    ...shape,
    name,
    metadata,
    absent,
    fails,
    chunkKib: chunkOf(prng, level),
    bitmapChunkKib: redundant && prng.chance(0.4) ? prng.pick([4, 16, 64, 1024]) : null,
    writeMostly:
      level === "raid1" ? memberSectors.flatMap((_, i) => (prng.chance(0.3) ? [i] : [])) : [],
    badBlockLog: metadata === "0.90" || prng.chance(0.7),
    dataOffsetKib: dataOffsets(prng, metadata, disks),
    assumeClean: redundant && absent === null && prng.chance(0.4),
    spare: redundant && absent === null && fails === null && prng.chance(0.15),
    seed: prng.pick(STAMP_SEEDS),
    overwrites: overwritesOf(prng),
  };
}

/** One array for each layout of each level, in random order. */
export function planArrays(seed: number): ArrayPlan[] {
  const prng = new Prng(seed);
  const wanted = (Object.keys(LAYOUTS) as Level[]).flatMap((level) =>
    LAYOUTS[level].map((layout) => ({ level, layout })),
  );
  return prng.shuffle(wanted).map(({ level, layout }, i) => planOne(prng, `a${i}`, level, layout));
}

export function describePlan(plan: ArrayPlan): string {
  const words = [
    plan.name,
    plan.level,
    plan.layout,
    `${plan.memberSectors.length} disks`,
    plan.chunkKib === null ? null : `${plan.chunkKib}K`,
    plan.metadata,
    plan.bitmapChunkKib === null ? null : "bitmap",
    plan.badBlockLog ? null : "no bad-block log",
    plan.dataOffsetKib === null ? null : "data offset",
    plan.writeMostly.length > 0 ? "write-mostly" : null,
    plan.absent === null ? null : `slot ${plan.absent} absent`,
    plan.fails === null ? null : `slot ${plan.fails} fails`,
    plan.spare ? "spare" : null,
  ];
  return words.filter((word) => word !== null).join(" ");
}
