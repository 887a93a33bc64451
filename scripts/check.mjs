/**
 * `npm run check`: everything that can be known without running the code, in parallel, in seconds. One line per check; what a failed
 * one has to say comes below it. `npm test` runs the same checks first.
 *
 * Each check is a program and its arguments; a new one is one line in CHECKS.
 */
import { constants } from "node:os";
import { fileURLToPath } from "node:url";
import { ended, start, stopOnSignals } from "./children.mjs";
import { ROOT } from "./setup.mjs";
import { buildWasm } from "./wasm.mjs";

/** @typedef {{ name: string, ok: boolean, seconds: number, output: string }} CheckResult */

/** @type {readonly { name: string, script: string, args: readonly string[] }[]} */
const CHECKS = [
  { name: "types", script: "node_modules/typescript/bin/tsc", args: ["-p", "."] },
  {
    name: "lint",
    script: "node_modules/oxlint/bin/oxlint",
    args: ["--type-aware", "--deny-warnings", "--report-unused-disable-directives", "-f", "unix"],
  },
  { name: "format", script: "node_modules/oxfmt/bin/oxfmt", args: ["--check", "."] },
  { name: "layers", script: "scripts/layers.mjs", args: [] },
  {
    name: "dead code",
    script: "node_modules/knip/bin/knip.js",
    args: ["--no-progress", "--treat-config-hints-as-errors"],
  },
];

/** Exports that only tests use are no error, but each is a question: is it tested from the wrong side? */
const SMELLS = {
  name: "exports that only tests use",
  script: "node_modules/knip/bin/knip.js",
  args: ["--no-progress", "--production", "--exports", "--no-config-hints"],
};

/**
 * Runs one check to its end.
 * @param {{ name: string, script: string, args: readonly string[] }} check
 * @returns {Promise<CheckResult>}
 */
async function runCheck({ name, script, args }) {
  const started = performance.now();
  /** @type {Buffer[]} */
  const output = [];
  const child = start(process.execPath, [script, ...args], {
    cwd: ROOT,
    env: { ...process.env, NO_COLOR: "1", FORCE_COLOR: "0" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  child.stdout?.on("data", (data) => output.push(data));
  child.stderr?.on("data", (data) => output.push(data));
  const ok = (await ended(child)) === 0;
  const seconds = (performance.now() - started) / 1000;
  return { name, ok, seconds, output: Buffer.concat(output).toString().trimEnd() };
}

/**
 * Runs all checks at once and prints each as it ends.
 * @returns {Promise<CheckResult[]>}
 */
export async function runChecks() {
  // What the types are checked with.
  buildWasm();
  return Promise.all(
    CHECKS.map(async (check) => {
      const result = await runCheck(check);
      const seconds = result.seconds.toFixed(1).padStart(5);
      console.log(`${result.ok ? "ok    " : "FAILED"} ${seconds} s  ${result.name}`);
      if (!result.ok) console.log(indent(result.output));
      return result;
    }),
  );
}

/** @param {string} text */
function indent(text) {
  return text.replaceAll(/^(?=.)/gm, "    ");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  stopOnSignals((signal) => process.exit(128 + constants.signals[signal]));
  const [results, smells] = await Promise.all([runChecks(), runCheck(SMELLS)]);
  if (!smells.ok) console.log(`note: ${smells.name}\n${indent(smells.output)}`);
  process.exitCode = results.every((result) => result.ok) ? 0 : 1;
}
