/**
 * The sectors of a member that are known bad, in sectors from the start of the device, as its bad-block log lists them.
 * A range is listed at once and acknowledged when the log that names it is on stable storage: until then nobody may be told that a
 * write to it succeeded (docs/kernel/md-metadata.md, section 3).
 */
import { assert } from "../../base/assert.ts";
import { SECTOR_BYTES } from "../../base/units.ts";
import type { SectorRange } from "../../base/units.ts";
import { encodeBadBlocks, joinRanges } from "../../formats/md/bad-blocks.ts";
import type { MdBadBlockLog } from "../../formats/md/superblock.ts";

export class BadBlockTable {
  /** Null: the member has no place for a log, and an error is the end of it. */
  readonly #log: MdBadBlockLog | null;
  #ranges: SectorRange[];
  #version = 0;
  #written = 0;

  /** @param ranges as the log lists them */
  constructor(log: MdBadBlockLog | null, ranges: readonly SectorRange[]) {
    this.#log = log;
    this.#ranges = joinRanges(ranges);
  }

  /** Sorted, disjoint. */
  get ranges(): readonly SectorRange[] {
    return this.#ranges;
  }

  get isEmpty(): boolean {
    return this.#ranges.length === 0;
  }

  /** Something changed that is not on the device yet. */
  get isChanged(): boolean {
    return this.#version !== this.#written;
  }

  /** Changes with every change of the ranges. */
  get version(): number {
    return this.#version;
  }

  /** The log with the ranges of this version is on stable storage. */
  acknowledge(version: number): void {
    assert(version <= this.#version && version >= this.#written, "a version that was written");
    this.#written = version;
  }

  /** False: there is no log, or it is full, and nothing was listed. */
  add(sector: number, sectors: number): boolean {
    const ranges = joinRanges([...this.#ranges, { sector, sectors }]);
    if (this.#encoded(ranges) === null) return false;
    this.#ranges = ranges;
    this.#version += 1;
    return true;
  }

  /** The whole log, as it is to be written. */
  encode(): Uint8Array {
    const encoded = this.#encoded(this.#ranges);
    assert(encoded !== null, "what is listed fits into the log");
    return encoded;
  }

  #encoded(ranges: readonly SectorRange[]): Uint8Array | null {
    if (this.#log === null) return null;
    return encodeBadBlocks(ranges, this.#log.shift, this.#log.sectors * SECTOR_BYTES);
  }

  /** Takes the range off the list, as far as it is on it. True if something changed. */
  remove(sector: number, sectors: number): boolean {
    const end = sector + sectors;
    if (this.run(sector, sectors) === sectors) return false;
    this.#ranges = this.#ranges.flatMap((range) => {
      const stop = range.sector + range.sectors;
      const before = { sector: range.sector, sectors: Math.min(stop, sector) - range.sector };
      const start = Math.max(range.sector, end);
      return [before, { sector: start, sectors: stop - start }].filter((one) => one.sectors > 0);
    });
    this.#version += 1;
    return true;
  }

  /** +n: the next n sectors are good; -n: they are bad. At most `max`. */
  run(sector: number, max: number): number {
    const next = this.#endingBehind(sector);
    if (next === undefined || next.sector >= sector + max) return max;
    if (next.sector > sector) return next.sector - sector;
    return -Math.min(max, next.sector + next.sectors - sector);
  }

  /** The first range that ends behind `sector`. */
  #endingBehind(sector: number): SectorRange | undefined {
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const range = this.#ranges[middle]!;
      if (range.sector + range.sectors <= sector) low = middle + 1;
      else high = middle;
    }
    return this.#ranges[low];
  }
}
