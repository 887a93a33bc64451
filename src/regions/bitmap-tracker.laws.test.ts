import { describe, expect, test } from "vitest";
import { RegionWorld } from "../../test/support/region-world.ts";
import type { Mutations } from "../../test/support/region-world.ts";
import { seedOfRun } from "../../test/support/seed.ts";

const STEPS = 500;

interface Outcome {
  readonly problem: string | null;
  readonly crashes: number;
}

async function run(seed: number, withUsers: boolean, mutations?: Mutations): Promise<Outcome> {
  const world = new RegionWorld(seed, withUsers, mutations);
  try {
    for (let step = 0; step < STEPS; step += 1) {
      await world.act();
      const problem = world.check();
      if (problem !== null) return { problem: `step ${step}: ${problem}`, crashes: world.crashes };
    }
    const { crashes } = world;
    if (!(await world.comeToRest()))
      return { problem: world.check() ?? "it does not come to rest", crashes };
    const { pages } = world.tracker;
    const isClean = world.setBits === 0 && pages.used === 0;
    return { problem: isClean ? null : `${world.setBits} bits stay set`, crashes };
  } catch (error) {
    return { problem: String(error), crashes: world.crashes };
  }
}

describe("whatever happens, and wherever power is cut", () => {
  test.each([
    ["owns its buffers", false],
    ["changes buffers while they are written", true],
  ])(
    "no chunk that may differ is called clean, and all get clean in the end, when who writes %s",
    async (_, withUsers) => {
      let crashes = 0;
      for (let index = 0; index < 40; index += 1) {
        const seed = seedOfRun() + index;
        const outcome = await run(seed, withUsers);
        expect(outcome.problem, `seed ${seed}`).toBeNull();
        crashes += outcome.crashes;
      }
      expect(crashes).toBeGreaterThan(3);
    },
  );

  const mutants: [string, Mutations, boolean][] = [
    ["flushes that do nothing", { flushLies: true }, false],
    ["bits that are not on the disk yet", { pagesAcknowledgedEarly: true }, false],
    ["writes that missed a copy in silence", { missedWritesHidden: true }, false],
    ["copies that come back in silence", { returnNotTold: true }, false],
    ["users that were not asked", { usersNotAsked: true }, true],
  ];
  test.each(mutants)("the model notices %s", async (_, mutations, withUsers) => {
    let found = 0;
    for (let seed = 1; seed <= 20; seed += 1)
      if ((await run(seed, withUsers, mutations)).problem !== null) found += 1;
    expect(found).toBeGreaterThan(0);
  });
});
