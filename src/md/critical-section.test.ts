import { describe, expect, it } from "vitest";
import type { MdReshape, MdShape } from "../formats/md/superblock.ts";
import { needsBackup } from "./critical-section.ts";

function reshape(before: MdShape, after: MdShape, positionSectors: number): MdReshape {
  const deltaDisks = after.raidDisks - before.raidDisks;
  return {
    positionSectors,
    deltaDisks,
    backwards: deltaDisks < 0,
    before,
    after,
    newOffsetDeltaSectors: 0,
  };
}

const raid5 = (raidDisks: number, chunkSectors: number): MdShape => ({
  level: "raid5",
  layout: 2,
  chunkSectors,
  raidDisks,
});

/** mdadm's way of finding the end of the critical section: one chunk after the other. */
function sectionByWalking(before: MdShape, after: MdShape): number {
  const [wide, narrow] = after.raidDisks > before.raidDisks ? [after, before] : [before, after];
  let at = 0;
  let other = 0;
  while (at >= other) {
    at += wide.chunkSectors;
    const data = at * (wide.raidDisks - 1);
    other = Math.floor(data / (narrow.raidDisks - 1) / narrow.chunkSectors) * narrow.chunkSectors;
  }
  return at * (wide.raidDisks - 1);
}

describe("the critical section of a reshape", () => {
  it("ends where walking chunk by chunk ends, for small arrays and chunks of all sizes", () => {
    for (let few = 2; few <= 9; few += 1)
      for (let many = few + 1; many <= 12; many += 1)
        for (const a of [8, 16, 64, 1024])
          for (const b of [8, 32, 128])
            for (const [before, after] of [
              [raid5(few, a), raid5(many, b)],
              [raid5(many, a), raid5(few, b)],
            ] as const) {
              const end = sectionByWalking(before, after);
              const where = `${few} and ${many} disks, chunks ${a} and ${b}, ${end}`;
              expect(needsBackup(reshape(before, after, end)), where).toBe(false);
              expect(needsBackup(reshape(before, after, end - 1)), where).toBe(true);
            }
  });

  it("takes no time with the largest chunk next to the smallest, on the most disks there can be", () => {
    const huge = 0x200000;
    expect(needsBackup(reshape(raid5(1918, huge), raid5(1919, 8), 0))).toBe(true);
    expect(needsBackup(reshape(raid5(1918, 8), raid5(1919, huge), 2 ** 50))).toBe(false);
    expect(needsBackup(reshape(raid5(1919, 8), raid5(1918, huge), 0))).toBe(true);
  });
});
