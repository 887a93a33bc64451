/**
 * Where a server's time goes: serves an array from memory, puts one workload on it, and prints the functions of V8's profile by their own time.
 * "(program)" is native code outside JavaScript, system calls among it; "(idle)" is waiting.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { build } from "../scripts/build.mjs";
import { makeArray } from "./arrays.ts";
import type { ArrayName } from "./arrays.ts";
import { startServer } from "./servers.ts";
import { isWriting, runLoad, WORKLOADS } from "./workload.ts";

const SIZE_MIB = 258;
const SECONDS = 5;
const SHOWN = 25;

/** The parts of V8's .cpuprofile that are used; deltas are microseconds. */
interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

/** Own time by function, most first; shares of all time but what was idle. */
export function topFunctions(profile: CpuProfile): { name: string; share: number }[] {
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
  const all = [...times.values()].reduce((sum, time) => sum + time, 0);
  return [...times]
    .map(([name, time]) => ({ name, share: time / all }))
    .toSorted((a, b) => b.share - a.share);
}

async function record(folder: string, array: ArrayName, workloadName: string): Promise<string> {
  const workload = WORKLOADS.find(({ name }) => name === workloadName);
  if (workload === undefined) {
    throw new Error(`no workload ${workloadName}: ${WORKLOADS.map(({ name }) => name).join(", ")}`);
  }
  const { members } = makeArray(folder, array, SIZE_MIB);
  const server = await startServer("holdfast-profiled", {
    files: members,
    isWriting: isWriting(workload),
    folder,
  });
  try {
    const load = { uri: server.uri, seconds: SECONDS, seed: 1, folder };
    const { run } = await runLoad({ ...workload, isCold: false }, load);
    console.log(`${array}, ${workloadName}: ${Math.round(run.iops ?? 0)} IOPS while profiled`);
  } finally {
    await server.stop();
  }
  const file = readdirSync(folder).find((name) => name.endsWith(".cpuprofile"));
  if (file === undefined) throw new Error("Node left no profile behind");
  return readFileSync(join(folder, file), "utf8");
}

/** @param args array and workload, both may be left out */
export async function profileServer(args: readonly string[]): Promise<void> {
  const [array = "linear", workload = "randread-4k-q32"] = args;
  await build();
  const folder = mkdtempSync("/dev/shm/holdfast-profile-");
  try {
    const text = await record(folder, array as ArrayName, workload);
    for (const { name, share } of topFunctions(JSON.parse(text) as CpuProfile).slice(0, SHOWN)) {
      console.log(`${(share * 100).toFixed(1).padStart(5)} %  ${name}`);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}
