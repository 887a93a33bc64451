import { describe, expect, it } from "vitest";
import { checked } from "../block/checked.ts";
import type { Extent } from "../block/device.ts";
import { writeSectors } from "../block/promises.ts";
import { MemoryDevice } from "../devices/memory.ts";
import type { MdShape } from "../formats/md/superblock.ts";
import { plainEngine } from "../parity/engine.ts";
import { MdArray } from "./array.ts";
import { makeGeometry } from "./geometry/geometry.ts";
import { makePersonality } from "./personalities/make.ts";
import { Slot, fixedView } from "./slot.ts";

const SHAPE: MdShape = { level: "raid0", layout: 0, chunkSectors: 8, raidDisks: 2 };
const MEMBER_SECTORS = 8 * 10_000;

function arrayOver(disks: readonly MemoryDevice[]): MdArray {
  const geometry = makeGeometry(SHAPE, {
    componentSectors: 0,
    memberSectors: disks.map((disk) => disk.sectors),
    raid0Layout: null,
  });
  const slots = disks.map(
    (disk, i) => new Slot(i, [fixedView(disk.name, disk, 0, Infinity, [])], false),
  );
  const endSector = geometry.arraySectors;
  const personality = makePersonality(geometry, slots, () => plainEngine);
  return new MdArray({
    name: "array",
    sectors: endSector,
    regions: [{ endSector, personality }],
    optimalIoBytes: 0,
    logicalBlockBytes: 512,
  });
}

describe("the extents of an array", () => {
  it("are told a bounded number of chunks at a time, and cover it all in the end", async () => {
    const disks = [0, 1].map((i) => new MemoryDevice({ name: `d${i}`, sectors: MEMBER_SECTORS }));
    await writeSectors(disks[1]!, 8 * 7000, new Uint8Array(4096).fill(1));
    const array = checked(arrayOver(disks));
    const found: Extent[] = [];
    let at = 0;
    let calls = 0;
    while (at < array.sectors) {
      const runs = array.extents(at, array.sectors - at, 100);
      found.push(...runs);
      at = runs.at(-1)!.sector + runs.at(-1)!.sectors;
      calls += 1;
    }
    expect(calls).toBeGreaterThan(3);
    expect(calls).toBeLessThan(8);
    expect(found.filter((run) => run.kind === "data")).toEqual([
      { sector: 16 * 7000 + 8, sectors: 8, kind: "data" },
    ]);
    expect(found.reduce((sum, run) => sum + run.sectors, 0)).toBe(2 * MEMBER_SECTORS);
  });
});
