/**
 * The size of a block device without ioctl, which Node lacks: Linux tells it in sysfs; elsewhere (macOS, a container
 * without /sys) it is found by reading one byte at doubling, then halving distances: a read at or behind the end gives none.
 */
import { readFile } from "node:fs/promises";
import { SECTOR_BYTES } from "../../base/units.ts";

/** makedev(3), glibc and musl: 12 + 20 bits of the device number are major, the rest minor. */
export function deviceNumber(rdev: bigint): { major: number; minor: number } {
  return {
    major: Number(((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & 0xfffff000n)),
    minor: Number((rdev & 0xffn) | ((rdev >> 12n) & 0xffffff00n)),
  };
}

/** Bytes; null where there is no such sysfs. Source: Documentation/ABI/stable/sysfs-block, `size` in 512-byte sectors. */
export async function sizeFromSysfs(rdev: bigint, root = "/sys"): Promise<number | null> {
  const { major, minor } = deviceNumber(rdev);
  try {
    const text = await readFile(`${root}/dev/block/${major}:${minor}/size`, "latin1");
    return /^\d+\s*$/.test(text) ? Number(text) * SECTOR_BYTES : null;
  } catch {
    return null;
  }
}

const LARGEST_BYTES = Number.MAX_SAFE_INTEGER;

/** @param hasByteAt whether a byte can be read at this offset */
export async function sizeByProbing(
  hasByteAt: (offsetBytes: number) => Promise<boolean>,
): Promise<number> {
  if (!(await hasByteAt(0))) return 0;
  // Invariant: a byte at `low`, none at `high`.
  let low = 0;
  let high = 1024 * 1024;
  while (high < LARGEST_BYTES && (await hasByteAt(high))) {
    low = high;
    high = Math.min(LARGEST_BYTES, high * 2);
  }
  while (high - low > 1) {
    const middle = low + Math.floor((high - low) / 2);
    if (await hasByteAt(middle)) low = middle;
    else high = middle;
  }
  return high;
}
