/**
 * Mapped devices fed with tables, messages and metadata by chance.
 *
 * Laws: an answer or a HoldfastError, never another exception, and never none; a table that is refused leaves nothing open and has written
 * to no data device; a table that is taken gives lines that are taken as well; work is bounded by what was asked for, not by numbers found in metadata.
 */
import { beforeAll, describe, expect, it } from "vitest";
import { HoldfastError } from "../../src/base/errors.ts";
import type { Prng } from "../../src/base/prng.ts";
import type { BlockDevice } from "../../src/block/device.ts";
import { discard, flush, readSectors, writeSectors } from "../../src/block/promises.ts";
import { formatConcise, parseConcise } from "../../src/dm/concise.ts";
import type { MappedDevice } from "../../src/dm/mapped-device.ts";
import { parseTable } from "../../src/dm/table.ts";
import { checkClone } from "../../src/dm/targets/clone/check.ts";
import { dumpClone } from "../../src/dm/targets/clone/dump.ts";
import { checkPool } from "../../src/dm/thin/check.ts";
import { dumpPool } from "../../src/dm/thin/dump.ts";
import { XmlWriter } from "../../src/dm/thin/xml.ts";
import { DmWorld } from "../support/dm-world.ts";
import { DmsetupMachine } from "../support/dmsetup-run.ts";
import { goldenCases } from "../support/golden.ts";
import { FUZZ_SEED, runCases, useWatchdog } from "./campaign.ts";
import { loadSample, spoiltDisks } from "./dm-metadata.ts";
import type { MetadataSample } from "./dm-metadata.ts";
import { DATA, DISKS, randomMessage, randomTable, randomText } from "./dm-tables.ts";

const CASES = { texts: 20_000, tables: 500, commands: 400, metadata: 100 };

useWatchdog();

/** What it comes to; whatever is no HoldfastError is a failure. */
async function answered<T>(world: DmWorld, work: Promise<T>): Promise<T | HoldfastError> {
  try {
    return await world.time.until(work);
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    expect(error.message).toMatch(/\S/);
    return error;
  }
}

function failed(answer: unknown): answer is HoldfastError {
  return answer instanceof HoldfastError;
}

async function use(world: DmWorld, prng: Prng, device: MappedDevice): Promise<void> {
  const opened = device.open({ readOnly: false });
  const { sectors, limits } = opened;
  for (let left = 6; left > 0 && sectors > 0; left -= 1) {
    const unit = limits.logicalBlockBytes / 512;
    const sector = Math.floor(prng.below(Math.min(sectors, 2 ** 31)) / unit) * unit;
    const length = Math.min(unit * (1 + prng.below(64)), sectors - sector);
    const data = new Uint8Array(length * 512).fill(prng.below(256));
    const work = ((): Promise<unknown> => {
      switch (prng.below(4)) {
        case 0:
          return limits.readOnly ? flush(opened) : writeSectors(opened, sector, data);
        case 1:
          return flush(opened);
        case 2:
          return limits.discard ? discard(opened, sector, length) : flush(opened);
        default:
          return readSectors(opened, sector, length);
      }
    })();
    await answered(world, work);
    opened.extents(sector, length, 4);
  }
  await answered(world, opened.close());
}

async function end(world: DmWorld): Promise<void> {
  for (const device of world.all.all.toReversed()) {
    // What still waits in it fails.
    device.beginRemoval();
    const gone = await answered(world, world.all.remove(device, { deferred: false }));
    if (failed(gone)) throw new Error(`${device.name} does not go: ${gone.message}`);
  }
  expect(world.open).toEqual([]);
}

async function administered(
  world: DmWorld,
  prng: Prng,
  device: MappedDevice,
  log: string[],
): Promise<void> {
  for (let left = prng.below(4); left > 0; left -= 1) {
    const message = randomMessage(prng);
    log.push(`message ${JSON.stringify(message)}`);
    await answered(world, world.all.message(device, 0, message));
  }
  await answered(world, device.live!.status(prng.chance(0.5)));
  await use(world, prng, device);
  const kind = prng.pick(["flush", "noflush"] as const);
  log.push(`suspend ${kind}`);
  await answered(world, world.all.suspend(device, kind, true));
  // What it says of itself makes it again.
  const again = device.live!.table().join("\n");
  const taken = await answered(world, world.all.load(device, parseTable(again), false));
  if (failed(taken)) throw new Error(`its own table is refused: ${again}: ${taken.message}`);
  log.push("resume");
  await answered(world, world.all.resume(device));
}

