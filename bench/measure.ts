/** What a server costs, from /proc: processor time and memory of a process with all its threads. */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { start } from "../scripts/children.mjs";
import { stopChild } from "./processes.ts";

/** USER_HZ, 100 on every architecture Node runs on: a tick is 10 ms. */
const TICK_US = 10_000;

/** Microseconds of processor time, user and system, since the process started; threads that ended are in it (proc(5)). */
export function cpuUs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The name in parentheses may hold anything, so counting starts behind it: state is field 3, utime 14, stime 15.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_US;
}

/** Memory that is resident now. */
export function rssMiB(pid: number): number {
  const match = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  if (match === null) throw new Error(`process ${pid} has no resident memory: has it ended?`);
  return Number(match[1]) / 1024;
}

/** Of a Node that does nothing: what a server's memory is compared with. */
export async function idleNodeRssMiB(): Promise<number> {
  const program = "console.log('ready'); setInterval(() => {}, 1 << 30)";
  const child = start(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    if (child.stdout === null || child.pid === undefined) throw new Error("node did not start");
    await once(child.stdout, "data");
    return rssMiB(child.pid);
  } finally {
    await stopChild(child);
  }
}
