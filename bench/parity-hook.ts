/**
 * The parity kernels are measured by a program of their own, bench/parity.mjs, which needs no server and no array: `--json` makes it print
 * its figures in one line. Cases with units of less than 64 KiB are there to be seen only and not kept.
 */
import { join } from "node:path";
import { ROOT } from "../scripts/setup.mjs";
import { runProgram } from "./processes.ts";
import type { ParityResult } from "./results.ts";
import { rounded } from "./stats.ts";

const LIMIT_SECONDS = 180;
const LEAST_UNIT_BYTES = 64 * 1024;

/** @param text one line of JSON */
function parseParity(text: string): ParityResult[] {
  const { results } = JSON.parse(text) as {
    results: readonly (Required<ParityResult> & { readonly unitBytes: number })[];
  };
  return results
    .filter(({ unitBytes }) => unitBytes >= LEAST_UNIT_BYTES)
    .map(({ name, kind, place, ratioToIsal, turns }) => {
      return { name, kind, place, ratioToIsal: rounded(ratioToIsal), turns: turns.map(rounded) };
    });
}

/** A problem is why it cannot be measured here, in one line. */
export async function measureParity(
  isQuick: boolean,
): Promise<{ readonly results: readonly ParityResult[] } | { readonly problem: string }> {
  const program = join(ROOT, "bench", "parity.mjs");
  const args = [program, "--json", ...(isQuick ? ["--quick"] : [])];
  const { code, stdout, stderr } = await runProgram(process.execPath, args, LIMIT_SECONDS);
  if (code === 0) return { results: parseParity(stdout) };
  const said = /^\w*Error: (.*)$/m.exec(stderr)?.[1] ?? stderr.trim();
  return { problem: `left out: ${said}` };
}
