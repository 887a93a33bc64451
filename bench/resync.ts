/** Resync after a crash: what it takes is to follow what was being written, not the size of the array. */
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { makeArray } from "./arrays.ts";
import type { ArrayName } from "./arrays.ts";
import type { ResyncResult } from "./results.ts";
import { median, rounded } from "./stats.ts";
import { syncPass } from "./sync-hook.ts";

/** So that a small array has many. */
const REGION_SECTORS = 2048;
const SHARES = [0.01, 0.1, 1];
const SIZES_MIB = { quick: [258], full: [516, 2052] } as const;
const ARRAYS: readonly ArrayName[] = ["raid1-2", "raid5-4"];

async function measureOne(
  members: readonly string[],
  dirtyShare: number,
  repetitions: number,
): Promise<Pick<ResyncResult, "seconds" | "readBytes">> {
  const seconds: number[] = [];
  let readBytes = 0;
  for (let left = repetitions; left > 0; left -= 1) {
    await syncPass("crash", members, [String(dirtyShare)]);
    const pass = await syncPass("resync", members);
    seconds.push(pass.seconds);
    ({ readBytes } = pass);
  }
  return { seconds: rounded(median(seconds)), readBytes };
}

/** @param base folder in which arrays are made, and removed */
export async function measureResyncs(
  base: string,
  run: keyof typeof SIZES_MIB,
  repetitions: number,
): Promise<ResyncResult[]> {
  const results: ResyncResult[] = [];
  for (const array of ARRAYS) {
    for (const sizeMiB of SIZES_MIB[run]) {
      const folder = mkdtempSync(join(base, "resync-"));
      try {
        const { members } = makeArray(folder, array, sizeMiB, REGION_SECTORS);
        for (const dirtyShare of SHARES)
          results.push({
            array,
            sizeMiB,
            dirtyShare,
            ...(await measureOne(members, dirtyShare, repetitions)),
          });
      } finally {
        rmSync(folder, { recursive: true });
      }
    }
  }
  return results;
}
