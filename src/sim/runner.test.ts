import { describe, expect, it } from "vitest";
import { NO_FLUSH } from "../../test/support/no-flush.ts";
import { VirtualTime } from "../../test/support/virtual-time.ts";
import { play } from "./play.ts";
import { minimise, signatureOf } from "./minimise.ts";
import { runCampaign, scriptOf } from "./runner.ts";
import type { Campaign } from "./runner.ts";
import { CRASH, MIXED } from "./scenarios/mixed.ts";
import { NBD } from "./scenarios/nbd.ts";
import { replayCommand } from "./story.ts";

const ONCE: Campaign = {
  scenarios: [CRASH],
  mutant: null,
  firstSeed: 1,
  seeds: 3,
  forMs: Infinity,
  keepsGoing: false,
};

describe("a campaign", () => {
  it("plays the seeds of each scenario and counts", async () => {
    const seen: string[] = [];
    const tally = await runCampaign(
      { ...ONCE, scenarios: [CRASH, MIXED], seeds: 2 },
      new VirtualTime(),
      (_tally, { scenario, seed }) => seen.push(`${scenario} ${seed}`) > 0,
    );
    expect(seen).toEqual(["crash 1", "mixed 1", "crash 2", "mixed 2"]);
    expect(tally).toMatchObject({ runs: 4, failures: [] });
    expect(tally.crashes).toBeGreaterThanOrEqual(2);
    expect(tally.events).toBeGreaterThan(100);
  });

  it("ends when it is told to, or when its time is over", async () => {
    expect((await runCampaign(ONCE, new VirtualTime(), () => false)).runs).toBe(1);
    expect((await runCampaign({ ...ONCE, forMs: 0 }, new VirtualTime())).runs).toBe(0);
  });

  it("stops at the first run that is broken, or goes on", async () => {
    const broken = { ...ONCE, mutant: NO_FLUSH, seeds: 40 };
    const first = await runCampaign(broken, new VirtualTime());
    expect(first.failures).toHaveLength(1);
    const { script } = first.failures[0]!;
    expect(script.seed).toBe(first.runs);
    expect(replayCommand(script, NO_FLUSH)).toBe(
      `holdfast sim --scenario crash --mutant no-flush --seed ${script.seed}`,
    );
    const all = await runCampaign({ ...broken, keepsGoing: true }, new VirtualTime());
    expect(all.runs).toBe(40);
    expect(all.failures.length).toBeGreaterThan(1);
  });
});

describe("a run", () => {
  it("is the same each time", async () => {
    for (const scenario of [CRASH, MIXED, NBD]) {
      const script = scriptOf(scenario, 11);
      const [one, two] = [await play(script), await play(script)];
      expect(two.world.log).toEqual(one.world.log);
      expect(two.world.events).toBe(one.world.events);
      expect(two.world.nowUs).toBe(one.world.nowUs);
    }
  });
});

describe("the minimiser", () => {
  it("leaves what is needed, of a run that is broken, in the same way", async () => {
    const { failures } = await runCampaign(
      { ...ONCE, mutant: NO_FLUSH, seeds: 40 },
      new VirtualTime(),
    );
    const { script, what } = failures[0]!;
    const least = await minimise(script, (one) => play(one, NO_FLUSH));
    const words = least.steps.map(({ action }) => action.do);
    expect(words.at(-1)).toBe("cut");
    expect(words.length).toBeLessThanOrEqual(4);
    expect(words.length).toBeLessThan(script.steps.length);
    expect(least).toMatchObject({ shape: { spares: 0, badBlockLog: false } });
    const again = await play(least, NO_FLUSH);
    expect(again.kind).toBe("broken");
    expect(signatureOf(again.what)).toBe(signatureOf(what));
    expect((await play(least)).kind).toBe("clean");
  });
});
