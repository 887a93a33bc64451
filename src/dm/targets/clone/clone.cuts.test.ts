/**
 * The power fails at any moment: what was flushed is there, and no sector has what was never written to it. The source has something in every
 * sector, so a region that counts as hydrated too early is seen.
 */
import { describe, expect, test } from "vitest";
import { DmCutWorld } from "../../../../test/support/dm-cut-world.ts";
import { SectorOracle } from "../../../../test/support/sector-oracle.ts";
import { seedOfRun } from "../../../../test/support/seed.ts";
import { Prng } from "../../../base/prng.ts";
import { BioFlags } from "../../../block/bio.ts";
import { flush, readSectors, writeSectors } from "../../../block/promises.ts";
import type { MappedDevice } from "../../mapped-device.ts";
import type { MappedUse } from "../../mapped-use.ts";

const SEED = seedOfRun();
const RUNS = 24;
const LIVES = 5;
const SECTORS = 1020;
const METADATA_SECTORS = 256;

async function live(
  at: DmCutWorld,
  use: MappedUse,
  oracle: SectorOracle,
  prng: Prng,
): Promise<void> {
  for (let step = 10 + prng.below(40); step > 0; step -= 1) {
    if (prng.chance(0.15)) flush(use).then(oracle.flush(), () => {});
    else submitWrite(use, oracle, prng);
    if (prng.chance(0.2)) await at.pass(prng.below(1500));
    else await at.steps(prng.below(12));
  }
}

function submitWrite(use: MappedUse, oracle: SectorOracle, prng: Prng): void {
  const sector = prng.below(SECTORS - 32);
  const write = prng.chance(0.3)
    ? oracle.begin(sector - (sector % 16), 16)
    : oracle.begin(sector, 1 + prng.below(20));
  if (write === null) return;
  const isFua = prng.chance(0.1);
  writeSectors(use, write.sector, write.data, isFua ? BioFlags.fua : BioFlags.none).then(
    () => oracle.acknowledge(write, isFua),
    () => {},
  );
}

async function hydrated(at: DmCutWorld, device: MappedDevice): Promise<void> {
  for (let second = 0; second < 1000; second += 1) {
    const [status] = await at.until(device.live!.status(true));
    if (/ (\d+)\/\1 0 1 no_discard_passdown 4 /.test(status!)) return;
    await at.pass(1000);
  }
  throw new Error("hydration does not end");
}

describe(`power cuts (HOLDFAST_SEED=${SEED})`, () => {
  const runs = Array.from({ length: RUNS }, (_unused, run) => run);
  test.for(runs)("run %i", async (run) => {
    const prng = new Prng(SEED + run);
    const oracle = new SectorOracle(SECTORS);
    const original = oracle.begin(0, SECTORS)!;
    oracle.acknowledge(original, true);
    const empty = (sectors: number): Uint8Array => new Uint8Array(sectors * 512);
    let at = new DmCutWorld(prng, [empty(METADATA_SECTORS), empty(SECTORS), original.data]);
    const region = prng.pick([8, 16, 64]);
    const table = (features: string, threshold: number): string =>
      `0 ${SECTORS} clone ./0 ./1 ./2 ${region} ${features} 4 hydration_threshold ${threshold} hydration_batch_size ${1 + prng.below(4)}`;
    for (let life = 0; life < LIVES; life += 1) {
      const features = prng.chance(0.5) ? "1 no_hydration" : "0";
      const device = await at.make("v", table(features, 1 + prng.below(8)));
      const use = at.open(device);
      const content = await at.until(readSectors(use, 0, SECTORS));
      expect(oracle.wrongIn(content, { floor: "durable" })).toEqual([]);
      await live(at, use, oracle, prng);
      at = at.cut();
      oracle.cut();
    }
    const device = await at.make("v", table("0", 8));
    await hydrated(at, device);
    const content = await at.until(readSectors(at.open(device), 0, SECTORS));
    expect(oracle.wrongIn(content, { floor: "durable" })).toEqual([]);
    const copy = await at.until(readSectors(at.disk(1), 0, SECTORS));
    expect(Buffer.compare(copy, content)).toBe(0);
    const source = await at.until(readSectors(at.disk(2), 0, SECTORS));
    expect(Buffer.compare(source, original.data)).toBe(0);
  });
});
