/**
 * Does a reshape need its backup to be read rightly? One that moves data to another offset never overwrites what it
 * has not copied. One without spare room does: all along when the number of data disks stays, else only in the first stripes,
 * where reading and writing are less than a stripe apart. The rules are mdadm's (Grow.c).
 */
import { assert } from "../base/assert.ts";
import type { MdReshape, MdShape } from "../formats/md/superblock.ts";

export function needsBackup(reshape: MdReshape): boolean {
  const { before, after, deltaDisks, positionSectors, newOffsetDeltaSectors } = reshape;
  const parity = before.level === "raid4" || before.level === "raid5" || before.level === "raid6";
  if (!parity || newOffsetDeltaSectors !== 0) return false;
  if (deltaDisks === 0) return true;
  return deltaDisks > 0
    ? positionSectors < growingSection(before, after)
    : positionSectors < shrinkingSection(before, after);
}

/**
 * Array sectors that are in doubt when a reshape that needs its backup has none, at most: those that the reshape may be
 * in the middle of. In place that is what mdadm's backup has room for, two sections; otherwise what is left of the section
 * where reading and writing are close.
 * @param componentSectors of each member
 */
export function sectorsInDoubt(reshape: MdReshape, componentSectors: number): number {
  const { before, after, deltaDisks, positionSectors } = reshape;
  if (!needsBackup(reshape)) return 0;
  if (deltaDisks > 0) return growingSection(before, after);
  if (deltaDisks < 0) return Math.min(shrinkingSection(before, after), positionSectors);
  return 2 * backupSection(before, after, componentSectors);
}

/** The size mdadm chooses: a multiple of both stripes, doubled up to 16 MiB as long as it is below a 32nd of a member. */
function backupSection(before: MdShape, after: MdShape, componentSectors: number): number {
  const old = before.chunkSectors * dataDisks(before);
  const young = after.chunkSectors * dataDisks(after);
  let sectors = leastCommonMultiple(old, young);
  while (sectors * 32 < componentSectors && sectors < 16 * 2048) sectors *= 2;
  return sectors;
}

function leastCommonMultiple(a: number, b: number): number {
  let [large, small] = [a, b];
  while (small > 0) [large, small] = [small, large % small];
  return (a / large) * b;
}

export function dataDisks(shape: MdShape): number {
  return shape.raidDisks - (shape.level === "raid6" ? 2 : 1);
}

/** Array sectors that a growing reshape backs up: until the new stripes lie wholly before the old ones still to be read. */
function growingSection(before: MdShape, after: MdShape): number {
  return firstGap(after, before) * dataDisks(after);
}

/** The same for a shrinking one, which comes from the end. */
function shrinkingSection(before: MdShape, after: MdShape): number {
  return firstGap(before, after) * dataDisks(before);
}

/**
 * The first member sector, in whole chunks of `wide`, at which as much data reaches a whole chunk of `narrow` further on the members
 * of that. Not by trying one chunk after the other: a damaged superblock can make that a matter of minutes. Chunks are
 * powers of two, so the smaller divides the larger.
 */
function firstGap(wide: MdShape, narrow: MdShape): number {
  const more = dataDisks(wide);
  const fewer = dataDisks(narrow);
  const step = wide.chunkSectors;
  const other = narrow.chunkSectors;
  assert(more > fewer, "a change of the number of disks changes that of data disks");
  // The wide side is where the narrow one has come a chunk of its own further: at * more / fewer >= at + other.
  if (step >= other) return Math.ceil((other * fewer) / (more - fewer) / step) * step;
  // Or the first narrow chunk border with a wide one less than its lead before it: border - step >= border * fewer / more.
  const border = Math.ceil((step * more) / (more - fewer) / other) * other;
  return Math.ceil((border * fewer) / more / step) * step;
}
