/**
 * The power fails at any moment: what was flushed is there, every sector has its old or its new content, and none is refused because of its tag. With
 * a journal and with a bitmap; whoever writes directly is promised nothing.
 */
import { describe, expect, test } from "vitest";
import { sameBytes } from "../../../../test/support/bytes.ts";
import { DmCutWorld } from "../../../../test/support/dm-cut-world.ts";
import { DmWorld } from "../../../../test/support/dm-world.ts";
import { SectorOracle } from "../../../../test/support/sector-oracle.ts";
import { seedOfRun } from "../../../../test/support/seed.ts";
import { Prng } from "../../../base/prng.ts";
import { BioFlags } from "../../../block/bio.ts";
import { flush, readSectors, writeSectors } from "../../../block/promises.ts";
import type { MappedUse } from "../../mapped-use.ts";

const SEED = seedOfRun();
const RUNS = 48;
const LIVES = 6;
const SECTORS = 1040;
const DISK_SECTORS = 3072;

/** What failed though the power was on. */
type Errors = unknown[];

interface Life {
  readonly at: DmCutWorld;
  readonly use: MappedUse;
  readonly oracle: SectorOracle;
  readonly prng: Prng;
  readonly errors: Errors;
}

async function live(life: Life): Promise<void> {
  const { at, prng } = life;
  const flushes = prng.pick([0, 0.02, 0.15]);
  const longest = prng.pick([8, 30, 100]);
  for (let step = 5 + prng.below(80); step > 0; step -= 1) {
    if (prng.chance(flushes)) submitFlush(life);
    else if (prng.chance(0.2)) submitRead(life);
    else submitWrite(life, longest);
    const pause = prng.below(20);
    if (pause === 0) await at.pass(prng.below(1500));
    // Timers fire in the middle of everything.
    else if (pause === 1) at.time.pass(prng.below(1500));
    else await at.steps(prng.below(12));
  }
  if (prng.chance(0.3)) await at.pass(prng.below(1500));
  if (prng.chance(0.3)) submitFlush(life);
  await at.steps(prng.below(6));
}

function submitFlush({ use, oracle, errors }: Life): void {
  flush(use).then(oracle.flush(), (error: unknown) => errors.push(error));
}

function submitRead({ use, prng, errors }: Life): void {
  const sectors = 1 + prng.below(60);
  const read = readSectors(use, prng.below(SECTORS - sectors), sectors);
  read.catch((error: unknown) => errors.push(error));
}

/** Often to the same places, so that the journal has several entries of a block. */
function submitWrite({ use, oracle, prng, errors }: Life, longest: number): void {
  const sector = prng.chance(0.5) ? prng.below(48) : prng.below(SECTORS - longest);
  const write = prng.chance(0.5)
    ? oracle.begin(sector - (sector % 8), 8)
    : oracle.begin(sector, 1 + prng.below(longest));
  if (write === null) return;
  const isFua = prng.chance(0.05);
  writeSectors(use, write.sector, write.data, isFua ? BioFlags.fua : BioFlags.none).then(
    () => oracle.acknowledge(write, isFua),
    (error: unknown) => errors.push(error),
  );
}

const MODES = {
  J: (prng: Prng) => [`journal_watermark:${prng.pick([0, 30, 50, 90])}`, "commit_time:1000"],
  B: (prng: Prng) => [`sectors_per_bit:${prng.pick([8, 64, 512])}`, "bitmap_flush_interval:700"],
};

type Mode = keyof typeof MODES;

function tableOf(mode: Mode, prng: Prng, format: readonly string[]): string {
  const options = [...format, ...MODES[mode](prng)];
  return `0 ${SECTORS} integrity ./0 0 - ${mode} ${options.length} ${options.join(" ")}`;
}

/** What every table of a device must say. */
function formatOf(prng: Prng): string[] {
  return [
    `journal_sectors:${prng.pick([300, 600, 900])}`,
    `interleave_sectors:${prng.pick([128, 512, 2048])}`,
    "buffer_sectors:8",
    "fix_padding",
    `block_size:${prng.pick([512, 512, 4096])}`,
    `internal_hash:${prng.pick(["crc32c", "sha256"])}`,
  ];
}

/** The power fails while the device is being activated, or put to rest: a while after it began. */
async function cutInChange(
  at: DmCutWorld,
  change: Promise<unknown>,
  prng: Prng,
): Promise<DmCutWorld> {
  change.catch(() => {});
  await at.steps(prng.below(60));
  return at.cut();
}

async function checkAll(at: DmCutWorld, use: MappedUse, oracle: SectorOracle): Promise<void> {
  const content = await at.until(readSectors(use, 0, SECTORS));
  expect(oracle.wrongIn(content, { floor: "durable" })).toEqual([]);
}

