/**
 * Mirrors whose power fails, and whose legs fail, at random moments. At every cut: regions that the log calls clean are alike on all legs (law 2)
 * unless one was lost; what was flushed is read again, whoever is back (laws 3 and 8); after recovery all legs are alike.
 */
import { describe, expect, test } from "vitest";
import { DmCutWorld } from "../../../../test/support/dm-cut-world.ts";
import { seedOfRun } from "../../../../test/support/seed.ts";
import { Prng } from "../../../base/prng.ts";
import { flush, readSectors, writeSectors } from "../../../block/promises.ts";
import type { MappedUse } from "../../mapped-use.ts";

const SECTORS = 1024;
const REGION = 64;
const SEED = seedOfRun();
const RUNS = 60;

/** What a sector may hold: the last value that was durable, or any that was written after it. */
class Expected {
  readonly #underWay = new Set<number>();
  readonly #may: Set<number>[] = Array.from({ length: SECTORS }, () => new Set([0]));
  readonly #acknowledged: (number | null)[] = Array.from({ length: SECTORS }, () => null);

  /** False: it is being written, and which of two writes wins is nobody's business. */
  mayWrite(sector: number): boolean {
    return !this.#underWay.has(sector);
  }

  written(sector: number, value: number): void {
    this.#underWay.add(sector);
    this.#may[sector]!.add(value);
  }

  acknowledged(sector: number, value: number): void {
    this.#underWay.delete(sector);
    this.#acknowledged[sector] = value;
  }

  /** A flush that was begun now has ended since. */
  snapshot(): () => void {
    const then = this.#acknowledged.slice();
    return () => {
      for (const [sector, value] of then.entries()) {
        if (value === null || this.#acknowledged[sector] !== value) continue;
        // Values grow from write to write.
        for (const old of this.#may[sector]!) if (old < value) this.#may[sector]!.delete(old);
      }
    };
  }

  check(sector: number, value: number): void {
    if (!this.#may[sector]!.has(value))
      throw new Error(
        `sector ${sector} holds ${value}, not one of ${[...this.#may[sector]!].join(", ")}`,
      );
  }

  /** The power failed: what no flush covered may be gone. */
  cut(): void {
    this.#acknowledged.fill(null);
    this.#underWay.clear();
  }
}

function sectorOf(value: number): Uint8Array {
  const data = new Uint8Array(512);
  new DataView(data.buffer).setUint32(0, value);
  return data;
}

function valueIn(data: Uint8Array, sector: number): number {
  return new DataView(data.buffer, data.byteOffset).getUint32(sector * 512);
}

describe(`mirrors that are cut (HOLDFAST_SEED=${SEED})`, () => {
  test.for(Array.from({ length: RUNS }, (_unused, run) => run))("run %i", async (run) => {
    const prng = new Prng(SEED + run);
    const legs = 2 + prng.below(2);
    const sizes = [...Array.from({ length: legs }, () => SECTORS), 8];
    let at = DmCutWorld.empty(prng, sizes);
    const expected = new Expected();
    let value = 0;
    for (let life = 0; life < 3; life += 1) {
      const features = prng.chance(0.5) ? " 2 handle_errors keep_log" : "";
      const words = Array.from({ length: legs }, (_unused, leg) => `./${leg} 0`).join(" ");
      const table = `0 ${SECTORS} mirror disk 2 ./${legs} ${REGION} ${legs} ${words}${features}`;
      const device = await at.make("v", table);
      const use = at.open(device);
      const lost = prng.chance(0.5) ? prng.below(legs) : null;
      const ops = 10 + prng.below(60);
      for (let op = 0; op < ops; op += 1) {
        if (op === ops >> 1 && lost !== null) at.disk(lost).isGone = true;
        if (prng.chance(0.1)) submitFlush(use, expected);
        else {
          value += 1;
          submitWrite(use, expected, prng.below(SECTORS), value);
        }
        if (prng.chance(0.1)) await at.pass(prng.below(8000));
        else await at.steps(prng.below(12));
        if (prng.chance(0.2)) {
          const sector = prng.below(SECTORS);
          // The only leg that has everything may be the one that is gone.
          const read = await at.until(readSectors(use, sector, 1).catch(() => null));
          if (read !== null) expected.check(sector, valueIn(read, 0));
        }
      }
      at = at.cut();
      expected.cut();
      if (lost === null) await checkClean(at, legs);
    }
    const words = Array.from({ length: legs }, (_unused, leg) => `./${leg} 0`).join(" ");
    const device = await at.make(
      "v",
      `0 ${SECTORS} mirror disk 2 ./${legs} ${REGION} ${legs} ${words}`,
    );
    await at.untilStatus(device, `${SECTORS / REGION}/${SECTORS / REGION}`);
    const content = await at.until(readSectors(at.open(device), 0, SECTORS));
    for (let sector = 0; sector < SECTORS; sector += 1)
      expected.check(sector, valueIn(content, sector));
    for (let leg = 0; leg < legs; leg += 1)
      expect(Buffer.compare(content, await at.until(readSectors(at.disk(leg), 0, SECTORS)))).toBe(
        0,
      );
  });
});

function submitWrite(use: MappedUse, expected: Expected, sector: number, value: number): void {
  if (!expected.mayWrite(sector)) return;
  expected.written(sector, value);
  writeSectors(use, sector, sectorOf(value)).then(
    () => expected.acknowledged(sector, value),
    () => {},
  );
}

function submitFlush(use: MappedUse, expected: Expected): void {
  const ended = expected.snapshot();
  flush(use).then(ended, () => {});
}

/** Law 2. */
async function checkClean(at: DmCutWorld, legs: number): Promise<void> {
  const log = await at.until(readSectors(at.disk(legs), 0, 8));
  // Before the first log was written nothing is promised.
  if (log[0] !== 0x72) return;
  const [first, ...others] = await Promise.all(
    Array.from({ length: legs }, (_unused, leg) => at.until(readSectors(at.disk(leg), 0, SECTORS))),
  );
  for (let region = 0; region < SECTORS / REGION; region += 1) {
    if (((log[1024 + (region >> 3)]! >> (region & 7)) & 1) === 0) continue;
    const [from, to] = [region * REGION * 512, (region + 1) * REGION * 512];
    for (const other of others)
      expect(
        Buffer.compare(first!.subarray(from, to), other.subarray(from, to)),
        `region ${region}`,
      ).toBe(0);
  }
}
