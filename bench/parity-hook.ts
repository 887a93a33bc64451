/**
 * The parity kernels are measured by a program of their own, bench/parity.mjs, which needs no server and no array: `--json` makes it print
 * its figures in one line. Cases with units of less than 64 KiB are there to be seen only and not kept.
 */
import { existsSync } from "node:fs";
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
    results: readonly (ParityResult & { readonly unitBytes: number })[];
  };
  return results
    .filter(({ unitBytes }) => unitBytes >= LEAST_UNIT_BYTES)
    .map(({ name, kind, place, ratioToIsal }) => {
      return { name, kind, place, ratioToIsal: rounded(ratioToIsal) };
    });
}

/** Empty when it cannot be measured here. */
export async function measureParity(): Promise<readonly ParityResult[]> {
  const program = join(ROOT, "bench", "parity.mjs");
  if (!existsSync(program)) return [];
  const args = [program, "--json"];
  const { code, stdout, stderr } = await runProgram(process.execPath, args, LIMIT_SECONDS);
  if (code !== 0) {
    console.error(`bench/parity.mjs failed: ${stderr.trim()}`);
    return [];
  }
  const results = parseParity(stdout);
  for (const { name, ratioToIsal } of results) {
    console.log(`${name.padEnd(42)} ${ratioToIsal.toFixed(2)} (of ISA-L)`);
  }
  return results;
}
