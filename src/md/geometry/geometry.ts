/**
 * From the shape a superblock tells to the arithmetic that finds sectors. Every check on the shape is here, so the
 * geometries need not doubt theirs: what the kernel refuses to run is refused, in one sentence, before anything is read.
 *
 * All geometries have `level`, `raidDisks`, `arraySectors` (what the kernel makes of it: rounded down to whole chunks),
 * `memberSectorsUsed(slot)`, `pieceSectors(sector)` and the inverse `toVolume(slot, memberSector)`. Those that keep a sector once
 * (linear, raid0, raid4/5/6) have `locate(sector)`, the mirrored ones (raid1, raid10) `copies(sector)`.
 */
import { assert } from "../../base/assert.ts";
import { HoldfastError } from "../../base/errors.ts";
import { MAX_SECTORS } from "../../base/units.ts";
import { shapeProblem } from "../../formats/md/shape-check.ts";
import type { MdShape } from "../../formats/md/superblock.ts";
import { LinearGeometry } from "./linear.ts";
import { countRaid0Zones, Raid0Geometry } from "./raid0.ts";
import type { Raid0Layout } from "./raid0.ts";
import { Raid1Geometry } from "./raid1.ts";
import { findCollision, parseRaid10Layout, Raid10Geometry } from "./raid10.ts";
import { StripeGeometry } from "./raid456.ts";
import type { StripeLevel } from "./stripe-layouts.ts";

export type Geometry =
  | LinearGeometry
  | Raid0Geometry
  | Raid1Geometry
  | StripeGeometry
  | Raid10Geometry;

/** Sizes that go with a shape. */
export interface GeometrySizes {
  /** Sectors of each member that the array uses. Not looked at for linear and raid0. */
  readonly componentSectors: number;
  /** Usable sectors of each member, by slot; null for a missing one. Looked at for linear and raid0 only. */
  readonly memberSectors: readonly (number | null)[];
  /** Only matters for raid0 with members of unequal size; null: not recorded. */
  readonly raid0Layout: Raid0Layout | null;
}

function bad(message: string): HoldfastError {
  return new HoldfastError("bad-metadata", message);
}

function checkShape(shape: MdShape): void {
  const problem = shapeProblem(shape);
  if (problem !== null) {
    throw bad(`the superblock says ${shape.level}, but ${problem}; it is damaged`);
  }
}

function checkComponent(shape: MdShape, sizes: GeometrySizes): void {
  const { componentSectors } = sizes;
  if (!Number.isInteger(componentSectors) || componentSectors <= 0) {
    throw bad(
      `the superblock says ${shape.level} that uses ${componentSectors} sectors of each member, which no array can; it is damaged`,
    );
  }
}

/** linear and raid0: all members must be known. */
function allMembers(shape: MdShape, sizes: GeometrySizes): number[] {
  const missing: number[] = [];
  const known: number[] = [];
  for (let slot = 0; slot < shape.raidDisks; slot += 1) {
    const sectors = sizes.memberSectors[slot] ?? null;
    if (sectors === null) missing.push(slot);
    else known.push(sectors);
  }
  if (missing.length > 0) {
    throw new HoldfastError(
      "cannot-start",
      `${shape.level} needs all of its ${shape.raidDisks} members to know where data lies, and member ${missing.join(", ")} is not there; find it`,
    );
  }
  if (known.some((sectors) => !Number.isInteger(sectors) || sectors < 0)) {
    throw bad(
      `the superblocks say that members of the ${shape.level} array have ${known.join(", ")} sectors, which cannot be; they are damaged`,
    );
  }
  return known;
}

function makeRaid0(shape: MdShape, sizes: GeometrySizes): Raid0Geometry {
  const { chunkSectors } = shape;
  const members = allMembers(shape, sizes);
  if (countRaid0Zones(chunkSectors, members) > 1 && sizes.raid0Layout === null) {
    throw new HoldfastError(
      "cannot-start",
      "the raid0 array has members of unequal size and does not record how it is laid out beyond the smallest; say it with --raid0-layout: original if a kernel before 3.14 wrote it, alternate if a later one did",
    );
  }
  return new Raid0Geometry(chunkSectors, members, sizes.raid0Layout ?? "original");
}

function makeStripe(level: StripeLevel, shape: MdShape, sizes: GeometrySizes): StripeGeometry {
  checkComponent(shape, sizes);
  const { layout, raidDisks, chunkSectors } = shape;
  return new StripeGeometry(level, layout, raidDisks, chunkSectors, sizes.componentSectors);
}

function makeRaid10(shape: MdShape, sizes: GeometrySizes): Raid10Geometry {
  checkComponent(shape, sizes);
  const { raidDisks, chunkSectors } = shape;
  const layout = parseRaid10Layout(shape.layout, raidDisks);
  assert(layout !== null, "the shape was checked");
  const number = `0x${(shape.layout >>> 0).toString(16)}`;
  const collision = findCollision(layout, raidDisks);
  if (collision !== null) {
    throw new HoldfastError(
      "unsupported",
      `raid10 of ${raidDisks} members with layout ${number} cannot keep data: ${collision}; it is not served`,
    );
  }
  return new Raid10Geometry(layout, raidDisks, chunkSectors, sizes.componentSectors);
}

function makeUnchecked(shape: MdShape, sizes: GeometrySizes): Geometry {
  switch (shape.level) {
    case "linear":
      return new LinearGeometry(shape.chunkSectors, allMembers(shape, sizes));
    case "raid0":
      return makeRaid0(shape, sizes);
    case "raid1":
      checkComponent(shape, sizes);
      return new Raid1Geometry(shape.raidDisks, sizes.componentSectors);
    case "raid4":
    case "raid5":
    case "raid6":
      return makeStripe(shape.level, shape, sizes);
    case "raid10":
      return makeRaid10(shape, sizes);
  }
}

/**
 * The geometry of a shape.
 * @throws HoldfastError `bad-metadata` for a shape that cannot be; `cannot-start` when a member or the layout of a raid0 or
 * linear array is not known; `unsupported` for a raid10 layout that overwrites itself, or a volume beyond MAX_SECTORS
 */
export function makeGeometry(shape: MdShape, sizes: GeometrySizes): Geometry {
  checkShape(shape);
  const geometry = makeUnchecked(shape, sizes);
  if (geometry.arraySectors === 0) {
    throw bad(
      `the superblock says ${shape.level} with chunks of ${shape.chunkSectors} sectors, larger than what the array uses of its members; it is damaged`,
    );
  }
  if (geometry.arraySectors > MAX_SECTORS) {
    throw new HoldfastError(
      "unsupported",
      `the ${shape.level} array would have ${geometry.arraySectors} sectors, more than ${MAX_SECTORS}; such volumes are not served`,
    );
  }
  return geometry;
}
