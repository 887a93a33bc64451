/**
 * Power cuts in the middle of writes to a raid5 with a partial parity log, with and without a member that is lost at the same moment:
 * what was promised is there, what nobody wrote is untouched, and where no resync is due all parity is right.
 *
 * `HOLDFAST_SEED=N npx vitest run src/md/running/levels/stripes/ppl` replays a run.
 */
import { describe, expect, it } from "vitest";
import type { History } from "../../../../../../test/support/cut-history.ts";
import {
  assembleAfter,
  newImages,
  startHistory,
} from "../../../../../../test/support/ppl-world.ts";
import { seedOfRun } from "../../../../../../test/support/seed.ts";
import { Prng } from "../../../../../base/prng.ts";

const SEED = seedOfRun();
/** Two are there in any case: none and all of the writes that may have arrived. */
const SUBSETS = 4;

interface Outcome {
  readonly wrong: readonly string[];
  readonly cuts: number;
  readonly mended: number;
}

/** @param lost slots of which one is gone after the cut; -1: none */
async function cutEverywhere(
  history: History,
  prng: Prng,
  lost: readonly number[],
  every: number,
): Promise<Outcome> {
  const wrong: string[] = [];
  let cuts = 0;
  let mended = 0;
  const { disks } = history;
  for (let cut = prng.below(every); cut <= disks.log.length; cut += every) {
    const { certain, possible } = disks.at(cut);
    for (let subset = 0; subset < SUBSETS; subset += 1) {
      const share = subset < 2 ? subset : prng.below(100) / 100;
      const there = new Set<unknown>(possible.filter(() => prng.chance(share)));
      const all = disks.imagesWith(cut, (write) => certain.has(write) || there.has(write));
      const gone = lost[prng.below(lost.length)]!;
      const images = all.map((image, slot) => (slot === gone ? null : image));
      const found = await assembleAfter(history, cut, images);
      cuts += 1;
      if (found.isMended) mended += 1;
      for (const what of found.complaints)
        wrong.push(`cut ${cut}, without ${gone}, share ${share}: ${what}`);
    }
  }
  return { wrong, cuts, mended };
}

describe(`a raid5 with a partial parity log that loses power, seed ${SEED}`, () => {
  it.each([
    { area: "a ring", pplSectors: 528 },
    { area: "one log", pplSectors: 72 },
    { area: "a log of one block", pplSectors: 16 },
  ])("at any moment: $area", { timeout: 120_000 }, async ({ pplSectors }) => {
    const prng = new Prng(SEED + pplSectors);
    const history = await startHistory(newImages(pplSectors));
    await history.random(prng, 10);
    await history.disks.pump();
    expect(history.errors).toEqual([]);
    const outcome = await cutEverywhere(history, prng, [-1, -1, 0, 1, 2, 3], 3);
    expect(outcome.wrong.slice(0, 5)).toEqual([]);
    expect(outcome.mended).toBeGreaterThan(outcome.cuts / 10);
  });
});
