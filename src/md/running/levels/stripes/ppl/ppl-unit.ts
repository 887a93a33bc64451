/** One log as it is written to a member: a header, an entry for each stripe write, and their partial parity. */
import { SECTOR_BYTES } from "../../../../../base/units.ts";
import { crc32c } from "../../../../../codec/crc32c.ts";
import {
  encodePplHeader,
  PPL_HEADER_BYTES,
  PPL_MAX_ENTRIES,
} from "../../../../../formats/md/ppl.ts";
import type { PplEntryImage } from "../../../../../formats/md/ppl.ts";
import type { WorkBuffers } from "../../../../../parity/engine.ts";
import type { StripeWrite } from "../stripe-log.ts";
import type { PplArray } from "./ppl-array.ts";

/** No bytes have this checksum. */
const NOT_TO_BELIEVE: PplEntryImage = {
  dataSector: 0,
  ppBytes: 0,
  dataBytes: 0,
  parityDisk: 0,
  checksum: 1,
};

/** Of a whole stripe nothing is left alone: its entry only tells where parity has to be made anew. */
function partialParityBytes({ range, written }: StripeWrite): number {
  return written.length === range.layout.data.length ? 0 : range.sectors * SECTOR_BYTES;
}

/** How many of the writes that wait, from the first on, fit into one log. @param ppBytes of partial parity that it holds */
export function writesThatFit(waiting: readonly StripeWrite[], ppBytes: number): number {
  // One entry is kept for the one that is not to be believed.
  const most = Math.min(waiting.length, PPL_MAX_ENTRIES - 1);
  let bytes = 0;
  for (let count = 0; count < most; count += 1) {
    bytes += partialParityBytes(waiting[count]!);
    if (bytes > ppBytes) return count;
  }
  return most;
}

/** How long the log is. */
export function unitBytes(writes: readonly StripeWrite[]): number {
  return writes.reduce((sum, write) => sum + partialParityBytes(write), PPL_HEADER_BYTES);
}

/** The bytes of the log. */
export function makeUnit(
  array: PplArray,
  writes: readonly StripeWrite[],
  buffers: WorkBuffers,
): Uint8Array {
  const unit = buffers.take(unitBytes(writes));
  const entries: PplEntryImage[] = [];
  let at = PPL_HEADER_BYTES;
  for (const write of writes) {
    const partial = unit.subarray(at, at + partialParityBytes(write));
    if (partial.length > 0) makePartialParity(array, write, partial);
    entries.push(entryOf(array, write, partial));
    at += partial.length;
  }
  // After an unclean stop the kernel takes an array with believable logs for clean everywhere. What a resync has not reached yet is
  // not: one entry that cannot be believed keeps the resync due, and the others are replayed all the same.
  if (array.core.record.resyncOffsetSectors !== Infinity) entries.push(NOT_TO_BELIEVE);
  encodePplHeader(unit, array.emptyHeader, array.nextGeneration(), entries);
  return unit;
}

/** The xor of what is left alone: of the parity and all that is written. */
function makePartialParity(
  { core }: PplArray,
  { range, written, blocks }: StripeWrite,
  partial: Uint8Array,
): void {
  const sources = [range.layout.p, ...written].map((slot) => blocks.get(slot)!);
  core.parity().kernels.xor(partial, sources);
}

function entryOf(
  array: PplArray,
  { range, written }: StripeWrite,
  partial: Uint8Array,
): PplEntryImage {
  const { layout, sector, sectors } = range;
  const first = layout.data.findIndex((slot) => written.includes(slot));
  return {
    dataSector: array.dataSector(sector, first),
    ppBytes: partial.length,
    dataBytes: written.length * sectors * SECTOR_BYTES,
    parityDisk: layout.p,
    checksum: crc32c(partial),
  };
}
