/**
 * `npm run check`: everything that can be known without running the code, in parallel, in seconds. One line per check; what a failed
 * one has to say comes below it. `npm test` runs the same checks first.
 *
 * Each check is a program and its arguments; a new one is one line in CHECKS.
 */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

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
 * @param {AbortSignal} [signal] Kills it.
 * @returns {Promise<CheckResult>}
 */
function runCheck({ name, script, args }, signal) {
  const started = performance.now();
  return new Promise((resolve) => {
    /** @type {Buffer[]} */
    const output = [];
    const done = (/** @type {boolean} */ ok, /** @type {string} */ text) => {
      resolve({ name, ok, seconds: (performance.now() - started) / 1000, output: text });
    };
    const child = spawn(process.execPath, [script, ...args], {
      cwd: ROOT,
      stdio: ["ignore", "pipe", "pipe"],
      ...(signal === undefined ? {} : { signal }),
    });
    child.stdout.on("data", (data) => output.push(data));
    child.stderr.on("data", (data) => output.push(data));
    child.on("error", (error) => done(false, error.message));
    child.on("close", (code) => done(code === 0, Buffer.concat(output).toString().trimEnd()));
  });
}

/**
 * Runs all checks at once and prints each as it ends.
 * @param {AbortSignal} [signal] Kills them.
 * @returns {Promise<CheckResult[]>}
 */
export async function runChecks(signal) {
  return Promise.all(
    CHECKS.map(async (check) => {
      const result = await runCheck(check, signal);
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
  const [results, smells] = await Promise.all([runChecks(), runCheck(SMELLS)]);
  if (!smells.ok) console.log(`note: ${smells.name}\n${indent(smells.output)}`);
  process.exitCode = results.every((result) => result.ok) ? 0 : 1;
}
