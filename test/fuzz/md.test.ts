/**
 * Everything that reads md metadata, fed with spoilt metadata: more than 100,000 superblocks and bitmaps a run, three
 * quarters of them superblocks of all versions. Half of a case's luck is in its structure: fields are changed one by one
 * and checksums made right again, so that what lies behind them is reached.
 *
 * Laws: an answer or a HoldfastError, never another exception; reads inside the devices only; work and memory bounded by what was
 * asked for, not by numbers found on disk; and where a change cannot matter, the volume reads as before.
 */
import { beforeAll, describe, expect, it } from "vitest";
import { readSectors } from "../../src/block/promises.ts";
import { decodeDmRaid, DM_RAID_BYTES } from "../../src/formats/dm-raid.ts";
import { goldenCases, goldenDisk } from "../support/golden.ts";
import { FUZZ_SEED, runCases, useWatchdog } from "./campaign.ts";
import type { Area } from "./md-areas.ts";
import { fuzzBitmap, fuzzDmRaid, fuzzOther, fuzzSuperblock } from "./md-decoders.ts";
import type { SuperblockSample } from "./md-decoders.ts";
import { loadSet, openAndRead, samplesOf } from "./md-sets.ts";
import type { GoldenSet } from "./md-sets.ts";
import { spoil, spoilSafely } from "./md-spoil.ts";

const GOLDEN = goldenCases({ kind: "md" });
/** For each golden set. */
const CASES = { superblocks: 1200, bitmaps: 650, others: 150, sets: 600, safeSets: 200 };

/** Superblocks of every version, from sets loaded so far. */
const strangers: SuperblockSample[] = [];

async function loadSamples(name: string): Promise<SuperblockSample[]> {
  return samplesOf(await loadSet(goldenCases({ name })[0]!));
}

useWatchdog();

beforeAll(async () => {
  for (const name of ["raid1-3-m090", "raid1-2-m11", "raid1-2-writemostly-m10", "reshape-raid5to6"])
    strangers.push(...(await loadSamples(name)));
});

describe(`spoilt md metadata (HOLDFAST_SEED=${FUZZ_SEED})`, () => {
  it("tries more than 100,000 superblocks and bitmaps, three quarters of them superblocks", () => {
    const { superblocks, bitmaps, sets, safeSets } = CASES;
    const all = superblocks + bitmaps + sets + safeSets;
    expect(all * GOLDEN.length).toBeGreaterThan(100_000);
    expect((superblocks + sets + safeSets) / all).toBeGreaterThan(0.7);
  });

  describe.each(GOLDEN.map((golden) => [golden.name, golden] as const))("%s", (name, golden) => {
    let loaded: Promise<GoldenSet> | null = null;
    const load = (): Promise<GoldenSet> => (loaded ??= loadSet(golden));

    it(`decodes ${name}`, { timeout: 300_000 }, async () => {
      const set = await load();
      const own = samplesOf(set);
      const areas: Area[] = set.disks.flatMap((disk) => disk.areas);
      const bitmaps = areas.filter((area) => area.kind === "bitmap").map((area) => area.data);
      const { superblocks, bitmaps: bitmapCases, others } = CASES;
      const ran = await runCases(
        `decodes ${name}`,
        superblocks + bitmapCases + others,
        async (prng, log) => {
          const kind = prng.below(superblocks + bitmapCases + others);
          if (kind < superblocks) fuzzSuperblock(prng, prng.chance(0.5) ? own : strangers, log);
          else if (kind < superblocks + bitmapCases) await fuzzBitmap(prng, bitmaps, log);
          else await fuzzOther(prng, areas, log);
        },
      );
      expect(ran).toBeGreaterThan(0);
    });

    it(`opens ${name}`, { timeout: 300_000 }, async () => {
      const set = await load();
      const others = strangers.map(({ data }) => data);
      const ran = await runCases(`opens ${name}`, CASES.sets, async (prng, log) => {
        await openAndRead(prng, set, spoil(prng, set, others, log), { isSame: false });
      });
      expect(ran).toBeGreaterThan(0);
    });

    it(`reads ${name} right`, { timeout: 300_000 }, async () => {
      const set = await load();
      loaded = null;
      if (set.content === null) {
        expect(set.plan.verdict.kind).not.toBe("can-start");
        return;
      }
      const ran = await runCases(`reads ${name} right`, CASES.safeSets, async (prng, log) => {
        await openAndRead(prng, set, spoilSafely(prng, set, log), { isSame: true });
      });
      expect(ran).toBeGreaterThan(0);
    });
  });
});

describe(`spoilt dm-raid metadata (HOLDFAST_SEED=${FUZZ_SEED})`, () => {
  const samples: Uint8Array[] = [];

  beforeAll(async () => {
    for (const golden of goldenCases({ name: /^dm-raid/ }))
      for (const index of golden.members.keys()) {
        const disk = await goldenDisk(golden, index);
        const data = await readSectors(disk, 0, DM_RAID_BYTES / 512);
        if (decodeDmRaid(data).kind === "ok") samples.push(data);
      }
  });

  it("decodes dm-raid", async () => {
    expect(samples.length).toBeGreaterThan(5);
    const ran = await runCases("decodes dm-raid", 3000, async (prng, log) => {
      fuzzDmRaid(prng, samples, log);
    });
    expect(ran).toBeGreaterThan(0);
  });
});
