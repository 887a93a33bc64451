/**
 * linear: the members one behind the other, each rounded down to whole chunks when the array has a chunk size
 * ("rounding" in /proc/mdstat). Fact from the kernel's drivers/md/md-linear.c.
 */
import { assert } from "../../base/assert.ts";
import { alignDown } from "../../base/units.ts";
import { Place } from "./place.ts";

export class LinearGeometry {
  readonly level = "linear";
  readonly raidDisks: number;
  readonly chunkSectors: number;
  readonly arraySectors: number;
  /** First volume sector behind each member. */
  readonly #ends: readonly number[];
  readonly #sizes: readonly number[];

  /**
   * @param chunkSectors 0: no rounding
   * @param memberSectors usable sectors of each member, by slot
   */
  constructor(chunkSectors: number, memberSectors: readonly number[]) {
    this.raidDisks = memberSectors.length;
    this.chunkSectors = chunkSectors;
    this.#sizes = memberSectors.map((size) =>
      chunkSectors === 0 ? size : alignDown(size, chunkSectors),
    );
    let end = 0;
    this.#ends = this.#sizes.map((size) => (end += size));
    this.arraySectors = end;
  }

  /** Sectors of the member that the array uses. */
  memberSectorsUsed(slot: number): number {
    return this.#sizes[slot] ?? 0;
  }

  /** Sectors from here to the end of the member it lies on. */
  pieceSectors(sector: number): number {
    return this.#ends[this.#slotAt(sector)]! - sector;
  }

  locate(sector: number, into = new Place()): Readonly<Place> {
    const slot = this.#slotAt(sector);
    const end = this.#ends[slot]!;
    into.slot = slot;
    into.memberSector = sector - (end - this.#sizes[slot]!);
    into.sectors = end - sector;
    return into;
  }

  #slotAt(sector: number): number {
    assert(sector >= 0 && sector < this.arraySectors, "sector inside the linear array");
    let low = 0;
    let high = this.#ends.length - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (sector < this.#ends[middle]!) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** The volume sector there; null for what rounding left over. */
  toVolume(slot: number, memberSector: number): number | null {
    const size = this.memberSectorsUsed(slot);
    return memberSector < size ? this.#ends[slot]! - size + memberSector : null;
  }
}
