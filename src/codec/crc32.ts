/** CRC-32 (IEEE 802.3), reflected as used by GPT, DDF and LVM2, and not reflected as used by jbd2. */
import { crc32 as zlibCrc32 } from "node:zlib";

/** CRC-32 of a message, standard form: crc32("123456789") = 0xcbf43926. */
export function crc32(data: Uint8Array): number {
  return zlibCrc32(data);
}

/** The raw register update: no inversion before or after. LVM2 works with this and a seed of its own. */
export function crc32Update(seed: number, data: Uint8Array): number {
  return ~zlibCrc32(data, ~seed >>> 0) >>> 0;
}

const BIG_TABLE = Uint32Array.from({ length: 256 }, (_unused, byte) => {
  let crc = byte << 24;
  for (let bit = 0; bit < 8; bit += 1) crc = (crc << 1) ^ (crc < 0 ? 0x04c1_1db7 : 0);
  return crc;
});

/** The same polynomial, not reflected: the raw register update. Linux's `crc32_be(seed, ...)`, used by jbd2. */
export function crc32BigUpdate(seed: number, data: Uint8Array): number {
  let crc = seed | 0;
  for (const byte of data) crc = (crc << 8) ^ BIG_TABLE[(crc >>> 24) ^ byte]!;
  return crc >>> 0;
}
