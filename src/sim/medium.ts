/** Medium: what is stored on a disk. Pages exist once something was written there: most of a disk never is, and runs are many. */
import { SECTOR_BYTES } from "../base/units.ts";

const PAGE_BYTES = 8 * SECTOR_BYTES;

const SLAB_PAGES = 256;
/** Pages are cut from one piece of memory after the other: a run needs a hundred, and the garbage collector is slow with many small ones. */
let slab = new Uint8Array(0);
let slabUsed = 0;

function newPage(): Uint8Array {
  if (slabUsed === slab.length) {
    slab = new Uint8Array(SLAB_PAGES * PAGE_BYTES);
    slabUsed = 0;
  }
  slabUsed += PAGE_BYTES;
  return slab.subarray(slabUsed - PAGE_BYTES, slabUsed);
}

export class Medium {
  readonly sectors: number;
  readonly #pages: (Uint8Array | undefined)[] = [];
  /** Written since it was last like another. */
  readonly #changed = new Set<number>();

  constructor(sectors: number) {
    this.sectors = sectors;
  }

  read(sector: number, into: Uint8Array): void {
    this.#each(sector, into.length, (page, offset, at, length) => {
      const content = this.#pages[page];
      if (content === undefined) into.fill(0, at, at + length);
      else into.set(content.subarray(offset, offset + length), at);
    });
  }

  write(sector: number, data: Uint8Array): void {
    this.#each(sector, data.length, (page, offset, at, length) => {
      this.#page(page).set(data.subarray(at, at + length), offset);
    });
  }

  flipBit(byte: number, bit: number): void {
    this.#page(Math.floor(byte / PAGE_BYTES))[byte % PAGE_BYTES]! ^= 1 << bit;
  }

  /** Holds what `other` holds, to which all was written that was not written here. */
  become(other: Medium): void {
    for (const page of this.#changed) {
      const content = other.#pages[page];
      if (content === undefined) this.#pages[page]?.fill(0);
      else this.#page(page).set(content);
    }
    this.#changed.clear();
  }

  #page(page: number): Uint8Array {
    this.#changed.add(page);
    return (this.#pages[page] ??= newPage());
  }

  #each(
    sector: number,
    bytes: number,
    visit: (page: number, offset: number, at: number, length: number) => void,
  ): void {
    const from = sector * SECTOR_BYTES;
    for (let at = 0; at < bytes;) {
      const offset = (from + at) % PAGE_BYTES;
      const length = Math.min(PAGE_BYTES - offset, bytes - at);
      visit(Math.floor((from + at) / PAGE_BYTES), offset, at, length);
      at += length;
    }
  }
}
