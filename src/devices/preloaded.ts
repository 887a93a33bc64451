/**
 * A device some of whose ranges were read in advance, in few large reads: looking for three dozen signatures then costs
 * two or three reads instead of a hundred. Reads that lie within a preloaded range are answered from memory, all others
 * go through. A range that could not be preloaded is read piece by piece when somebody asks for it, so a bad sector
 * harms only those who need it. Read-only; borrows the device and does not close it.
 */
import { SECTOR_BYTES } from "../base/units.ts";
import type { SectorRange } from "../base/units.ts";
import type { Bio } from "../block/bio.ts";
import type { BlockDevice, BlockLimits, Extent } from "../block/device.ts";
import { readSectors } from "../block/promises.ts";
import { refusal } from "../block/refuse.ts";

interface Window extends SectorRange {
  readonly data: Uint8Array;
}

/** Joins ranges that overlap or lie at most `gapSectors` apart; the result is in order. */
export function mergeRanges(ranges: readonly SectorRange[], gapSectors: number): SectorRange[] {
  const merged: { sector: number; sectors: number }[] = [];
  for (const { sector, sectors } of ranges.toSorted((a, b) => a.sector - b.sector)) {
    const last = merged.at(-1);
    if (last !== undefined && sector <= last.sector + last.sectors + gapSectors)
      last.sectors = Math.max(last.sectors, sector + sectors - last.sector);
    else merged.push({ sector, sectors });
  }
  return merged;
}

export class PreloadedDevice implements BlockDevice {
  readonly name: string;
  readonly sectors: number;
  readonly limits: BlockLimits;
  readonly #inner: BlockDevice;
  readonly #windows: readonly Window[];

  private constructor(inner: BlockDevice, windows: readonly Window[]) {
    this.name = inner.name;
    this.sectors = inner.sectors;
    this.limits = { ...inner.limits, readOnly: true, discard: false, writeZeroes: false };
    this.#inner = inner;
    this.#windows = windows;
  }

  /** @param ranges inside the device; what they hold is kept until the object goes */
  static async load(
    inner: BlockDevice,
    ranges: readonly SectorRange[],
    gapSectors: number,
  ): Promise<PreloadedDevice> {
    const windows: Window[] = [];
    for (const range of mergeRanges(ranges, gapSectors)) {
      try {
        windows.push({ ...range, data: await readSectors(inner, range.sector, range.sectors) });
      } catch {
        // Whoever needs a part of it reads that part, and hears of the error if it is there.
      }
    }
    return new PreloadedDevice(inner, windows);
  }

  submit(bio: Bio): void {
    const refused = refusal(this, bio);
    if (refused !== null) {
      bio.end(refused);
      return;
    }
    const end = bio.sector + bio.sectors;
    const window = this.#windows.find(
      (each) => each.sector <= bio.sector && end <= each.sector + each.sectors,
    );
    if (bio.op !== "read" || window === undefined) {
      this.#inner.submit(bio);
      return;
    }
    const from = (bio.sector - window.sector) * SECTOR_BYTES;
    bio.data.set(window.data.subarray(from, from + bio.data.length));
    bio.end(null);
  }

  extents(sector: number, sectors: number, maxExtents: number): Extent[] {
    return this.#inner.extents(sector, sectors, maxExtents);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
