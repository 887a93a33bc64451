/**
 * Long reads of arrays that have lost members: every layout with P and Q, on memory disks, with rows that are simple and rows that are not,
 * errors in the middle, and buffers inside and outside the arena. The plain parity code laid the arrays out; what is read must be right
 * exactly when enough is left of every sector.
 */
import { describe, expect, it } from "vitest";
import {
  damagedArray,
  makeDamage,
  makeSparse,
  makeWorld,
  readable,
} from "../../../test/support/damaged-array.ts";
import type { Damage, World } from "../../../test/support/damaged-array.ts";
import { seedOfRun } from "../../../test/support/seed.ts";
import { Arena } from "../../base/arena.ts";
import type { HoldfastError } from "../../base/errors.ts";
import { Prng } from "../../base/prng.ts";
import { SECTOR_BYTES } from "../../base/units.ts";
import { readInto } from "../../block/promises.ts";
import type { MdShape } from "../../formats/md/superblock.ts";
import { createParityKernels } from "../../parity/create.ts";
import { plainEngine } from "../../parity/engine.ts";
import type { ParityEngine } from "../../parity/engine.ts";

const CHUNK_SECTORS = 8;
const ROWS = 40;
const COMPONENT_SECTORS = ROWS * CHUNK_SECTORS;
const ROUNDS = 16;

function shapes(level: MdShape["level"], layouts: readonly number[], disks: number): MdShape[] {
  return layouts.map((layout) => ({
    level,
    layout,
    chunkSectors: CHUNK_SECTORS,
    raidDisks: disks,
  }));
}

const SHAPES: readonly MdShape[] = [
  ...shapes("raid4", [0], 4),
  ...shapes("raid5", [0, 1, 2, 3, 4, 5], 4),
  ...shapes("raid5", [2], 2),
  ...shapes("raid6", [0, 1, 2, 3, 4, 5, 8, 9, 10, 16, 17, 18, 19, 20], 5),
  ...shapes("raid6", [2], 4),
];

const arena = new Arena(16 * 1024 * 1024);
const simdEngine: ParityEngine = { arena, kernels: createParityKernels(arena) };
const seed = seedOfRun();

/** As many members missing as may be, or one less, and damage of the others that leaves most rows alone. */
function someLost(prng: Prng, world: World): Damage {
  const damage = makeDamage(prng, world);
  const disks = world.disks.length;
  const most = disks - ("dataDisks" in world.geometry ? world.geometry.dataDisks : 0);
  const missing = new Set([prng.below(disks)]);
  if (most === 2 && prng.chance(0.7)) missing.add(prng.below(disks));
  const isMessy = prng.chance(0.5);
  return {
    missing,
    failing: isMessy ? damage.failing : damage.failing.map(() => []),
    listedBad: prng.chance(0.3) ? damage.listedBad : damage.listedBad.map(() => []),
    recovered: prng.chance(0.3) ? damage.recovered : damage.recovered.map(() => Infinity),
  };
}

describe.each(SHAPES)("long reads of a $level of $raidDisks, layout $layout", (shape) => {
  it(`give what is left and invent nothing (seed ${seed})`, async () => {
    const prng = new Prng(seed);
    const world = await makeWorld(shape, prng, COMPONENT_SECTORS);
    let right = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      const damage = someLost(prng, world);
      const { array } = damagedArray(world, damage, prng.pick([plainEngine, simdEngine]));
      const { sectors } = array;
      const canRead = Array.from({ length: sectors }, (_unused, sector) =>
        readable(world.geometry, damage, sector),
      );
      for (let i = 0; i < 8; i += 1) {
        const start = i === 0 ? 0 : prng.below(sectors);
        const count = i === 0 ? sectors : prng.between(1, sectors - start);
        const bytes = count * SECTOR_BYTES;
        const borrowed = prng.chance(0.5) ? arena.take(bytes) : null;
        const data = borrowed?.subarray(0, bytes) ?? new Uint8Array(bytes);
        data.fill(0xee);
        const outcome = await readInto(array, start, data).then(
          () => "read" as const,
          (error: unknown) => (error as HoldfastError).code,
        );
        const place = `round ${round}, sectors ${start}+${count}`;
        if (canRead.slice(start, start + count).every(Boolean)) {
          expect(outcome, place).toBe("read");
          const from = start * SECTOR_BYTES;
          const wanted = world.content.subarray(from, from + bytes);
          expect(Buffer.compare(data, wanted), place).toBe(0);
          right += 1;
        } else expect(outcome, place).toBe("data-lost");
        if (borrowed !== null) arena.give(borrowed);
      }
      await array.close();
    }
    expect(right).toBeGreaterThan(20);
    expect(arena.counters()).toMatchObject({ buffers: 0, refusals: 0 });
  });
});

