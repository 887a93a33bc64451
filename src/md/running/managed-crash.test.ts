/**
 * Lives of whole arrays, over all levels: clients write and flush, members fail, spares are filled, a check runs, and at any moment the power is
 * cut. After that the array starts again, and what was promised is there: every acknowledged flush and FUA write (law 8), no copy of a disk
 * that had failed (law 3), copies and parity alike when background sync is done (laws 1 and 2).
 *
 * `HOLDFAST_SEED=N` replays a run, `HOLDFAST_LIVES=N` asks for more lives of each shape.
 */
import { describe, expect, it } from "vitest";
import { liveOnce } from "../../../test/support/array-life.ts";
import type { LifeShape } from "../../../test/support/array-life.ts";
import { seedOfRun } from "../../../test/support/seed.ts";

const SEED = seedOfRun();
const LIVES = Number(process.env["HOLDFAST_LIVES"] ?? 40);

const SHAPES: readonly LifeShape[] = [
  { name: "raid1 of 2", disks: 2, bearable: 1, request: { level: "raid1", chunkSectors: null } },
  { name: "raid1 of 3", disks: 3, bearable: 2, request: { level: "raid1", chunkSectors: null } },
  { name: "raid10 n2 of 4", disks: 4, bearable: 1, request: { level: "raid10", layout: 0x102 } },
  { name: "raid10 f2 of 3", disks: 3, bearable: 1, request: { level: "raid10", layout: 0x201 } },
  { name: "raid4 of 3", disks: 3, bearable: 1, request: { level: "raid4" } },
  { name: "raid5 of 4", disks: 4, bearable: 1, request: { level: "raid5" } },
  { name: "raid6 of 5", disks: 5, bearable: 2, request: { level: "raid6" } },
];

describe(`arrays that lose power (seed ${SEED})`, () => {
  it.each(SHAPES.map((shape) => [shape.name, shape] as const))("%s", async (_name, shape) => {
    for (let life = 0; life < LIVES; life += 1)
      expect(await liveOnce(shape, SEED + life)).toBeNull();
  });

  // Power was lost while a member was filled by bitmap: where it was good already, writes under way had reached one copy and not the other.
  it.each([
    [SHAPES[0]!, 251_143_039],
    [SHAPES[1]!, 251_143_039],
  ] as const)("$name, life %i", async (shape, seed) => {
    expect(await liveOnce(shape, seed)).toBeNull();
  });
});
