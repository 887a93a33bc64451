/**
 * Random arrays for Holdfast to make, decided by one seed: every level, and around that chance: layout, chunk, metadata
 * version, disk count and sizes, bitmap, data offset, bad-block log, a member that is missing, first sync or none.
 */
import { Prng } from "../../src/base/prng.ts";
import type { CreateRequest, NewDevice } from "../../src/md/create/request.ts";
import type { MdVersion } from "../../src/formats/md/superblock.ts";

export interface HoldfastPlan {
  readonly name: string;
  /** Sectors by slot; null: missing. */
  readonly disks: readonly (number | null)[];
  readonly request: Partial<CreateRequest>;
  /** Of each disk. */
  readonly devices: readonly Partial<NewDevice>[];
  /** The disks are random before: the first sync has something to do. */
  readonly hasJunk: boolean;
  /** In order; else it ends like a machine whose power fails after a flush. */
  readonly isStopped: boolean;
}

interface Shape {
  readonly level: CreateRequest["level"];
  readonly least: number;
  readonly layouts: readonly (number | null)[];
}

const MIB = 2048;
const STRIPES = [0, 1, 2, 3, 4, 5];
const RAID6_LAYOUTS = [...STRIPES, 8, 9, 10, 16, 17, 18, 19, 20];

const LINEAR: Shape = { level: "linear", least: 2, layouts: [null] };
const RAID0: Shape = { level: "raid0", least: 2, layouts: [null] };
const RAID1: Shape = { level: "raid1", least: 2, layouts: [null] };
const RAID4: Shape = { level: "raid4", least: 3, layouts: [null] };
const RAID5: Shape = { level: "raid5", least: 3, layouts: STRIPES };
const RAID6: Shape = { level: "raid6", least: 4, layouts: RAID6_LAYOUTS };
const NEAR: Shape = { level: "raid10", least: 3, layouts: [0x102, 0x103] };
const FAR: Shape = { level: "raid10", least: 3, layouts: [0x201, 0x301] };
const OFFSET: Shape = { level: "raid10", least: 3, layouts: [0x10201, 0x10301] };

/** How many of each; half of all are stopped, the others cut off: 60. */
const SHAPES: readonly (readonly [Shape, number])[] = [
  [LINEAR, 1],
  [RAID0, 2],
  [RAID1, 4],
  [RAID4, 2],
  [RAID5, 7],
  [RAID6, 7],
  [NEAR, 3],
  [FAR, 2],
  [OFFSET, 2],
];

function isRedundant({ level }: Shape): boolean {
  return level !== "linear" && level !== "raid0";
}

function versionOf(prng: Prng, shape: Shape): MdVersion {
  // A raid0 of unequal disks has zones, which 0.90 cannot tell of.
  const versions = ["1.0", "1.1", "1.2"] as const;
  return shape.level === "raid0" ? prng.pick(versions) : prng.pick(["0.90", ...versions]);
}

function chunkOf(prng: Prng, { level }: Shape): number | null {
  if (level === "raid1") return null;
  // Only raid0 may have a chunk that is no power of two.
  if (level === "raid0" && prng.chance(0.3)) return prng.pick([24, 72, 200]);
  return prng.pick([8, 16, 64, 128, 256, 1024]);
}

/** 5 to 8 MiB each, or nearly the same for all. */
function diskSizes(prng: Prng, count: number): number[] {
  const isUnequal = prng.chance(0.3);
  const base = prng.between(6 * MIB, 8 * MIB);
  return Array.from({ length: count }, () =>
    isUnequal ? prng.between(5 * MIB, 8 * MIB) : base + prng.below(100),
  );
}

/** Not on 1.0 and 0.90, whose data start at 0. */
function dataOffsets(prng: Prng, version: MdVersion, count: number): Partial<NewDevice>[] {
  if (version === "0.90" || version === "1.0" || !prng.chance(0.3)) return [];
  return Array.from({ length: count }, () => ({ dataOffsetSectors: prng.between(64, 255) * 8 }));
}

function planOne(prng: Prng, name: string, shape: Shape, isStopped: boolean): HoldfastPlan {
  const { level, least } = shape;
  const layout = prng.pick(shape.layouts);
  const version = versionOf(prng, shape);
  const count = least + prng.below(3);
  const sizes = diskSizes(prng, count);
  // Dirty, with parity and without a member is what no kernel starts.
  const mayLack = isRedundant(shape) && (isStopped || level === "raid1" || level === "raid10");
  const missing = mayLack && prng.chance(0.2) ? prng.below(count) : null;
  const assumeClean = missing !== null || prng.chance(0.5);
  const hasBitmap = isRedundant(shape) && prng.chance(0.5);
  const bitmapChunk = prng.pick([32, 128, 512, null]);
  const request: Partial<CreateRequest> = {
    level,
    layout,
    version,
    chunkSectors: chunkOf(prng, shape),
    bitmap: hasBitmap ? { chunkSectors: bitmapChunk, delaySeconds: 5, writeBehind: 0 } : null,
    assumeClean,
    // Without it a raid4 or raid5 starts without its last member, which is filled as a spare.
    force: !isStopped || prng.chance(0.3),
    badBlockLog: prng.chance(0.7),
  };
  return {
    name,
    disks: sizes.map((sectors, slot) => (slot === missing ? null : sectors)),
    request,
    devices: dataOffsets(prng, version, count),
    hasJunk: isRedundant(shape) && !assumeClean,
    isStopped,
  };
}

export function planHoldfastArrays(seed: number): HoldfastPlan[] {
  const prng = new Prng(seed);
  const shapes = SHAPES.flatMap(([shape, count]) => Array.from({ length: count }, () => shape));
  return [true, false].flatMap((isStopped) => {
    const prefix = isStopped ? "stopped" : "cut";
    return shapes.map((shape, i) => planOne(prng, `${prefix}${i}`, shape, isStopped));
  });
}

export function hasRedundancy(plan: HoldfastPlan): boolean {
  return plan.request.level !== "linear" && plan.request.level !== "raid0";
}

export function describeHoldfastPlan({
  name,
  disks,
  request,
  devices,
  hasJunk,
}: HoldfastPlan): string {
  const missing = disks.indexOf(null);
  const words = [
    `${name}: ${request.level} of ${disks.length}`,
    request.version,
    request.layout === null ? null : `layout ${request.layout}`,
    request.chunkSectors === null ? null : `chunk ${request.chunkSectors}`,
    request.bitmap === null ? null : "bitmap",
    devices.length > 0 ? "data offsets" : null,
    hasJunk ? "never synced" : null,
    missing === -1 ? null : `slot ${missing} missing`,
  ];
  return words.filter((word) => word !== null).join(", ");
}
