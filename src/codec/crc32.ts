/** CRC-32 (IEEE 802.3, reflected), as used by GPT, DDF and LVM2. */
import { crc32 as zlibCrc32 } from "node:zlib";

/** CRC-32 of a message, standard form: crc32("123456789") = 0xcbf43926. */
export function crc32(data: Uint8Array): number {
  return zlibCrc32(data);
}

/** The raw register update: no inversion before or after. LVM2 works with this and a seed of its own. */
export function crc32Update(seed: number, data: Uint8Array): number {
  return ~zlibCrc32(data, ~seed >>> 0) >>> 0;
}