/** @returns whether the table was taken */
async function tableCase(prng: Prng, log: string[]): Promise<boolean> {
  const world = new DmWorld(DISKS);
  const below = world.create("below");
  const pool = prng.chance(0.5) ? "0 256 thin-pool ./meta ./c 128 0" : "0 256 linear ./c 0";
  await answered(world, world.load(below, pool));
  await answered(world, world.all.resume(below));
  await answered(world, world.all.message(below, 0, ["create_thin", "0"]));
  const before = world.open;
  const device = world.create("self");
  const text = randomTable(prng);
  log.push(text);
  const taken = await answered(
    world,
    Promise.resolve().then(() => world.load(device, text)),
  );
  if (failed(taken)) {
    expect(world.open, "a refused table leaves nothing open").toEqual(before);
    for (const name of DATA) {
      const data = await readSectors(world.disk(name), 0, 512);
      expect(
        data.every((byte) => byte === 0),
        `${name} is untouched`,
      ).toBe(true);
    }
  } else if (!failed(await answered(world, world.all.resume(device))))
    await administered(world, prng, device, log);
  if (device.isSuspended && device.live !== null) await answered(world, world.all.resume(device));
  await end(world);
  return !failed(taken);
}

describe(`mapped devices by chance (HOLDFAST_SEED=${FUZZ_SEED})`, () => {
  it("takes texts apart", async () => {
    const ran = await runCases("takes texts apart", CASES.texts, async (prng, log) => {
      const text = randomText(prng);
      log.push(JSON.stringify(text));
      for (const parse of [parseTable, parseConcise])
        try {
          const found = parse(text);
          if (parse === parseConcise)
            expect(parseConcise(parseConcise(text).map(formatConcise).join(";"))).toEqual(found);
        } catch (error) {
          if (!(error instanceof HoldfastError)) throw error;
        }
      await Promise.resolve();
    });
    expect(ran).toBeGreaterThan(0);
  });

  it("loads tables", { timeout: 300_000 }, async () => {
    let taken = 0;
    const ran = await runCases("loads tables", CASES.tables, async (prng, log) => {
      taken += Number(await tableCase(prng, log));
    });
    // Of both kinds, unless it is one case that is looked at.
    if (ran === 1) return;
    expect(taken).toBeGreaterThan(ran / 5);
    expect(taken).toBeLessThan((ran * 4) / 5);
  });
});

const VERBS = [
  "create n",
  "load v",
  "table",
  "status",
  "info",
  "deps",
  "ls",
  "message v 0",
  "rename v",
];

describe(`dmsetup's words by chance (HOLDFAST_SEED=${FUZZ_SEED})`, () => {
  it("carries out commands", { timeout: 300_000 }, async () => {
    const machine = new DmsetupMachine();
    const options = [
      "-c",
      "-o",
      "-S",
      "--table",
      "--concise",
      "--tree",
      "-u",
      "-j",
      "-m",
      "-r",
      "-n",
      "-v",
      "--target",
      "-O",
    ];
    const ran = await runCases("carries out commands", CASES.commands, async (prng, log) => {
      await machine.run(["create", "v", "--table", "0 64 linear /disks/d0 8"]);
      const words = prng.pick(VERBS).split(" ");
      for (let left = prng.below(4); left > 0; left -= 1)
        words.push(prng.chance(0.6) ? prng.pick(options) : randomText(prng));
      log.push(JSON.stringify(words));
      const { code } = await machine.run(words, randomTable(prng));
      expect([0, 1]).toContain(code);
      await machine.run(["remove_all", "--force"]);
    });
    expect(ran).toBeGreaterThan(0);
  });
});

const GOLDEN = goldenCases({ name: /^dm-(?:clone|thin|snapshot|mirror|raid)/ });

async function looked(world: DmWorld, name: string, log: string[]): Promise<void> {
  const device: BlockDevice = world.disk(name);
  const nobody = (): void => {};
  log.push(`check ${name}`);
  await answered(world, checkPool(device, nobody));
  await answered(world, checkClone(device, nobody));
  const writer = new XmlWriter(() => Promise.resolve());
  await answered(world, dumpPool(device, writer, { lost: nobody }));
  await answered(
    world,
    dumpClone(device, () => Promise.resolve(), { lost: nobody }),
  );
}

describe.each(GOLDEN.map((golden) => [golden.name, golden] as const))(
  `spoilt metadata of %s (HOLDFAST_SEED=${FUZZ_SEED})`,
  (name, golden) => {
    let sample: MetadataSample;

    beforeAll(() => {
      sample = loadSample(golden);
    });

    it(`starts ${name}`, { timeout: 300_000 }, async () => {
      expect(sample.tables.length).toBeGreaterThan(0);
      const ran = await runCases(`starts ${name}`, CASES.metadata, async (prng, log) => {
        const world = new DmWorld(await spoiltDisks(prng, sample, log));
        for (const index of sample.metadata) await looked(world, `d${index}`, log);
        for (const { name: called, table } of sample.tables) {
          if (world.all.all.some((each) => each.name === called)) continue;
          log.push(`make ${called}`);
          const device = world.create(called);
          const taken = await answered(world, world.load(device, table));
          // What stands on a device that does not go on would wait for it.
          if (failed(taken) || failed(await answered(world, world.all.resume(device)))) break;
          await answered(world, device.live!.status(true));
          await use(world, prng, device);
        }
        await end(world);
      });
      expect(ran).toBeGreaterThan(0);
    });
  },
);
