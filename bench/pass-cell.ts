/**
 * Passes without NBD: `holdfast dump` into /dev/null against programs that only read the same bytes of the members. Throughput
 * counts bytes of members, for all alike. Node takes a fifth of a second to start, which says nothing about large volumes:
 * Holdfast's time is taken without that of a `holdfast scan` of the same files just before, which loads the same code and
 * reads the same superblocks.
 */
import { closeSync, openSync, statSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../scripts/setup.mjs";
import { DATA_OFFSET_BYTES } from "./arrays.ts";
import type { MadeArray } from "./arrays.ts";
import type { PassCell } from "./cells.ts";
import { runChecked } from "./processes.ts";
import type { Run, Variant } from "./results.ts";
import { rounded } from "./stats.ts";

const HOLDFAST = join(ROOT, "bin", "holdfast");
const LIMIT_SECONDS = 120;
/** What is left of a time when the start is taken off: below this share the pass was too short to say anything. */
const LEAST_SHARE = 0.2;

/** Seconds a program takes with its output going nowhere. */
export async function timed(program: string, args: readonly string[]): Promise<number> {
  const nowhere = openSync("/dev/null", "w");
  try {
    const options = { stdio: ["ignore" as const, nowhere, "pipe" as const] };
    return (await runChecked(program, args, LIMIT_SECONDS, options)).seconds;
  } finally {
    closeSync(nowhere);
  }
}

async function holdfastSeconds(files: readonly string[]): Promise<number> {
  const startSeconds = await timed(HOLDFAST, ["scan", ...files]);
  const seconds = await timed(HOLDFAST, ["dump", "-o", "-", ...files]);
  return Math.max(seconds - startSeconds, seconds * LEAST_SHARE);
}

async function ddSeconds(files: readonly string[]): Promise<number> {
  let seconds = 0;
  for (const file of files) seconds += await timed("dd", [`if=${file}`, "of=/dev/null", "bs=1M"]);
  return seconds;
}

/** Members as Holdfast is given them. */
export function withLost({ members }: MadeArray, lost: readonly number[]): string[] {
  return members.map((path, slot) => (lost.includes(slot) ? "missing" : path));
}

type Pass = () => Promise<number>;

function passesOf(array: MadeArray, lost: readonly number[]): Record<string, Pass> {
  const left = array.members.filter((_, slot) => !lost.includes(slot));
  const given = withLost(array, lost);
  const passes: Record<string, Pass> = {
    holdfast: () => holdfastSeconds(given),
    cat: () => timed("cat", left),
    dd: () => ddSeconds(left),
  };
  if (array.name === "raid1-2" && lost.length === 0) {
    passes["cmp"] = () => timed("cmp", [`--ignore-initial=${DATA_OFFSET_BYTES}`, ...left]);
  }
  return passes;
}

/**
 * Bytes of members that have to be read. A mirror reads one copy, and a healthy array with parity its data only, but `cat` and `dd`
 * read all that they are given.
 */
function bytesRead(name: string, { members, sizeBytes }: MadeArray, cell: PassCell): number {
  const all = members
    .filter((_, slot) => !cell.lost.includes(slot))
    .reduce((sum, path) => sum + statSync(path).size, 0);
  return name === "holdfast" && cell.lost.length === 0 ? sizeBytes : all;
}

/** All variants in turns. */
export async function measurePass(
  cell: PassCell,
  array: MadeArray,
  repetitions: number,
): Promise<Record<string, Variant>> {
  const passes = Object.entries(passesOf(array, cell.lost));
  const runs = new Map<string, Run[]>(passes.map(([name]) => [name, []]));
  const failed = new Map<string, string>();
  for (let repetition = 0; repetition < repetitions; repetition += 1) {
    for (const [name, pass] of passes) {
      if (failed.has(name)) continue;
      try {
        const bytesPerSecond = rounded(bytesRead(name, array, cell) / (await pass()));
        runs.get(name)?.push({ bytesPerSecond });
      } catch (error) {
        failed.set(name, error instanceof Error ? error.message : String(error));
      }
    }
  }
  return Object.fromEntries(
    passes.map(([name]) => {
      const reason = failed.get(name);
      return reason === undefined
        ? [name, { kind: "measured", runs: runs.get(name) ?? [] }]
        : [name, { kind: "skipped", reason }];
    }),
  );
}
