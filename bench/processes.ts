/** Programs with a time limit, ended by their own process id. */
import type { ChildProcess, SpawnOptions } from "node:child_process";
import { once } from "node:events";
import { setTimeout as wait } from "node:timers/promises";
import { isToStop, start } from "../scripts/children.mjs";

const GRACE_MS = 5000;

/** SIGTERM, and SIGKILL when that is not enough. */
export async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const closed = once(child, "close");
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), GRACE_MS);
  await closed;
  clearTimeout(timer);
}

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly seconds: number;
}

/**
 * Runs a program to its end; after `limitSeconds` it is killed, and its code is null. Never settles once the benchmark was told to
 * stop: a load that was cut off must not be taken for a result.
 */
export async function runProgram(
  program: string,
  args: readonly string[],
  limitSeconds: number,
  options: SpawnOptions = {},
): Promise<Finished> {
  const started = performance.now();
  const child = start(program, args, { stdio: ["ignore", "pipe", "pipe"], ...options });
  const output = { stdout: "", stderr: "" };
  child.stdout?.on("data", (data: Buffer) => (output.stdout += data.toString()));
  child.stderr?.on("data", (data: Buffer) => (output.stderr += data.toString()));
  const timer = setTimeout(() => child.kill("SIGKILL"), limitSeconds * 1000);
  try {
    const [code] = (await once(child, "close")) as [number | null];
    if (isToStop()) await new Promise<never>(() => {});
    return { ...output, code, seconds: (performance.now() - started) / 1000 };
  } finally {
    clearTimeout(timer);
  }
}

/** As runProgram, but a program that fails throws what it had to say. */
export async function runChecked(
  program: string,
  args: readonly string[],
  limitSeconds: number,
  options: SpawnOptions = {},
): Promise<Finished> {
  const finished = await runProgram(program, args, limitSeconds, options);
  if (finished.code === 0) return finished;
  const why = finished.code === null ? `was ended after ${limitSeconds} s` : finished.stderr.trim();
  throw new Error(
    `${program} ${args[0] ?? ""}: ${why === "" ? `exit code ${finished.code}` : why}`,
  );
}

/** Asks every 20 ms until it is so; false when it never was. */
export async function becomesTrue(
  isTrue: () => Promise<boolean>,
  limitSeconds: number,
): Promise<boolean> {
  const end = performance.now() + limitSeconds * 1000;
  while (performance.now() < end) {
    if (await isTrue()) return true;
    await wait(20);
  }
  return false;
}
