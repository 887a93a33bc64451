/**
 * Discards whole blocks of a thin device. With passdown, data blocks that nobody else uses are discarded too:
 *
 *   1 the data blocks get one more user, so that nobody is given them, 2 the mappings go, 3 the data device discards, 4 the user goes
 * A cut before the next commit brings the mappings back, to blocks whose content is gone: that is what a discard may do.
 */
import { ignore } from "../../base/nothing.ts";
import { discard } from "../../block/promises.ts";
import type { ThinDevice } from "./device-table.ts";
import type { Pool } from "./pool.ts";

/** @param from block of the device. @param to the first that stays */
export async function discardRange(
  pool: Pool,
  device: ThinDevice,
  from: number,
  to: number,
): Promise<void> {
  const { metadata } = pool;
  if (!pool.passesDiscardsDown) {
    await pool.change(() => metadata.unmap(device, from, to));
    return;
  }
  for (let at = from; at < to;) {
    const run = await metadata.run(device, at, to);
    if (run === null) return;
    at = run.from + run.count;
    const { dataBlock, count } = run;
    await pool.change(() => metadata.addUsers(dataBlock, count, 1));
    await pool.change(() => metadata.unmap(device, run.from, at));
    try {
      await discardUnused(pool, dataBlock, count);
    } finally {
      await pool.change(() => metadata.addUsers(dataBlock, count, -1));
    }
  }
}

/** Those of which nobody is a user but the discard, in runs. */
async function discardUnused(pool: Pool, first: number, count: number): Promise<void> {
  const { blockSectors: size, data, metadata } = pool;
  // Whoever still reads what was there is let go first.
  await pool.io.drainOlder();
  for (let block = first; block < first + count;) {
    let end = block;
    while (end < first + count && (await metadata.users(end)) === 1) end += 1;
    // It is a hint, and the blocks are free in any case.
    if (end > block) await discard(data, block * size, (end - block) * size).catch(ignore);
    block = end + 1;
  }
}
