/**
 * Where time goes: puts the load of one cell on a server, or dumps one volume, and gives the functions of V8's profile by their own time.
 * "(program)" is native code outside JavaScript, system calls among it. The data plane may be a thread of its own, and Node writes a profile
 * for each thread: the busiest counts.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { build } from "../scripts/build.mjs";
import { ROOT } from "../scripts/setup.mjs";
import { CELLS } from "./cells.ts";
import type { Cell, LoadCell, PassCell } from "./cells.ts";
import { filesOf, writesOf } from "./load-cell.ts";
import { makeStack } from "./mapped.ts";
import type { MadeStack } from "./mapped.ts";
import { hydrateSeconds, timed, withLost } from "./pass-cell.ts";
import type { ProfiledFunction } from "./results.ts";
import { rounded } from "./stats.ts";
import { startServer } from "./servers.ts";
import type { ServerName } from "./servers.ts";
import { runLoad } from "./workload.ts";

const LOAD_MIB = 258;
const PASS_MIB = 516;
const SECONDS = 4;
const SHOWN = 20;

/** The parts of V8's .cpuprofile that are used; deltas are microseconds. */
export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

/** Microseconds by function, without what was idle. */
function busyTimes(profile: CpuProfile): Map<string, number> {
  const names = new Map(
    profile.nodes.map(({ id, callFrame: { functionName, url } }) => {
      const file = basename(url).replace(/-\w{8}\.mjs$/, "");
      return [id, `${functionName || "(anonymous)"}${file === "" ? "" : ` ${file}`}`];
    }),
  );
  const times = new Map<string, number>();
  for (const [index, id] of profile.samples.entries()) {
    const name = names.get(id) ?? "?";
    times.set(name, (times.get(name) ?? 0) + (profile.timeDeltas[index] ?? 0));
  }
  times.delete("(idle)");
  return times;
}

function sumOf(times: ReadonlyMap<string, number>): number {
  return [...times.values()].reduce((sum, time) => sum + time, 0);
}

/**
 * Own time by function in the busiest of all threads, most first; shares of all its time but what was idle.
 * @param profiles at least one
 */
export function topFunctions(profiles: readonly CpuProfile[]): ProfiledFunction[] {
  const threads = profiles.map(busyTimes).toSorted((a, b) => sumOf(b) - sumOf(a));
  const busiest = threads[0];
  if (busiest === undefined) throw new Error("Node left no profile behind");
  const all = sumOf(busiest);
  return [...busiest]
    .map(([name, time]) => ({ name, share: rounded(time / all) }))
    .toSorted((a, b) => b.share - a.share);
}

const PROFILED: Partial<Readonly<Record<ServerName, ServerName>>> = {
  "holdfast-node": "holdfast-node-profiled",
  direct: "direct-profiled",
};

async function runServer(cell: LoadCell, variant: string, array: MadeStack, folder: string) {
  const { workload, variants } = cell;
  const { server: name, files } = variants[variant] ?? variants["holdfast"]!;
  const place = { files: filesOf(array, { files }), writes: writesOf(array, workload), folder };
  const server = await startServer(PROFILED[name] ?? "holdfast-profiled", place);
  try {
    const load = { uri: server.uri, seconds: SECONDS, seed: 1, folder };
    await runLoad({ ...workload, isCold: false }, load);
  } finally {
    await server.stop();
  }
}

async function runPass(cell: PassCell, array: MadeStack, folder: string): Promise<void> {
  if (cell.work === "hydrate") {
    await hydrateSeconds(array, ["--cpu-prof", `--cpu-prof-dir=${folder}`]);
    return;
  }
  const program = join(ROOT, "dist", "holdfast.cjs");
  const dump = ["dump", "-o", "-", ...withLost(array, cell.lost)];
  await timed(process.execPath, ["--cpu-prof", `--cpu-prof-dir=${folder}`, program, ...dump]);
}

function readProfiles(folder: string): CpuProfile[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith(".cpuprofile"))
    .map((name) => JSON.parse(readFileSync(join(folder, name), "utf8")) as CpuProfile);
}

/**
 * The first functions by their own time. From memory, whatever the cell's place.
 * @param variant of Holdfast: "holdfast", "holdfast-node" or "holdfast-degraded"
 */
export async function profileCell(cell: Cell, variant: string): Promise<ProfiledFunction[]> {
  const folder = mkdtempSync("/dev/shm/holdfast-profile-");
  try {
    const sizeMiB = cell.kind === "load" ? LOAD_MIB : PASS_MIB;
    const array = await makeStack(folder, cell.array, sizeMiB);
    if (cell.kind === "load") await runServer(cell, variant, array, folder);
    else await runPass(cell, array, folder);
    return topFunctions(readProfiles(folder)).slice(0, SHOWN);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** @param args array and workload, both may be left out; --variant */
export async function main(args: readonly string[]): Promise<void> {
  const { positionals, values } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { variant: { type: "string", default: "holdfast" } },
  });
  const [array = "linear", workload = "randread-4k-q32"] = positionals;
  const ofArray = CELLS.filter((cell) => cell.array === array);
  const cell = ofArray.find(({ id }) => id.endsWith(`/${workload}`));
  if (cell === undefined) {
    const known = new Set((ofArray.length > 0 ? ofArray : CELLS).map(({ id }) => id));
    throw new Error(`There is no cell ${array}/*/${workload}, but: ${[...known].join(", ")}`);
  }
  await build();
  for (const { name, share } of await profileCell(cell, values.variant)) {
    console.log(`${(share * 100).toFixed(1).padStart(5)} %  ${name}`);
  }
}
