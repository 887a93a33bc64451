/** A device for the contract suite, and what it holds. */
import { Prng } from "../../src/base/prng.ts";
import type { BlockDevice } from "../../src/block/device.ts";

export interface MadeDevice {
  readonly device: BlockDevice;
  /** What it holds at first. */
  readonly contents: Uint8Array;
}

/** Prime, so that no block, page or file size divides it. */
export const SECTORS = 1009;

/** Data with long runs of zeros in it. */
export function someContents(sectors = SECTORS): Uint8Array {
  const prng = new Prng(20);
  const bytes = new Uint8Array(sectors * 512);
  for (let sector = 0; sector < sectors;) {
    const run = Math.min(sectors - sector, prng.between(1, 200));
    if (prng.chance(0.5)) prng.fill(bytes.subarray(sector * 512, (sector + run) * 512));
    sector += run;
  }
  return bytes;
}
