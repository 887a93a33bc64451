/**
 * The desynchronised mirror, and its cure. Clients change buffers while they are written, so copies may differ although every write has
 * ended. Who clears a region's bit when its writes have drained forgets that; who asks the clients first (dirty, maybe dirty, clean
 * candidate: regions/bitmap-tracker.ts) does not, and clears the bits all the same once nobody has anything to say.
 */
import { describe, expect, test } from "vitest";
import { assert } from "../base/assert.ts";
import { Prng } from "../base/prng.ts";
import { Life } from "./life.ts";
import { MUTANTS } from "./mutants/index.ts";
import { play } from "./play.ts";
import { SCENARIOS } from "./scenarios/index.ts";
import { isMapped } from "./script.ts";
import type { ArrayScript } from "./script.ts";

const SCRIPTS: readonly ArrayScript[] = Array.from({ length: 40 }, (_, index) => {
  const scenario = SCENARIOS.find(({ name }) => name === "buffers")!;
  const seed = index + 1;
  const script = { scenario: scenario.name, seed, ...scenario.make(new Prng(seed)) };
  assert(!isMapped(script), "it is of arrays");
  return script;
});
/** Two periods of five seconds, and the one in which the last write fell. */
const COOL_US = 15_500_000;

async function brokenWith(mutantName: string | null): Promise<string[]> {
  const mutant = MUTANTS.find(({ name }) => name === mutantName) ?? null;
  const broken: string[] = [];
  for (const script of SCRIPTS) {
    const { what } = await play(script, mutant);
    broken.push(...what.slice(0, 1));
  }
  return broken;
}

function dirtySectors(life: Life): number {
  const { tracker } = life.machine.managed;
  return [...tracker!.dirtyRuns()].reduce((sum, { sectors }) => sum + sectors, 0);
}

describe("buffers that change while they are written", () => {
  test("leave copies that differ, and nothing says so, where bits are cleared when writes have drained", async () => {
    const broken = await brokenWith("buffers-ignored");
    expect(broken.length).toBeGreaterThan(1);
  });

  test("do no harm where clients are asked before a candidate is cleared", async () => {
    expect(await brokenWith(null)).toEqual([]);
  });

  test("and all bits are cleared in the end, while the array is still in use", async () => {
    let before = 0;
    for (const script of SCRIPTS.slice(0, 10)) {
      const life = await Life.begin(script, null);
      for (const { action, events } of script.steps) {
        await life.act(action);
        await life.world.steps(events);
      }
      await life.rest();
      before += dirtySectors(life);
      const wasClean = life.machine.managed.array.record.isClean;
      await life.world.pass(COOL_US);
      expect(dirtySectors(life), `seed ${script.seed}`).toBe(0);
      expect(life.machine.managed.array.record.isClean).toBe(wasClean);
    }
    expect(before).toBeGreaterThan(0);
  });
});
