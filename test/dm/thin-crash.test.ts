/**
 * Power cuts under thin devices: several writers at once, flushes, FUA, snapshots, requests that end in any order. Whenever the power goes, the metadata
 * is whole, what was durable is there, and nobody sees what the data disk held before.
 */
import { describe, expect, test } from "vitest";
import { Prng } from "../../src/base/prng.ts";
import { BioFlags } from "../../src/block/bio.ts";
import type { BlockDevice } from "../../src/block/device.ts";
import { flush, readSectors, writeSectors } from "../../src/block/promises.ts";
import { checkPool } from "../../src/dm/thin/check.ts";
import { parseTable } from "../../src/dm/table.ts";
import type { MappedDevice } from "../../src/dm/mapped-device.ts";
import { CutDisks } from "../support/cut-disks.ts";
import { DmWorld } from "../support/dm-world.ts";
import { seedOfRun } from "../support/seed.ts";

const BLOCK = 128;
const BLOCKS = 10;
const SECTORS = BLOCKS * BLOCK;
const POOL = `0 ${60 * BLOCK} thin-pool ./meta ./data ${BLOCK} 0`;
const WRITERS = 4;
/** Writers own sectors in turns, so they meet in every block. */
const OWNED = 24;
const GARBAGE = 0xee;

/** What was written to a sector, in order; the first is nothing. */
interface History {
  readonly written: number[];
  /** Index of the last that has ended, and of the last that is durable. */
  ended: number;
  durable: number;
}

interface Snapshot {
  readonly id: number;
  readonly content: readonly number[];
  isDurable: boolean;
}

class Story {
  readonly prng: Prng;
  readonly disks: CutDisks;
  readonly world: DmWorld;
  readonly sectors: History[] = Array.from({ length: SECTORS }, () => ({
    written: [0],
    ended: 0,
    durable: 0,
  }));
  readonly snapshots: Snapshot[] = [];
  #lastWrite = 0;
  #isOver = false;
  isReady = false;

  constructor(seed: number) {
    this.prng = new Prng(seed);
    const data = new Uint8Array(60 * BLOCK * 512).fill(GARBAGE);
    this.disks = new CutDisks(new Prng(seed + 1), [new Uint8Array(128 * 4096), data]);
    const [meta, pool] = this.disks.disks;
    this.world = new DmWorld({ meta: meta!, data: pool! });
  }

  async tell(): Promise<void> {
    const { all } = this.world;
    const pool = this.world.create("pool");
    await all.load(pool, parseTable(POOL), false);
    await all.resume(pool);
    await all.message(pool, 0, ["create_thin", "0"]);
    const thin = this.world.create("thin");
    await all.load(thin, parseTable(`0 ${SECTORS} thin pool 0`), false);
    await all.resume(thin);
    const use = thin.open({ readOnly: false });
    this.isReady = true;
    const writers = Array.from({ length: WRITERS }, (_unused, which) => this.#write(use, which));
    await Promise.all([...writers, this.#snapshots(pool, thin)]);
    this.#isOver = true;
  }

  async #write(use: BlockDevice, which: number): Promise<void> {
    const { prng } = this;
    for (;;) {
      if (prng.below(6) === 0) {
        const ended = this.sectors.map(({ ended: index }) => index);
        await flush(use);
        for (const [sector, index] of ended.entries())
          this.sectors[sector]!.durable = Math.max(this.sectors[sector]!.durable, index);
        continue;
      }
      const turn = prng.below(Math.floor(SECTORS / OWNED / WRITERS)) * WRITERS + which;
      const from = turn * OWNED + prng.below(OWNED);
      const sectors = 1 + prng.below(OWNED - (from % OWNED));
      await this.#writeOnce(use, from, sectors, prng.below(5) === 0);
    }
  }

  async #writeOnce(use: BlockDevice, from: number, sectors: number, fua: boolean): Promise<void> {
    const value = (this.#lastWrite += 1);
    const data = new Uint8Array(sectors * 512);
    new Uint32Array(data.buffer).fill(value);
    const own = this.sectors.slice(from, from + sectors);
    for (const { written } of own) written.push(value);
    await writeSectors(use, from, data, fua ? BioFlags.fua : BioFlags.none);
    for (const history of own) {
      history.ended = history.written.length - 1;
      if (fua) history.durable = history.ended;
    }
  }

  async #snapshots(pool: MappedDevice, thin: MappedDevice): Promise<void> {
    const { all } = this.world;
    for (let id = 1; id < 5; id += 1) {
      for (let turns = 5 + this.prng.below(40); turns > 0; turns -= 1)
        await new Promise((resolve) => setImmediate(resolve));
      await all.suspend(thin, "flush", true);
      const content = this.sectors.map(({ written, ended }) => written[ended]!);
      const snapshot = { id, content, isDurable: false };
      this.snapshots.push(snapshot);
      await all.message(pool, 0, ["create_snap", String(id), "0"]);
      snapshot.isDurable = true;
      await all.resume(thin);
    }
  }

  /** Until the power goes. */
  async runUntil(steps: number): Promise<Uint8Array[]> {
    void this.tell().catch(() => {});
    for (let done = 0; done < steps && !this.#isOver;) {
      await new Promise((resolve) => setImmediate(resolve));
      if (this.disks.step()) done += this.isReady ? 1 : 0;
      if (this.prng.below(10) === 0) this.world.time.pass(200);
    }
    const images = this.disks.cut(new Prng(steps));
    this.world.time.clear();
    return images;
  }
}

function valuesOf(data: Uint8Array): number[] {
  const words = new Uint32Array(data.buffer, data.byteOffset, data.length / 4);
  return Array.from({ length: data.length / 512 }, (_unused, sector) => {
    const of = words.subarray(sector * 128, sector * 128 + 128);
    expect(of.every((word) => word === of[0])).toBe(true);
    return of[0]!;
  });
}

async function expectAfterCut(story: Story, images: readonly Uint8Array[]): Promise<void> {
  const world = new DmWorld({ meta: 128 * 8, data: 60 * BLOCK });
  await writeSectors(world.disk("meta"), 0, images[0]!);
  await writeSectors(world.disk("data"), 0, images[1]!);
  const problems: string[] = [];
  await checkPool(world.disk("meta"), (line) => {
    if (line.kind === "problem") problems.push(line.text);
  });
  expect(problems).toEqual([]);
  await world.make("pool", POOL);
  const { use } = await world.make("thin", `0 ${SECTORS} thin pool 0`);
  const found = valuesOf(await readSectors(use, 0, SECTORS));
  for (const [sector, { written, durable }] of story.sectors.entries())
    expect(written.slice(durable), `sector ${sector}`).toContain(found[sector]);
  for (const { id, content, isDurable } of story.snapshots) {
    const line = `0 ${SECTORS} thin pool ${id}`;
    const snapshot = await world.make(`s${id}`, line).catch((error: unknown) => {
      if (isDurable) throw error;
      return null;
    });
    if (snapshot === null) continue;
    expect(valuesOf(await readSectors(snapshot.use, 0, SECTORS))).toEqual(content);
  }
}

const seed = seedOfRun();

describe("thin devices whose power is cut", () => {
  test.each(Array.from({ length: 25 }, (_unused, run) => seed + run))(
    "seed %i",
    { timeout: 60_000 },
    async (each) => {
      const story = new Story(each);
      const images = await story.runUntil(20 + new Prng(each + 2).below(600));
      await expectAfterCut(story, images);
    },
  );
});
