/**
 * Each law broken on purpose is noticed. The seeds are those that `node scripts/mutants.mjs --seeds test/mutant-seeds.json` found: a
 * mutant must be caught there, or soon after where what a seed tells has changed a little; the real code is clean over the same seeds.
 */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { Prng } from "../src/base/prng.ts";
import { play } from "../src/sim/play.ts";
import type { Mutant } from "../src/sim/mutant.ts";
import { MUTANTS } from "../src/sim/mutants/index.ts";
import { SCENARIOS } from "../src/sim/scenarios/index.ts";

const SEEDS = JSON.parse(
  readFileSync(new URL("./mutant-seeds.json", import.meta.url), "utf8"),
) as Record<string, number>;
const MOST_SEEDS = 20;

async function isCaught(
  mutant: Mutant | null,
  scenarioName: string,
  seed: number,
): Promise<boolean> {
  const scenario = SCENARIOS.find(({ name }) => name === scenarioName)!;
  const script = { scenario: scenario.name, seed, ...scenario.make(new Prng(seed)) };
  const { kind } = await play(script, mutant);
  return kind === "broken";
}

describe("mutants", () => {
  test.each(MUTANTS)(
    "$name is caught, and the real code is clean there",
    async (mutant) => {
      const first = SEEDS[mutant.name]!;
      for (let seed = first; seed < first + MOST_SEEDS; seed += 1) {
        expect(await isCaught(null, mutant.scenario, seed), `clean at seed ${seed}`).toBe(false);
        if (await isCaught(mutant, mutant.scenario, seed)) return;
      }
      expect.fail(`not caught by seeds ${first} to ${first + MOST_SEEDS - 1}`);
    },
    120_000,
  );

  test("names are used once, and their scenarios are there", () => {
    expect(new Set(MUTANTS.map(({ name }) => name)).size).toBe(MUTANTS.length);
    for (const { scenario } of MUTANTS)
      expect(SCENARIOS.map(({ name }) => name)).toContain(scenario);
    expect(Object.keys(SEEDS).toSorted()).toEqual(MUTANTS.map(({ name }) => name).toSorted());
  });
});
