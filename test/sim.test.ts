/**
 * The simulator, as far as each run of the tests plays it: all that it once found (test/sim-seeds), and seeds of each scenario that are new
 * with each commit, for a minute, with `CI=true` for three. `HOLDFAST_SIM_MINUTES=N` plays for so long instead.
 */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { nodeClock } from "../src/env/node/clock.ts";
import { seedOfRun } from "./support/seed.ts";
import { play } from "../src/sim/play.ts";
import { runCampaign } from "../src/sim/runner.ts";
import { SCENARIOS } from "../src/sim/scenarios/index.ts";
import { parseScript } from "../src/sim/script-file.ts";
import { replayCommand } from "../src/sim/story.ts";

const CORPUS = fileURLToPath(new URL("sim-seeds", import.meta.url));
const MINUTES = Number(
  process.env["HOLDFAST_SIM_MINUTES"] ?? (process.env["CI"] === "true" ? 3 : 1),
);
const TOTAL_MS = MINUTES * 60_000;
const HANG_MS = 120_000;

describe("what the simulator once found", () => {
  const files = readdirSync(CORPUS).filter((name) => name.endsWith(".json"));

  it.each(files)("%s", async (name) => {
    const script = parseScript(readFileSync(join(CORPUS, name), "utf8"), name);
    expect(script.found).toMatch(/^[A-Z].*\.$/);
    const { what } = await play(script);
    expect(what, `holdfast sim --replay test/sim-seeds/${name}`).toEqual([]);
  });
});

describe(`seeds from ${seedOfRun()} on`, () => {
  const forMs = TOTAL_MS / SCENARIOS.length;

  it.each(SCENARIOS.map((scenario) => [scenario.name, scenario] as const))(
    "%s",
    async (_name, scenario) => {
      const campaign = { scenarios: [scenario], mutant: null, keepsGoing: false };
      const tally = await runCampaign(
        { ...campaign, firstSeed: seedOfRun(), seeds: Infinity, forMs },
        nodeClock,
      );
      const [broken] = tally.failures;
      const replay = broken === undefined ? "" : replayCommand(broken.script, null);
      expect(broken?.what ?? [], replay).toEqual([]);
      expect(tally.runs).toBeGreaterThan(0);
    },
    forMs + HANG_MS,
  );
});
