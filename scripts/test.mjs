/**
 * `npm test`: from a fresh clone to the last line "N passed, N failed, N skipped".
 *
 *   1 npm's packages and outside programs, as far as they are missing (setup.mjs)
 *   2 the build and the checks of `npm run check`: each counts as one test
 *   3 vitest
 *
 * `npm test -- src/md` runs the tests below a path only, without step 2's checks. It fails when a test fails; with CI=true also when one
 * is skipped or a program is missing. Node built-ins only until step 1 is done.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { runToEnd, stopOnSignals } from "./children.mjs";
import { ensureInstalled, ensurePeers, ROOT } from "./setup.mjs";

/** @typedef {import("./test-reporter.mjs").Counts} Counts */

const IN_CI = process.env["CI"] === "true";
const args = process.argv.slice(2);

stopOnSignals((signal) => {
  console.log("interrupted");
  process.exit(128 + constants.signals[signal]);
});

/** @returns {Promise<Counts>} */
async function runAll() {
  await ensureInstalled();
  const missing = await ensurePeers();
  if (missing.length > 0) {
    const packages = missing.join(" ");
    console.log(`missing Debian packages, without which some tests cannot run: ${packages}`);
    if (IN_CI) return { passed: 0, failed: 1, skipped: 0 };
  }
  const built = await runBuild();
  const checks = args.length === 0 ? await runChecks() : [];
  const tests = await runVitest();
  const before = [built, ...checks];
  return {
    passed: tests.passed + before.filter(Boolean).length,
    failed: tests.failed + before.filter((ok) => !ok).length,
    skipped: tests.skipped,
  };
}

/** @returns {Promise<boolean>} */
async function runBuild() {
  const { build } = await import("./build.mjs");
  try {
    await build();
    return true;
  } catch (error) {
    console.log(`FAILED build: ${error instanceof Error ? error.message : String(error)}`);
    return false;
  }
}

/** @returns {Promise<boolean[]>} */
async function runChecks() {
  const checks = await import("./check.mjs");
  return (await checks.runChecks()).map((result) => result.ok);
}

/** @returns {Promise<Counts>} */
async function runVitest() {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-test-"));
  const countsFile = join(folder, "counts.json");
  const reporters = ["--reporter=default", "--reporter=./scripts/test-reporter.mjs"];
  const vitest = join(ROOT, "node_modules", "vitest", "vitest.mjs");
  const code = await runToEnd(process.execPath, [vitest, "run", ...reporters, ...args], {
    cwd: ROOT,
    env: { ...process.env, ...plainWhenPiped(), HOLDFAST_TEST_COUNTS: countsFile },
  });
  /** @type {Counts} */
  const counts = existsSync(countsFile)
    ? JSON.parse(readFileSync(countsFile, "utf8"))
    : { passed: 0, failed: 0, skipped: 0 };
  rmSync(folder, { recursive: true });
  // Vitest itself may fail: no test file matched, a bad option, a crash.
  return code !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts;
}

/** @returns {Record<string, string>} */
function plainWhenPiped() {
  return process.stdout.isTTY ? {} : { NO_COLOR: "1", FORCE_COLOR: "0" };
}

/** @type {Counts} */
let counts;
try {
  counts = await runAll();
} catch (error) {
  console.log(error instanceof Error ? error.message : String(error));
  counts = { passed: 0, failed: 1, skipped: 0 };
}
process.exitCode = counts.failed > 0 || (IN_CI && counts.skipped > 0) ? 1 : 0;
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