describe.each(SHAPES)(
  "what is known of a $level of $raidDisks, layout $layout, without reading",
  (shape) => {
    it(`is a hole only where zeros are read (seed ${seed})`, async () => {
      const prng = new Prng(seed);
      const world = await makeWorld(shape, prng, COMPONENT_SECTORS);
      await makeSparse(world, prng);
      let holes = 0;
      for (let round = 0; round < ROUNDS; round += 1) {
        const damage = someLost(prng, world);
        // Nobody has read yet, so nobody knows what will fail.
        const known = { ...damage, failing: damage.failing.map(() => []) };
        const { array } = damagedArray(world, damage, plainEngine);
        const start = prng.chance(0.5) ? 0 : prng.below(array.sectors);
        let at = start;
        while (at < array.sectors) {
          for (const extent of array.extents(at, array.sectors - at, prng.between(1, 50))) {
            expect(extent.sector).toBe(at);
            at += extent.sectors;
            if (extent.kind === "data") continue;
            holes += 1;
            for (let sector = extent.sector; sector < at; sector += 1)
              expect(readable(world.geometry, known, sector), `sector ${sector}`).toBe(true);
            const from = extent.sector * SECTOR_BYTES;
            const bytes = world.content.subarray(from, at * SECTOR_BYTES);
            expect(
              bytes.every((byte) => byte === 0),
              `round ${round}, ${JSON.stringify(extent)}`,
            ).toBe(true);
          }
        }
        expect(at).toBe(array.sectors);
        await array.close();
      }
      expect(holes).toBeGreaterThan(20);
    });
  },
);

const nothing = (world: World, missing: readonly number[]): Damage => ({
  missing: new Set(missing),
  recovered: world.disks.map(() => Infinity),
  listedBad: world.disks.map(() => []),
  failing: world.disks.map(() => []),
});

describe("the rows of a degraded array", () => {
  it("are holes where all that is left is", async () => {
    const [shape] = shapes("raid5", [2], 4);
    const world = await makeWorld(shape!, new Prng(4), COMPONENT_SECTORS);
    await makeSparse(world, new Prng(4));
    const healthy = damagedArray(world, nothing(world, []), simdEngine).array;
    const degraded = damagedArray(world, nothing(world, [1]), simdEngine).array;
    const runs = degraded.extents(0, degraded.sectors, 1000);
    expect(runs).toEqual(healthy.extents(0, healthy.sectors, 1000));
    expect(runs.some(({ kind }) => kind === "hole")).toBe(true);
  });
});

describe("a long read", () => {
  it("reads each member of a row once, where one is missing", async () => {
    const [shape] = shapes("raid5", [2], 4);
    const world = await makeWorld(shape!, new Prng(1), COMPONENT_SECTORS);
    const { array, stats } = damagedArray(world, nothing(world, [1]), simdEngine);
    const data = new Uint8Array(array.sectors * SECTOR_BYTES);
    await readInto(array, 0, data);
    expect(Buffer.compare(data, world.content)).toBe(0);
    // In one row of four the missing member holds P: the other three hold all the data.
    expect(stats.map((one) => one?.ops.read.count)).toEqual([ROWS, undefined, ROWS, ROWS]);
    expect(stats[0]!.ops.read.bytes).toBe(COMPONENT_SECTORS * SECTOR_BYTES);
  });

  it("reads no more than is needed where two members of a raid6 are missing", async () => {
    const [shape] = shapes("raid6", [2], 4);
    const world = await makeWorld(shape!, new Prng(2), COMPONENT_SECTORS);
    const { array, stats } = damagedArray(world, nothing(world, [0, 1]), simdEngine);
    const data = new Uint8Array(array.sectors * SECTOR_BYTES);
    await readInto(array, 0, data);
    expect(Buffer.compare(data, world.content)).toBe(0);
    expect(stats.map((one) => one?.ops.read.count)).toEqual([undefined, undefined, ROWS, ROWS]);
  });

  it("does not read again what has arrived when a member fails in the middle", async () => {
    const [shape] = shapes("raid6", [2], 5);
    const world = await makeWorld(shape!, new Prng(3), COMPONENT_SECTORS);
    const whole = nothing(world, [1]);
    const damage = {
      ...whole,
      failing: whole.failing.map(() => [] as { sector: number; sectors: number }[]),
    };
    damage.failing[3]!.push({ sector: 24 + 5 * CHUNK_SECTORS + 2, sectors: 1 });
    const { array, stats } = damagedArray(world, damage, simdEngine);
    const data = new Uint8Array(array.sectors * SECTOR_BYTES);
    await readInto(array, 0, data);
    expect(Buffer.compare(data, world.content)).toBe(0);
    expect(stats[3]!.ops.read.errors).toBeGreaterThan(0);
    // One row of forty is read again to rebuild its chunks one by one.
    for (const slot of [0, 2, 4]) expect(stats[slot]!.ops.read.count).toBeLessThan(ROWS + 4);
  });
});
