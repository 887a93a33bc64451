/**
 * How many seeds of its scenario each mutant of the simulator needs until it is caught, as the table of docs/TESTING.md and, with --seeds FILE,
 * as the seeds that test/mutants.test.ts begins at.
 *
 *   node scripts/mutants.mjs [--most SEEDS] [--seconds S] [--seeds FILE] [MUTANT ...]
 */
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import "./ts-hook.mjs";

const { Prng } = await import("../src/base/prng.ts");
const { play } = await import("../src/sim/play.ts");
const { MUTANTS } = await import("../src/sim/mutants/index.ts");
const { SCENARIOS } = await import("../src/sim/scenarios/index.ts");

const { values, positionals } = parseArgs({
  options: {
    most: { type: "string", default: "2000" },
    seconds: { type: "string", default: "600" },
    seeds: { type: "string" },
  },
  allowPositionals: true,
});

/** @param {import("../src/sim/mutant.ts").Mutant} mutant @returns {Promise<number | null>} */
async function seedsNeeded(mutant) {
  const scenario = SCENARIOS.find(({ name }) => name === mutant.scenario);
  if (scenario === undefined) throw new Error(`${mutant.name}: there is no ${mutant.scenario}`);
  const lastMs = performance.now() + Number(values.seconds) * 1000;
  for (let seed = 1; seed <= Number(values.most) && performance.now() < lastMs; seed += 1) {
    const script = { scenario: scenario.name, seed, ...scenario.make(new Prng(seed)) };
    if ((await play(script, mutant)).kind === "broken") return seed;
  }
  return null;
}

/** @type {Record<string, number>} */
const seeds = {};
let isAll = true;
console.log("| mutant | what it does wrong | law | origin | scenario | seeds |");
console.log("| --- | --- | --- | --- | --- | --- |");
for (const mutant of MUTANTS) {
  if (positionals.length > 0 && !positionals.includes(mutant.name)) continue;
  const needed = await seedsNeeded(mutant);
  if (needed === null) isAll = false;
  else seeds[mutant.name] = needed;
  const { name, about, law, origin, scenario } = mutant;
  console.log(
    `| \`${name}\` | ${about} | ${law} | ${origin ?? ""} | \`${scenario}\` | ${needed ?? "not caught"} |`,
  );
}
if (values.seeds !== undefined) {
  /** @type {Record<string, number>} */
  const known = positionals.length === 0 ? {} : JSON.parse(readFileSync(values.seeds, "utf8"));
  writeFileSync(values.seeds, `${JSON.stringify({ ...known, ...seeds }, null, 2)}\n`);
}
process.exit(isAll ? 0 : 1);
