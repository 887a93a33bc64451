/**
 * Redundant mapped devices whose power fails, and whose disks fail, at random moments. At every start what was flushed is read, whoever is back
 * (laws 3 and 8); regions that a mirror's log calls clean are alike on all legs (law 2); once all is in sync all copies are.
 */
import { describe, expect, test } from "vitest";
import { Prng } from "../../src/base/prng.ts";
import { flush, readSectors, writeSectors } from "../../src/block/promises.ts";
import type { MappedUse } from "../../src/dm/mapped-use.ts";
import { DmCutWorld } from "../support/dm-cut-world.ts";
import { SectorOracle } from "../support/sector-oracle.ts";
import { seedOfRun } from "../support/seed.ts";

const SEED = seedOfRun();
const RUNS = 12;
const LIVES = 4;
const REGION = 64;

interface Kind {
  readonly name: string;
  readonly table: string;
  readonly sectors: number;
  /** Sectors of its disks. */
  readonly disks: readonly number[];
  /** One of them may be lost in each life; parity that lacks a device when the power fails may lose what nobody wrote. */
  readonly losable: readonly number[];
  /** They hold all of the data. */
  readonly copies: readonly number[];
  /** Of a mirror. */
  readonly log: number | null;
}

function mirror(legs: number, features = ""): Kind {
  const words = Array.from({ length: legs }, (_unused, leg) => `./${leg} 0`).join(" ");
  const all = Array.from({ length: legs }, (_unused, leg) => leg);
  return {
    name: `mirror of ${legs}${features}`,
    table: `mirror disk 2 ./${legs} ${REGION} ${legs} ${words}${features}`,
    sectors: 1024,
    disks: [...all.map(() => 1024), 8],
    losable: all,
    copies: all,
    log: legs,
  };
}

function raid(words: string, devices: number, sectors: number, isLosable: boolean): Kind {
  const pairs = Array.from({ length: devices }, (_unused, index) => index);
  const places = pairs.map((index) => `./${index * 2} ./${index * 2 + 1}`).join(" ");
  const data = pairs.map((index) => index * 2 + 1);
  return {
    name: `raid ${words}`,
    table: `raid ${words} region_size ${REGION} ${devices} ${places}`,
    sectors,
    disks: pairs.flatMap(() => [32, 1024]),
    losable: isLosable ? data : [],
    copies: words.startsWith("raid1 ") ? data : [],
    log: null,
  };
}

const KINDS: readonly Kind[] = [
  mirror(2),
  mirror(2, " 2 handle_errors keep_log"),
  mirror(3),
  raid("raid1 3 0", 2, 1024, true),
  raid("raid1 3 0", 3, 1024, true),
  raid("raid10 3 16", 4, 2048, true),
  raid("raid5_ls 3 16", 3, 2048, false),
  raid("raid6_zr 3 16", 4, 2048, false),
];

const CASES = KINDS.flatMap((kind) =>
  Array.from({ length: RUNS }, (_unused, run) => [`${kind.name}, run ${run}`, kind, run] as const),
);

describe(`power cuts (HOLDFAST_SEED=${SEED})`, () => {
  test.for(CASES)("%s", async ([, kind, run]) => {
    const prng = new Prng(SEED + run);
    const oracle = new SectorOracle(kind.sectors);
    let at = DmCutWorld.empty(prng, kind.disks);
    for (let life = 0; life < LIVES; life += 1) {
      const device = await at.make("v", `0 ${kind.sectors} ${kind.table}`);
      const use = at.open(device);
      const content = await at.until(readSectors(use, 0, kind.sectors));
      expect(oracle.wrongIn(content, { floor: "durable" })).toEqual([]);
      // Of copies that md has not synced yet any may be read, also one after the other.
      if (kind.log !== null) oracle.settle(content);
      const lost = kind.losable.length > 0 && prng.chance(0.5) ? prng.pick(kind.losable) : null;
      await live(at, use, oracle, prng, lost);
      at = at.cut();
      oracle.cut();
      if (lost === null && kind.log !== null) await checkClean(at, kind, kind.log);
    }
    const device = await at.make("v", `0 ${kind.sectors} ${kind.table}`);
    await at.untilStatus(device, / (\d+)\/\1 (1 A|idle)/);
    const content = await at.until(readSectors(at.open(device), 0, kind.sectors));
    expect(oracle.wrongIn(content, { floor: "durable" })).toEqual([]);
    for (const disk of kind.copies) {
      const copy = await at.until(readSectors(at.disk(disk), 0, kind.sectors));
      expect(Buffer.compare(copy, content), `disk ${disk}`).toBe(0);
    }
  });
});

async function live(
  at: DmCutWorld,
  use: MappedUse,
  oracle: SectorOracle,
  prng: Prng,
  lost: number | null,
): Promise<void> {
  const steps = 10 + prng.below(50);
  for (let step = 0; step < steps; step += 1) {
    if (step === steps >> 1 && lost !== null) at.disk(lost).isGone = true;
    if (prng.chance(0.1)) flush(use).then(oracle.flush(), () => {});
    else submitWrite(use, oracle, prng);
    if (prng.chance(0.1)) await at.pass(prng.below(8000));
    else await at.steps(prng.below(12));
  }
}

function submitWrite(use: MappedUse, oracle: SectorOracle, prng: Prng): void {
  const write = oracle.begin(prng.below(use.sectors - 8), 1 + prng.below(8));
  if (write === null) return;
  writeSectors(use, write.sector, write.data).then(
    () => oracle.acknowledge(write, false),
    () => {},
  );
}

/** Law 2. */
async function checkClean(at: DmCutWorld, { copies, sectors }: Kind, disk: number): Promise<void> {
  const log = await at.until(readSectors(at.disk(disk), 0, 8));
  const [first, ...others] = await Promise.all(
    copies.map((leg) => at.until(readSectors(at.disk(leg), 0, sectors))),
  );
  for (let region = 0; region < sectors / REGION; region += 1) {
    if (((log[1024 + (region >> 3)]! >> (region & 7)) & 1) === 0) continue;
    const [from, to] = [region * REGION * 512, (region + 1) * REGION * 512];
    const wanted = first!.subarray(from, to);
    for (const other of others)
      expect(Buffer.compare(wanted, other.subarray(from, to)), `region ${region}`).toBe(0);
  }
}
