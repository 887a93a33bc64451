/** Where a planned array's sectors lie, and how many there are: the geometry of what its superblocks tell. Nothing is read. */
import { HoldfastError } from "../base/errors.ts";
import { alignDown } from "../base/units.ts";
import type { MdReshape, MdShape } from "../formats/md/superblock.ts";
import { makeGeometry } from "./geometry/geometry.ts";
import type { Geometry } from "./geometry/geometry.ts";
import { StripeGeometry } from "./geometry/raid456.ts";
import type { AssemblyPlan } from "./plan.ts";

/** The geometry of one shape of the array. */
export function geometryOf(plan: AssemblyPlan, shape: MdShape, componentSectors: number): Geometry {
  const { superblock } = plan;
  return makeGeometry(shape, {
    componentSectors,
    memberSectors: plan.slots.map((slot) => slot.member?.candidate.superblock.dataSectors ?? null),
    raid0Layout: superblock.raid0Layout,
  });
}

/** That of a raid4/5/6 at rest, which logs of writes speak of; null for other levels. */
export function stripesOf(plan: AssemblyPlan): StripeGeometry | null {
  const { shape, componentSectors } = plan.superblock;
  if (shape === null) return null;
  const geometry = geometryOf(plan, shape, componentSectors);
  return geometry instanceof StripeGeometry ? geometry : null;
}

/** The two shapes of a reshape, and the size the volume has while it runs: that of the smaller one. */
export function reshapeGeometries(
  plan: AssemblyPlan,
  reshape: MdReshape,
): { before: Geometry; after: Geometry; sectors: number } {
  const chunk = Math.max(reshape.before.chunkSectors, reshape.after.chunkSectors, 1);
  const component = alignDown(plan.superblock.componentSectors, chunk);
  const before = geometryOf(plan, reshape.before, component);
  const after = geometryOf(plan, reshape.after, component);
  return { before, after, sectors: Math.min(before.arraySectors, after.arraySectors) };
}

/** Size of the volume, in sectors; null when it cannot be told without the members that are missing. */
export function plannedSectors(plan: AssemblyPlan): number | null {
  const { shape, reshape, componentSectors } = plan.superblock;
  if (shape === null || plan.slots.length === 0) return null;
  try {
    return reshape === null
      ? geometryOf(plan, shape, componentSectors).arraySectors
      : reshapeGeometries(plan, reshape).sectors;
  } catch (error) {
    if (error instanceof HoldfastError) return null;
    throw error;
  }
}
