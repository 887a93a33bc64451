/** `holdfast sim`, in process. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { scriptOf } from "../../src/sim/runner.ts";
import { CRASH } from "../../src/sim/scenarios/mixed.ts";
import { SCENARIOS } from "../../src/sim/scenarios/index.ts";
import { figuresLine, brokenLines } from "../../src/cli/views/sim-view.ts";
import { plainPaint } from "../../src/cli/style.ts";
import { runInProcess } from "../support/cli.ts";
import { schemaProblems } from "../support/json-schema.ts";
import { testFolder } from "../support/temp.ts";

describe("holdfast sim", () => {
  it("plays seeds and tells figures", async () => {
    const { code, stdout } = await runInProcess(["sim", "--scenario", "crash", "--runs", "3"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^3 runs in .* s, \d+ a second: 3 crashes, \d+ events, .*; 0 broken\n$/);
  });

  it("plays one seed if only a seed is given", async () => {
    const args = ["sim", "--scenario", "crash", "--seed", "5", "--json"];
    const { stdout } = await runInProcess(args);
    const figures: unknown = JSON.parse(stdout);
    expect(schemaProblems("sim", figures)).toEqual([]);
    expect(figures).toMatchObject({ scenarios: ["crash"], firstSeed: 5, runs: 1, broken: [] });
  });

  it("tries all that is short", async () => {
    const { code, stdout } = await runInProcess([
      "sim",
      "--explore",
      "1",
      "--minutes",
      "0.02",
      "--json",
    ]);
    expect(code).toBe(0);
    const figures: unknown = JSON.parse(stdout);
    expect(schemaProblems("sim", figures)).toEqual([]);
    expect(figures).toMatchObject({ scenarios: ["explore"], broken: [] });
    expect((figures as { runs: number }).runs).toBeGreaterThan(0);
  });

  it("lists what there is", async () => {
    const { stdout } = await runInProcess(["sim", "--list"]);
    for (const { name } of SCENARIOS) expect(stdout).toMatch(new RegExp(`^${name} `, "m"));
    const json: unknown = JSON.parse((await runInProcess(["sim", "--list", "--json"])).stdout);
    expect(schemaProblems("sim", json)).toEqual([]);
  });

  it("tells a story, the same from its seed and from a file", async () => {
    const told = await runInProcess(["sim", "--scenario", "crash", "--seed", "7", "--log"]);
    expect(told.code).toBe(0);
    expect(told.stdout).toMatch(/^ +MS {2}raid5 .*\n +[\d.]+ {2}found: .*\n +[\d.]+ {2}write 1: /);
    expect(told.stdout).toContain("power cut");
    expect(told.stdout).toMatch(/crash, seed 7: clean\n$/);
    const file = join(testFolder("sim"), "script.json");
    writeFileSync(file, JSON.stringify(scriptOf(CRASH, 7)));
    expect(await runInProcess(["sim", "--replay", file])).toEqual(told);
  });

  it("tells what is broken, and how to play it again", () => {
    const script = scriptOf(CRASH, 7);
    const what = ["sector 1 holds write 1, not 2 to 2"];
    const replay = "holdfast sim --scenario crash --seed 7";
    const broken = { scenario: "crash", seed: 7, replay, what, steps: 20, story: ["0 x"], script };
    const lines = brokenLines(broken, ["legend"], plainPaint);
    expect(lines).toEqual(expect.arrayContaining(["0 x", "legend", `  ${what[0]}`, `  ${replay}`]));
  });

  it("refuses what it cannot play, in a sentence", async () => {
    const refusals: [string[], string][] = [
      [["--scenario", "x"], "there is no scenario 'x'"],
      [["--mutant", "x"], "there is no mutant 'x'"],
      [["--runs", "many"], "--runs takes a whole number"],
      [["--minutes", "0"], "--minutes takes a number above 0"],
      [["--explore", "5"], "--explore takes 1 to 4 operations"],
      [["--explore", "1", "--shard", "3/2"], "--shard takes K/N"],
      [["--kernel"], "--images says where they lie"],
      [["--images", process.cwd()], "is not empty"],
      [["--log"], "--scenario says of which kind"],
      [["--replay", "package.json"], "is no script of the simulator"],
      [["--replay", "README.md"], "it is no JSON"],
    ];
    for (const [args, text] of refusals) {
      const { code, stdout, stderr } = await runInProcess(["sim", ...args]);
      expect([code, stdout]).toEqual([2, ""]);
      expect(stderr).toContain(text);
    }
  });

  it("writes what power cuts leave, and what may be read of it", async () => {
    const folder = join(testFolder("sim-images"), "cuts");
    const args = ["sim", "--images", folder, "--runs", "3", "--scenario", "durable", "--json"];
    const { code, stdout } = await runInProcess(args);
    const told: unknown = JSON.parse(stdout);
    expect(schemaProblems("sim", told)).toEqual([]);
    expect([code, told]).toMatchObject([0, { powerCuts: 3, judged: 0, kernel: null, wrong: [] }]);
    const text = readFileSync(join(folder, "crashes.json"), "utf8");
    const { crashes } = JSON.parse(text) as { crashes: { images: string[]; holds: unknown[] }[] };
    expect(crashes).toHaveLength(3);
    for (const { images, holds } of crashes) {
      expect(holds.length).toBeGreaterThan(0);
      for (const image of images)
        expect(readFileSync(join(folder, image)).readUInt32LE(4096)).toBe(0xa92b4efc);
    }
  });

  it("counts hours that were simulated", () => {
    const figures = { runs: 1, events: 2, crashes: 1, simulatedMs: 7_200_000 };
    expect(figuresLine({ ...figures, elapsedMs: 500, runsPerSecond: 2 }, 1)).toBe(
      "1 run in 0.5 s, 2 a second: 1 crash, 2 events, 2.0 simulated hours; 1 broken",
    );
  });
});
