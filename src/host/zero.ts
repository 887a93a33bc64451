/** --zero-superblock: a device stops being a member. */
import { HoldfastError } from "../base/errors.ts";
import { flush, writeSectors } from "../block/promises.ts";
import type { HostContext } from "./context.ts";
import { oldSuperblockSectors } from "./create.ts";

const SUPERBLOCK_BYTES = 4096;

/**
 * All superblocks of all versions, sound or not: one that stays would bring an older array back. What they point at (bitmaps, logs) means
 * nothing without them. False: there was none, and nothing is written.
 * @throws HoldfastError `busy` for a member of an array that is held here
 */
export async function zeroSuperblocks({ registry }: HostContext, path: string): Promise<boolean> {
  const holder = await registry.holderOf(path);
  if (holder !== null)
    throw new HoldfastError(
      "busy",
      `${path} is in use by ${holder}: stop that, or take it out, first`,
    );
  const held = await registry.take(path, { holder: "--zero-superblock", readOnly: "no" });
  try {
    const sectors = await oldSuperblockSectors(held.device);
    // The one that counts first: after a crash in between the rest is found by the next look.
    for (const sector of sectors)
      await writeSectors(held.device, sector, new Uint8Array(SUPERBLOCK_BYTES));
    if (sectors.length > 0) await flush(held.device);
    return sectors.length > 0;
  } finally {
    await held.release();
  }
}