describe(`power cuts (HOLDFAST_SEED=${SEED})`, () => {
  const runs = Array.from({ length: RUNS }, (_unused, run) => run);
  test.for(runs)("run %i", async (run) => {
    const prng = new Prng(SEED + run);
    const oracle = new SectorOracle(SECTORS);
    const errors: Errors = [];
    const format = formatOf(prng);
    const changesMode = run % 3 === 2;
    const modeOf = (): Mode => (run % 3 === 0 || (changesMode && prng.chance(0.5)) ? "J" : "B");
    let at = DmCutWorld.empty(prng, [DISK_SECTORS]);
    const first = at.open(await at.make("v", tableOf(modeOf(), prng, format)));
    const original = oracle.begin(0, SECTORS)!;
    await at.until(writeSectors(first, 0, original.data, BioFlags.fua));
    oracle.acknowledge(original, true);
    for (let life = 0; life < LIVES; life += 1) {
      at = at.cut();
      oracle.cut();
      while (prng.chance(0.4))
        at = await cutInChange(at, at.make("v", tableOf(modeOf(), prng, format)), prng);
      const device = await at.make("v", tableOf(modeOf(), prng, format));
      const use = at.open(device);
      await checkAll(at, use, oracle);
      await live({ at, use, oracle, prng, errors });
      if (prng.chance(0.3))
        at = await cutInChange(at, at.mapped.suspend(device, "flush", true), prng);
    }
    at = at.cut();
    oracle.cut();
    const device = await at.make("v", tableOf(modeOf(), prng, format));
    // Until tags are looked at everywhere.
    await at.untilStatus(device, / (\d+) (\1|-)$/);
    await checkAll(at, at.open(device), oracle);
    expect(errors).toEqual([]);
    expect(await at.status(device)).toContain(" integrity 0 ");
  });
});

describe("a torn journal that is being cleared when the power fails", () => {
  const SECTIONS = 6;
  /** Fills a section. */
  const ENTRIES = 168;
  const SECTION_SECTORS = 8 + ENTRIES;
  const TORN = `0 ${SECTORS} integrity ./0 0 - J 5 journal_sectors:1056 interleave_sectors:512 buffer_sectors:8 journal_watermark:100 internal_hash:crc32c`;

  /** What was written first is in an old section, then in a newer one, and the newest is torn. */
  async function tornImage(): Promise<{ readonly image: Uint8Array; readonly newest: Uint8Array }> {
    const at = DmCutWorld.empty(new Prng(1), [DISK_SECTORS]);
    const use = at.open(await at.make("v", TORN));
    const fill = async (round: number): Promise<Uint8Array> => {
      const data = new Uint8Array(ENTRIES * 512).fill(round);
      await at.until(writeSectors(use, 0, data, BioFlags.fua));
      return data;
    };
    for (let round = 1; round <= SECTIONS; round += 1) await fill(round);
    await fill(11);
    const newest = await fill(12);
    const image = await at.until(readSectors(at.disk(0), 0, DISK_SECTORS));
    await fill(13);
    const third = 8 + 2 * SECTION_SECTORS;
    image.set(await at.until(readSectors(at.disk(0), third, 1)), third * 512);
    return { image, newest };
  }

  interface Write {
    readonly sector: number;
    readonly data: Uint8Array;
  }

  function put(image: Uint8Array, { sector, data }: Write): void {
    image.set(data, sector * 512);
  }

  /** What is read of a disk with that, and what was written to it until then. */
  async function read(image: Uint8Array): Promise<{ content: Uint8Array; writes: Write[] }> {
    const world = new DmWorld({ 0: DISK_SECTORS });
    await writeSectors(world.disk("0"), 0, image);
    const writes: Write[] = [];
    world.disk("0").hold(({ op, sector, data }) => {
      if (op === "write") writes.push({ sector, data: data.slice() });
      return false;
    });
    const { use } = await world.make("v", TORN);
    return { content: await readSectors(use, 0, ENTRIES), writes };
  }

  test("is found as it was, or empty", async () => {
    const { image, newest } = await tornImage();
    const { content, writes } = await read(image);
    expect(sameBytes(content, newest)).toBe(true);
    let cases = 0;
    for (const write of writes) {
      const { sector, data } = write;
      const isJournal = sector >= 8 && sector < 8 + SECTIONS * SECTION_SECTORS;
      const sections = data.length / 512 / SECTION_SECTORS;
      for (let some = 0; isJournal && some < 2 ** sections; some += 1) {
        const cut = image.slice();
        for (let each = 0; each < sections; each += 1) {
          const from = each * SECTION_SECTORS;
          const part = data.subarray(from * 512, (from + SECTION_SECTORS) * 512);
          if ((some & (1 << each)) !== 0) put(cut, { sector: sector + from, data: part });
        }
        expect(sameBytes((await read(cut)).content, newest), `sections ${some}`).toBe(true);
        cases += 1;
      }
      put(image, write);
    }
    // One, then two and two, which go over the end of the ring, then one.
    expect(cases).toBe(2 + 4 + 4 + 2);
  });
});
