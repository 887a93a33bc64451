/**
 * fio verifies arrays of all redundant levels while members fail and come back, for as long as is asked for:
 *
 *   node test/crash/soak.mjs --minutes 120 [--seed N]
 *
 * Ends with a report, and with an error at the first block that is not what was written.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import "../../scripts/ts-hook.mjs";

const { values } = parseArgs({
  options: { minutes: { type: "string", default: "2" }, seed: { type: "string" } },
});
const { soak } = await import("./soak.ts");
const { seedOfRun } = await import("../support/seed.ts");

const seed = values.seed === undefined ? seedOfRun() : Number(values.seed);
const minutes = Number(values.minutes);
const folder = mkdtempSync(join(tmpdir(), "holdfast-soak-"));
console.log(`${minutes} minutes, seed ${seed}`);
try {
  const report = await soak({ seed, minutes, folder, log: (line) => console.log(line) });
  for (const [what, value] of Object.entries(report)) console.log(`${what}: ${Math.round(value)}`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
