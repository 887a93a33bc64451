/**
 * The bad block log: places of a member that could not be read or written and whose data are therefore not good there.
 * 64-bit little-endian entries up to one of all ones or the end of the log:
 *
 *   63                                            10 9            0
 *   |  first sector, in units of 1 << shift          | length      |
 *
 * Sectors count from the start of the member DEVICE, data offset included (the kernel's is_badblock adds it).
 * The kernel writes entries in ascending order, at most 512 units each, and reads them in any.
 * Facts: super_1_load and super_1_sync in drivers/md/md.c, block/badblocks.c. docs/formats/md-bad-blocks.md.
 */
import type { SectorRange } from "../../base/units.ts";

const END = 0xffff_ffff_ffff_ffffn;
const MAX_ENTRY_UNITS = 512;
const MAX_FIRST = BigInt(Number.MAX_SAFE_INTEGER);

export type BadBlockDecode =
  | { readonly kind: "ok"; readonly ranges: readonly SectorRange[] }
  | { readonly kind: "bad"; readonly reason: string };

/** Sorted, touching and overlapping ones joined. */
export function joinRanges(ranges: readonly SectorRange[]): SectorRange[] {
  const joined: SectorRange[] = [];
  for (const range of ranges.toSorted((a, b) => a.sector - b.sector)) {
    const last = joined.at(-1);
    if (last !== undefined && range.sector <= last.sector + last.sectors) {
      const end = Math.max(last.sector + last.sectors, range.sector + range.sectors);
      joined[joined.length - 1] = { sector: last.sector, sectors: end - last.sector };
    } else if (range.sectors > 0) {
      joined.push(range);
    }
  }
  return joined;
}

/** @param shift entries count in units of 1 << shift sectors (MdBadBlockLog.shift, at most 53) */
export function decodeBadBlocks(data: Uint8Array, shift: number): BadBlockDecode {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const ranges: SectorRange[] = [];
  for (let at = 0; at + 8 <= data.length; at += 8) {
    const entry = view.getBigUint64(at, true);
    if (entry === END) break;
    const first = (entry >> 10n) << BigInt(shift);
    const length = (entry & 0x3ffn) << BigInt(shift);
    if (first + length > MAX_FIRST)
      return { kind: "bad", reason: `entry ${at / 8} of its bad block log is at sector ${first}` };
    ranges.push({ sector: Number(first), sectors: Number(length) });
  }
  return { kind: "ok", ranges: joinRanges(ranges) };
}

/** @returns null when they do not fit into `bytes` */
export function encodeBadBlocks(
  ranges: readonly SectorRange[],
  shift: number,
  bytes: number,
): Uint8Array | null {
  const data = new Uint8Array(bytes).fill(0xff);
  const view = new DataView(data.buffer);
  const unit = 2 ** shift;
  let at = 0;
  for (const range of joinRanges(ranges)) {
    const end = Math.ceil((range.sector + range.sectors) / unit);
    for (let first = Math.floor(range.sector / unit); first < end; first += MAX_ENTRY_UNITS) {
      if (at + 8 > bytes) return null;
      const length = Math.min(MAX_ENTRY_UNITS, end - first);
      view.setBigUint64(at, (BigInt(first) << 10n) | BigInt(length), true);
      at += 8;
    }
  }
  return data;
}
