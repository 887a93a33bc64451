/** Parts: what the bios that wait for a stripe write into it. */
import { SECTOR_BYTES, alignDown, alignUp } from "../../../../base/units.ts";
import type { HoldfastError } from "../../../../base/errors.ts";
import { NO_DATA, ignore } from "../../../../base/nothing.ts";
import type { BioEnd } from "../../../../block/bio.ts";
import type { Pooled } from "../../../../block/pool.ts";
import type { WorkBuffers } from "../../../../parity/engine.ts";
import type { StripeRange } from "./stripe.ts";

/** A bio under way, cut into parts. */
export class WriteRequest implements Pooled {
  isSpare = false;
  #end: BioEnd = ignore;
  #left = 0;
  #error: HoldfastError | null = null;

  start(end: BioEnd): this {
    this.#end = end;
    this.#left = 1;
    this.#error = null;
    return this;
  }

  begin(): void {
    this.#left += 1;
  }

  /** Once for each `begin`, and once for the request itself. Not null: that was the last, and this is to be told of it. */
  ended(error: HoldfastError | null): BioEnd | null {
    this.#error ??= error;
    this.#left -= 1;
    return this.#left === 0 ? this.#end : null;
  }

  /** Of its parts. */
  get error(): HoldfastError | null {
    return this.#error;
  }
}

/** A run of sectors of one data block. */
export class WritePart implements Pooled {
  isSpare = false;
  #request: WriteRequest | null = null;
  slot = 0;
  /** Member sector. */
  start = 0;
  end = 0;
  data: Uint8Array = NO_DATA;
  /** BioFlags. */
  flags = 0;
  error: HoldfastError | null = null;

  fill(request: WriteRequest, slot: number, start: number, data: Uint8Array, flags: number): this {
    this.#request = request;
    this.slot = slot;
    this.start = start;
    this.end = start + data.length / SECTOR_BYTES;
    this.data = data;
    this.flags = flags;
    this.error = null;
    return this;
  }

  get request(): WriteRequest {
    return this.#request!;
  }

  /** Keeps nothing alive until it is used again. */
  clear(): void {
    this.#request = null;
    this.data = NO_DATA;
  }
}

/** A range of which each data block is written as a whole or not at all. */
export interface Segment {
  readonly start: number;
  readonly end: number;
  /** Data slots that are written. */
  readonly written: ReadonlySet<number>;
  /** Those of which a part only is new, where blocks are longer than what is written. */
  readonly partial: ReadonlySet<number>;
}

interface Run {
  readonly start: number;
  end: number;
}

/** Disjoint, sorted, made of whole blocks. Between them nothing is written. */
export function segmentsOf(parts: readonly WritePart[], blockSectors: number): Segment[] {
  const runsBySlot = new Map<number, Run[]>();
  for (const slot of new Set(parts.map((part) => part.slot)))
    runsBySlot.set(slot, runsOf(parts.filter((part) => part.slot === slot)));
  const cuts = new Set<number>();
  // Blocks that are written in part stand alone, so that no others are read with them.
  for (const { start, end } of [...runsBySlot.values()].flat()) {
    for (const edge of [start, end])
      cuts.add(alignDown(edge, blockSectors)).add(alignUp(edge, blockSectors));
  }
  const edges = [...cuts].toSorted((a, b) => a - b);
  const segments: Segment[] = [];
  for (let index = 0; index + 1 < edges.length; index += 1) {
    const start = edges[index]!;
    const end = edges[index + 1]!;
    const written = new Set<number>();
    const partial = new Set<number>();
    for (const [slot, runs] of runsBySlot) {
      const run = runs.find((one) => one.start < end && start < one.end);
      if (run === undefined) continue;
      written.add(slot);
      if (start < run.start || run.end < end) partial.add(slot);
    }
    if (written.size > 0) segments.push({ start, end, written, partial });
  }
  return segments;
}

/** The written data slots, those whose chunks follow each other in the array together. @param data slots, in the array's order */
export function runsIn(data: readonly number[], written: ReadonlySet<number>): Set<number>[] {
  const runs: Set<number>[] = [];
  let last: Set<number> | null = null;
  for (const slot of data) {
    if (!written.has(slot)) last = null;
    else if (last === null) runs.push((last = new Set([slot])));
    else last.add(slot);
  }
  return runs;
}

function runsOf(parts: readonly WritePart[]): Run[] {
  const runs: Run[] = [];
  for (const { start, end } of parts.toSorted((a, b) => a.start - b.start)) {
    const last = runs.at(-1);
    if (last !== undefined && start <= last.end) last.end = Math.max(last.end, end);
    else runs.push({ start, end });
  }
  return runs;
}

/**
 * What the parts, in their order, make of a range: the very bytes of one of them where that is possible.
 * @param old what was there; null where the parts cover the range
 */
export function contentsOf(
  parts: readonly WritePart[],
  slot: number,
  { sector, sectors }: StripeRange,
  old: Uint8Array | null,
  buffers: WorkBuffers,
): Uint8Array {
  const end = sector + sectors;
  const here = parts.filter((part) => part.slot === slot && part.start < end && sector < part.end);
  const [only] = here;
  if (here.length === 1 && only !== undefined && old === null) {
    const from = (sector - only.start) * SECTOR_BYTES;
    const bytes = only.data.subarray(from, from + sectors * SECTOR_BYTES);
    const block = buffers.standIn(bytes);
    if (block !== bytes) block.set(bytes);
    return block;
  }
  const block = buffers.take(sectors * SECTOR_BYTES);
  if (old !== null) block.set(old);
  for (const part of here) {
    const start = Math.max(sector, part.start);
    const stop = Math.min(end, part.end);
    const from = (start - part.start) * SECTOR_BYTES;
    const bytes = part.data.subarray(from, from + (stop - start) * SECTOR_BYTES);
    block.set(bytes, (start - sector) * SECTOR_BYTES);
  }
  return block;
}
