/**
 * Reading through loss: arrays of every level are laid out on memory disks by the geometry and the plain parity code, then members
 * are taken away, listed bad or made to fail in random places. A read must give the right bytes exactly when
 * enough is left of every sector, and an error otherwise; wrong bytes never.
 */
import { describe, expect, it } from "vitest";
import {
  damagedArray,
  makeDamage,
  makeWorld,
  readable,
} from "../../../test/support/damaged-array.ts";
import { seedOfRun } from "../../../test/support/seed.ts";
import { Arena } from "../../base/arena.ts";
import { Prng } from "../../base/prng.ts";
import type { HoldfastError } from "../../base/errors.ts";
import { SECTOR_BYTES } from "../../base/units.ts";
import { readInto } from "../../block/promises.ts";
import type { MdShape } from "../../formats/md/superblock.ts";
import { createParityKernels } from "../../parity/create.ts";
import { plainEngine } from "../../parity/engine.ts";
import type { ParityEngine } from "../../parity/engine.ts";

const COMPONENT_SECTORS = 96;

const SHAPES: readonly MdShape[] = [
  { level: "linear", layout: 0, chunkSectors: 0, raidDisks: 3 },
  { level: "raid0", layout: 0, chunkSectors: 8, raidDisks: 3 },
  { level: "raid1", layout: 0, chunkSectors: 0, raidDisks: 3 },
  { level: "raid4", layout: 0, chunkSectors: 8, raidDisks: 4 },
  { level: "raid5", layout: 2, chunkSectors: 16, raidDisks: 4 },
  { level: "raid6", layout: 2, chunkSectors: 16, raidDisks: 5 },
  { level: "raid6", layout: 10, chunkSectors: 8, raidDisks: 5 },
  { level: "raid6", layout: 18, chunkSectors: 8, raidDisks: 4 },
  { level: "raid10", layout: 0x102, chunkSectors: 8, raidDisks: 5 },
  { level: "raid10", layout: 0x201, chunkSectors: 8, raidDisks: 4 },
  { level: "raid10", layout: 0x10301, chunkSectors: 8, raidDisks: 4 },
];

const arena = new Arena(16 * 1024 * 1024);
/** Four buffers and it is full. */
const tightArena = new Arena(128 * 1024);
tightArena.take(32 * 1024);
tightArena.take(16 * 1024);
const ENGINES: readonly ParityEngine[] = [
  plainEngine,
  { arena, kernels: createParityKernels(arena) },
  { arena: tightArena, kernels: createParityKernels(tightArena) },
];

const ROUNDS = 40;
const seed = seedOfRun();

describe.each(SHAPES)("$level of $raidDisks, layout $layout", (shape) => {
  it(`reads what is left and invents nothing (seed ${seed})`, async () => {
    const prng = new Prng(seed);
    const world = await makeWorld(shape, prng, COMPONENT_SECTORS);
    let right = 0;
    let refused = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      const damage = makeDamage(prng, world);
      const alike = prng.pick([0, prng.below(world.geometry.arraySectors), Infinity]);
      const engine = ENGINES[round % ENGINES.length]!;
      const { array } = damagedArray(world, damage, engine, alike);
      const sectors = array.sectors;
      const canRead = Array.from({ length: sectors }, (_unused, sector) =>
        readable(world.geometry, damage, sector),
      );
      for (let i = 0; i < 12; i += 1) {
        const start = i === 0 ? 0 : prng.below(sectors);
        const count = i === 0 ? sectors : prng.between(1, Math.min(40, sectors - start));
        const data = new Uint8Array(count * SECTOR_BYTES);
        const outcome = await readInto(array, start, data).then(
          () => "read" as const,
          (error: unknown) => error,
        );
        const expected = canRead.slice(start, start + count).every(Boolean);
        const place = `round ${round}, sectors ${start}+${count}`;
        if (expected) {
          expect(outcome, place).toBe("read");
          const wanted = world.content.subarray(
            start * SECTOR_BYTES,
            (start + count) * SECTOR_BYTES,
          );
          expect(Buffer.compare(data, wanted), place).toBe(0);
          right += 1;
        } else {
          // Without redundancy it is the member's own error that is passed on.
          expect(["data-lost", "io"], place).toContain((outcome as HoldfastError).code);
          refused += 1;
        }
      }
      await array.close();
    }
    // Both outcomes must have been tried, or the test says nothing.
    expect(right).toBeGreaterThan(20);
    expect(refused).toBeGreaterThan(20);
  });
});

describe("the buffers of rebuilding", () => {
  it("come from the arena while it has room, and all go back", () => {
    expect(arena.counters()).toMatchObject({ buffers: 0, refusals: 0 });
    expect(arena.counters().peakBytes).toBeGreaterThan(0);
    expect(tightArena.counters().buffers).toBe(2);
    expect(tightArena.counters().refusals).toBeGreaterThan(0);
  });
});
