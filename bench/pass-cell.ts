/**
 * Passes: a clone's hydration against cp; `holdfast dump` into /dev/null and checks, without NBD, against programs that only read the same bytes of the members; and writing
 * in order, through the server and without NBD, against dd to the members. Throughput counts bytes of members, for all alike. Node takes a fifth of a
 * second to start, which says nothing about large volumes: the time of a dump is taken without that of a `holdfast scan` of the same files
 * just before, which loads the same code and reads the same superblocks.
 */
import { closeSync, fsyncSync, mkdtempSync, openSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { ROOT } from "../scripts/setup.mjs";
import { DATA_OFFSET_BYTES } from "./arrays.ts";
import type { PassCell } from "./cells.ts";
import { makeCloneFiles } from "./mapped.ts";
import type { MadeStack } from "./mapped.ts";
import { runChecked } from "./processes.ts";
import type { Run, Variant } from "./results.ts";
import { startServer } from "./servers.ts";
import { rounded } from "./stats.ts";
import { syncPass } from "./sync-hook.ts";
import { runLoad } from "./workload.ts";
import type { Workload } from "./workload.ts";

/** Whole stripes of 3 x 64 KiB. */
const FILL: Workload = {
  name: "fill",
  rw: "write",
  blockBytes: 768 * 1024,
  depth: 4,
  jobs: 1,
  flushEvery: 0,
  isCold: false,
};
const FILL_SECONDS = 2;
/** A load that does not count, as before all loads on servers: V8 compiles what they use. */
const FILL_WARM_SECONDS = 1;
const FILL_DD_BYTES = 1024 * 1024;
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
export function withLost({ members }: MadeStack, lost: readonly number[]): string[] {
  return members.map((path, slot) => (lost.includes(slot) ? "missing" : path));
}

type Pass = () => Promise<number>;

/** Checks go in a program of their own, which tells how long the check itself took. */
async function checkSeconds(files: readonly string[]): Promise<number> {
  const { seconds, mismatches } = await syncPass("check", files);
  if (mismatches > 0) throw new Error(`${mismatches} sectors differ`);
  return seconds;
}

/** What others have written is not to be written back while somebody is measured. */
function toDisk(paths: readonly string[]): void {
  for (const path of paths) {
    const fd = openSync(path, "r+");
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  }
}

async function fillSeconds(array: MadeStack): Promise<number> {
  const folder = mkdtempSync(join(dirname(array.plain), "fill-"));
  const place = { files: array.members, writes: "members", folder } as const;
  const server = await startServer("holdfast", place);
  try {
    const load = { uri: server.uri, seconds: FILL_SECONDS, seed: 1, folder };
    await runLoad(FILL, { ...load, seconds: FILL_WARM_SECONDS });
    toDisk(array.members);
    const { bytesPerSecond } = (await runLoad(FILL, load)).run;
    return array.sizeBytes / bytesPerSecond!;
  } finally {
    await server.stop();
    rmSync(folder, { recursive: true });
  }
}

/** By a program that has the array in its own process and reads what it writes from a file, like dd. */
async function directFillSeconds({ members, plain }: MadeStack): Promise<number> {
  toDisk(members);
  return (await syncPass("fill", members, [plain])).seconds;
}

/** As many bytes to each member as there are data and parity, from a file: a client reads what it writes somewhere, too. */
async function ddFillSeconds({ members, plain }: MadeStack): Promise<number> {
  toDisk(members);
  let seconds = 0;
  for (const path of members) {
    const count = (statSync(path).size - DATA_OFFSET_BYTES) / FILL_DD_BYTES;
    const range = [
      `bs=${FILL_DD_BYTES}`,
      `seek=${DATA_OFFSET_BYTES / FILL_DD_BYTES}`,
      `count=${count}`,
    ];
    // All members get the same bytes, and with three data disks those are their parity.
    seconds += await timed("dd", [`if=${plain}`, `of=${path}`, ...range, "conv=notrunc"]);
  }
  return seconds;
}

/** Work in a new folder beside the source, which is gone afterwards. */
async function inFolder(
  { plain }: MadeStack,
  work: (folder: string) => Promise<number>,
): Promise<number> {
  const folder = mkdtempSync(join(dirname(plain), "clone-"));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** @param flags of Node */
export function hydrateSeconds(array: MadeStack, flags: readonly string[] = []): Promise<number> {
  return inFolder(array, async (folder) => {
    const program = join(ROOT, "bench", "clone-pass.mjs");
    const args = [...flags, program, ...makeCloneFiles(folder, array), array.plain];
    const { stdout } = await runChecked(process.execPath, args, LIMIT_SECONDS);
    return (JSON.parse(stdout) as { readonly seconds: number }).seconds;
  });
}

/** Durable at the end, as what a clone has committed is. */
function cpSeconds(array: MadeStack): Promise<number> {
  return inFolder(array, async (folder) => {
    const copy = join(folder, "copy.img");
    const args = ["--reflink=never", "--sparse=never", array.plain, copy];
    return (await timed("cp", args)) + (await timed("sync", [copy]));
  });
}

function passesOf(array: MadeStack, { work, lost }: PassCell): Record<string, Pass> {
  const files = array.members;
  const cmp: Pass = () => timed("cmp", [`--ignore-initial=${DATA_OFFSET_BYTES}`, ...files]);
  switch (work) {
    case "dump":
      return dumpPassesOf(array, lost);
    case "check": {
      const holdfast: Pass = () => checkSeconds(files);
      return array.name === "raid1-2"
        ? { holdfast, cmp }
        : { holdfast, cat: () => timed("cat", files) };
    }
    case "fill":
      return {
        holdfast: () => fillSeconds(array),
        "holdfast-direct": () => directFillSeconds(array),
        dd: () => ddFillSeconds(array),
      };
    case "hydrate":
      return { clone: () => hydrateSeconds(array), cp: () => cpSeconds(array) };
  }
}

function dumpPassesOf(array: MadeStack, lost: readonly number[]): Record<string, Pass> {
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
function bytesRead(name: string, { members, sizeBytes }: MadeStack, cell: PassCell): number {
  const all = members
    .filter((_, slot) => !cell.lost.includes(slot))
    .reduce((sum, path) => sum + statSync(path).size, 0);
  if (cell.work === "fill" || cell.work === "hydrate") return sizeBytes;
  if (cell.work === "check") return all;
  return name === "holdfast" && cell.lost.length === 0 ? sizeBytes : all;
}

/** All variants in turns. */
export async function measurePass(
  cell: PassCell,
  array: MadeStack,
  repetitions: number,
): Promise<Record<string, Variant>> {
  const passes = Object.entries(passesOf(array, cell));
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
