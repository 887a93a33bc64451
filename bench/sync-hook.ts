/** Background sync, and writing without NBD, are measured by a program of its own, bench/sync-pass.mjs, in a process of its own: see there. */
import { join } from "node:path";
import { ROOT } from "../scripts/setup.mjs";
import { runChecked } from "./processes.ts";

const LIMIT_SECONDS = 300;

export interface SyncFigures {
  /** From when the array runs to when nothing is left to be done; of `fill` those of the writing alone. */
  readonly seconds: number;
  /** Of members. */
  readonly readBytes: number;
  /** Sectors. */
  readonly mismatches: number;
}

/**
 * `check`: all of the array is checked. `crash`: writes to every so many-th region, then dies. `resync`: what is due when it starts.
 * `fill`: all of it is written, with what is in a file.
 * @param more what the action takes
 */
export async function syncPass(
  action: "check" | "crash" | "fill" | "resync",
  files: readonly string[],
  more: readonly string[] = [],
): Promise<SyncFigures> {
  const args = [join(ROOT, "bench", "sync-pass.mjs"), action, ...more, ...files];
  const { stdout } = await runChecked(process.execPath, args, LIMIT_SECONDS);
  return JSON.parse(stdout) as SyncFigures;
}
