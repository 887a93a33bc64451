/**
 * A slot is one place in the array's geometry. Zero, one or two devices stand in it (two while a member is being
 * replaced), and each can be believed only in part: below its recovery offset, inside the device, and outside its
 * bad-block log. Sectors here are member sectors, counted from where the member's data starts.
 *
 * Trust is answered as runs: `trust(sector, max)` is +n when the next n sectors may be read, -n when they may not.
 */
import { HoldfastError } from "../base/errors.ts";
import { readBio } from "../block/bio.ts";
import type { BioEnd } from "../block/bio.ts";
import type { BlockDevice, ExtentKind } from "../block/device.ts";
import type { SectorRange } from "../base/units.ts";

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

  read(sector: number, data: Uint8Array, end: BioEnd): void {
    this.#device.submit(
      readBio(this.#dataOffset + sector, data, (error) => {
        if (error !== null) this.#readErrors += 1;
        end(error);
      }),
    );
  }

  /** What is known without reading of the run at `sector`; the run is at most `max` long. */
  extent(sector: number, max: number): { readonly kind: ExtentKind; readonly sectors: number } {
    const [first] = this.#device.extents(this.#dataOffset + sector, max, 1);
    return first === undefined ? { kind: "data", sectors: max } : first;
  }
}

export class Slot {
  readonly number: number;
  /** In order of preference. */
  readonly views: readonly MemberView[];
  readonly writeMostly: boolean;

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
    this.#readFrom(0, sector, data, end, null);
  }

  #readFrom(
    first: number,
    sector: number,
    data: Uint8Array,
    end: BioEnd,
    lastError: HoldfastError | null,
  ): void {
    const sectors = data.length / 512;
    for (let i = first; i < this.views.length; i += 1) {
      const view = this.views[i]!;
      if (view.trust(sector, sectors) < sectors) continue;
      view.read(sector, data, (error) => {
        if (error === null) end(null);
        else this.#readFrom(i + 1, sector, data, end, error);
      });
      return;
    }
    end(
      lastError ?? new HoldfastError("data-lost", `slot ${this.number} holds no good data there`),
    );
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
