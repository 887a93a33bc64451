/**
 * `node bench/sim.mjs [--seconds N] [--scenario S]`: how many runs of the simulator one core plays in a second, from a new array through writes,
 * a power cut and recovery to the verification of all that is left of it. By the clock and by processor
 * time: on a machine that others use as well, only the latter says something.
 */
import { parseArgs } from "node:util";
import "../scripts/ts-hook.mjs";
import { buildWasm } from "../scripts/wasm.mjs";

buildWasm();
const { nodeClock } = await import("../src/env/node/clock.ts");
const { runCampaign } = await import("../src/sim/runner.ts");
const { SCENARIOS } = await import("../src/sim/scenarios/index.ts");

/** Runs in which V8 compiles what is new to it: a campaign is of minutes. */
const WARM_UP_RUNS = 1000;

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "10" },
    scenario: { type: "string", default: "power-cut" },
  },
});
const scenarios = SCENARIOS.filter(({ name }) => name === values.scenario);
if (scenarios.length === 0) throw new Error(`There is no scenario "${values.scenario}".`);

/**
 * @param {number} firstSeed
 * @param {number} seeds
 * @param {number} forMs
 */
async function measure(firstSeed, seeds, forMs) {
  const startedMs = performance.now();
  const used = process.cpuUsage();
  const tally = await runCampaign(
    { scenarios, mutant: null, firstSeed, seeds, forMs, keepsGoing: true },
    nodeClock,
  );
  const { user, system } = process.cpuUsage(used);
  const [failure] = tally.failures;
  if (failure !== undefined) throw new Error(`seed ${failure.script.seed}: ${failure.what[0]}`);
  return { tally, seconds: (performance.now() - startedMs) / 1000, cpuMs: (user + system) / 1000 };
}

await measure(1, WARM_UP_RUNS, Infinity);
const { tally, seconds, cpuMs } = await measure(
  1 + WARM_UP_RUNS,
  Infinity,
  Number(values.seconds) * 1000,
);
const { runs, events } = tally;
console.log(
  `${values.scenario}: ${runs} runs of ${Math.round(events / runs)} events; ` +
    `${(runs / seconds).toFixed(0)} runs/s by the clock, ${((runs / cpuMs) * 1000).toFixed(0)} by processor time: ${(cpuMs / runs).toFixed(2)} ms each`,
);
