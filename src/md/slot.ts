/**
 * A slot is one place in the array's geometry. Zero, one or two devices stand in it (two while a member is being
 * replaced), and each can be believed only in part: below its recovery offset, inside the device, and outside its
 * bad-block log. Sectors here are member sectors, counted from where the member's data starts.
 *
 * Trust is answered as runs: `trust(sector, max)` is +n when the next n sectors may be read, -n when they may not.
 */
import { HoldfastError } from "../base/errors.ts";
import { SECTOR_BYTES } from "../base/units.ts";
import type { SectorRange } from "../base/units.ts";
import { BioFlags, aim, dropData, ownBio } from "../block/bio.ts";
import type { BioEnd, OwnBio } from "../block/bio.ts";
import type { BlockDevice, ExtentKind } from "../block/device.ts";
import { Pool } from "../block/pool.ts";
import type { Pooled } from "../block/pool.ts";

interface BadRun {
  readonly start: number;
  readonly end: number;
}

export class MemberView {
  readonly label: string;
  readonly #device: BlockDevice;
  readonly #dataOffset: number;
  /** Member sectors below this hold good data. */
  readonly #goodEnd: number;
  /** Sorted, disjoint, in member sectors. */
  readonly #bad: readonly BadRun[];
  #readErrors = 0;

  /**
   * @param dataOffset device sector of member sector 0
   * @param recoveredSectors member sectors below this are good; Infinity for all
   * @param badBlocks the bad-block log, in device sectors, sorted and disjoint
   */
  constructor(
    label: string,
    device: BlockDevice,
    dataOffset: number,
    recoveredSectors: number,
    badBlocks: readonly SectorRange[],
  ) {
    this.label = label;
    this.#device = device;
    this.#dataOffset = dataOffset;
    // An image that was cut off is believed as far as it goes.
    this.#goodEnd = Math.max(0, Math.min(recoveredSectors, device.sectors - dataOffset));
    this.#bad = badBlocks.map((range) => ({
      start: range.sector - dataOffset,
      end: range.sector + range.sectors - dataOffset,
    }));
  }

  get readErrors(): number {
    return this.#readErrors;
  }

  trust(sector: number, max: number): number {
    if (sector >= this.#goodEnd) return -max;
    const limit = Math.min(max, this.#goodEnd - sector);
    const next = this.#nextBad(sector);
    if (next === undefined || next.start >= sector + limit) return limit;
    if (next.start > sector) return next.start - sector;
    return -Math.min(max, next.end - sector);
  }

  /** The first bad range that ends behind `sector`. */
  #nextBad(sector: number): BadRun | undefined {
    let low = 0;
    let high = this.#bad.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#bad[middle]!.end <= sector) low = middle + 1;
      else high = middle;
    }
    return this.#bad[low];
  }

  /** Submits `bio`, which is the caller's, as a read of these sectors. */
  read(bio: OwnBio, sector: number, data: Uint8Array): void {
    const sectors = data.length / SECTOR_BYTES;
    this.#device.submit(aim(bio, "read", this.#dataOffset + sector, sectors, data, BioFlags.none));
  }

  countReadError(): void {
    this.#readErrors += 1;
  }

  /** What is known without reading of the run at `sector`; the run is at most `max` long. */
  extent(sector: number, max: number): { readonly kind: ExtentKind; readonly sectors: number } {
    const [first] = this.#device.extents(this.#dataOffset + sector, max, 1);
    return first === undefined ? { kind: "data", sectors: max } : first;
  }
}

/** A read under way from one of a slot's devices. */
class SlotRead implements Pooled {
  isSpare = false;
  /** Which of the slot's devices. */
  index = 0;
  sector = 0;
  end: BioEnd = ignore;
  readonly bio: OwnBio;

  constructor(ended: (read: SlotRead, error: HoldfastError | null) => void) {
    this.bio = ownBio((error) => ended(this, error));
  }
}

export class Slot {
  readonly number: number;
  /** In order of preference. */
  readonly views: readonly MemberView[];
  readonly writeMostly: boolean;
  readonly #reads = new Pool(() => new SlotRead((read, error) => this.#ended(read, error)));

  constructor(number: number, views: readonly MemberView[], writeMostly: boolean) {
    this.number = number;
    this.views = views;
    this.writeMostly = writeMostly;
  }

  trust(sector: number, max: number): number {
    let untrusted = max;
    for (const view of this.views) {
      const run = view.trust(sector, max);
      if (run > 0) return run;
      untrusted = Math.min(untrusted, -run);
    }
    return -untrusted;
  }

  /**
   * Reads from the first device that may be believed over the whole range and answers; the range must be one
   * run of positive trust.
   */
  read(sector: number, data: Uint8Array, end: BioEnd): void {
    const read = this.#reads.take();
    read.sector = sector;
    read.end = end;
    this.#readFrom(0, read, data, null);
  }

  #readFrom(
    first: number,
    read: SlotRead,
    data: Uint8Array,
    lastError: HoldfastError | null,
  ): void {
    const sectors = data.length / SECTOR_BYTES;
    for (let i = first; i < this.views.length; i += 1) {
      const view = this.views[i]!;
      if (view.trust(read.sector, sectors) < sectors) continue;
      read.index = i;
      view.read(read.bio, read.sector, data);
      return;
    }
    const text = `slot ${this.number} holds no good data there`;
    this.#finish(read, lastError ?? new HoldfastError("data-lost", text));
  }

  #ended(read: SlotRead, error: HoldfastError | null): void {
    if (error === null) {
      this.#finish(read, null);
      return;
    }
    this.views[read.index]!.countReadError();
    this.#readFrom(read.index + 1, read, read.bio.data, error);
  }

  #finish(read: SlotRead, error: HoldfastError | null): void {
    const { end } = read;
    read.end = ignore;
    dropData(read.bio);
    this.#reads.give(read);
    end(error);
  }

  extent(
    sector: number,
    max: number,
  ): { readonly kind: ExtentKind; readonly sectors: number } | null {
    for (const view of this.views) {
      const run = view.trust(sector, max);
      if (run > 0) return view.extent(sector, run);
    }
    return null;
  }
}

function ignore(): void {}
