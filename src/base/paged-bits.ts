/**
 * A bit set over a huge index space that costs memory only where it is mixed: pages of 32768 bits, each absent (all
 * zeros), full (one shared marker) or 4 KiB of bits. At one bit for 4 KiB of disk, a page speaks for 128 MiB, and the table of pages
 * for 64 TiB is 4 MiB.
 */
import { assert } from "./assert.ts";

const PAGE_BITS = 32768;
const FULL = new Uint32Array(0);

type Page = Uint32Array | undefined;

export interface BitRun {
  readonly value: boolean;
  /** First index behind the run. */
  readonly end: number;
}

export class PagedBits {
  readonly size: number;
  readonly #pages: Page[] = [];
  #allocatedPages = 0;

  /** @param size number of bits, all clear */
  constructor(size: number) {
    this.size = size;
  }

  /** Memory held by pages of mixed bits. */
  get pageBytes(): number {
    return this.#allocatedPages * (PAGE_BITS / 8);
  }

  get(index: number): boolean {
    assert(index >= 0 && index < this.size, "a bit inside the set");
    const page = this.#pages[Math.floor(index / PAGE_BITS)];
    if (page === undefined) return false;
    const bit = index % PAGE_BITS;
    return page === FULL || (page[bit >>> 5]! & (1 << (bit & 31))) !== 0;
  }

  /** Sets the bits `from` up to, not including, `to`. */
  set(from: number, to: number): void {
    this.#fill(from, to, true);
  }

  clear(from: number, to: number): void {
    this.#fill(from, to, false);
  }

  /** The value at `from` and how far it goes on, at most to `limit`. */
  runAt(from: number, limit: number): BitRun {
    assert(from >= 0 && from < limit && limit <= this.size, "a run inside the set");
    const value = this.get(from);
    let at = from;
    while (at < limit) {
      const pageEnd = at - (at % PAGE_BITS) + PAGE_BITS;
      const page = this.#pages[Math.floor(at / PAGE_BITS)];
      if (page === undefined || page === FULL) {
        if ((page === FULL) !== value) break;
        at = pageEnd;
      } else {
        const stop = firstUnlike(page, at % PAGE_BITS, value);
        at = pageEnd - PAGE_BITS + stop;
        if (stop < PAGE_BITS) break;
      }
    }
    return { value, end: Math.min(at, limit) };
  }

  #fill(from: number, to: number, value: boolean): void {
    assert(from >= 0 && from <= to && to <= this.size, "bits inside the set");
    let at = from;
    while (at < to) {
      const number = Math.floor(at / PAGE_BITS);
      const start = at - number * PAGE_BITS;
      const stop = Math.min(PAGE_BITS, to - number * PAGE_BITS);
      // The last page of the set is never filled to its end, so it stays mixed; that costs 4 KiB.
      if (start === 0 && stop === PAGE_BITS) this.#replace(number, value ? FULL : undefined);
      else this.#fillPart(number, start, stop, value);
      at = number * PAGE_BITS + stop;
    }
  }

  #fillPart(number: number, start: number, stop: number, value: boolean): void {
    let page = this.#pages[number];
    if ((page === FULL && value) || (page === undefined && !value)) return;
    if (page === undefined || page === FULL) {
      page = new Uint32Array(PAGE_BITS / 32).fill(page === FULL ? 0xffff_ffff : 0);
      this.#replace(number, page);
    }
    for (let bit = start; bit < stop;) {
      const inWord = bit & 31;
      const count = Math.min(32 - inWord, stop - bit);
      const mask = count === 32 ? 0xffff_ffff : ((1 << count) - 1) << inWord;
      if (value) page[bit >>> 5]! |= mask;
      else page[bit >>> 5]! &= ~mask;
      bit += count;
    }
  }

  #replace(number: number, page: Page): void {
    const old = this.#pages[number];
    if (old !== undefined && old !== FULL) this.#allocatedPages -= 1;
    if (page !== undefined && page !== FULL) this.#allocatedPages += 1;
    // Grow in order: writing far behind the end would turn the array into a slow dictionary.
    while (this.#pages.length <= number) this.#pages.push(undefined);
    this.#pages[number] = page;
  }
}

/** First bit from `from` on that is not `value`; PAGE_BITS if there is none. */
function firstUnlike(page: Uint32Array, from: number, value: boolean): number {
  const flip = value ? 0xffff_ffff : 0;
  let word = from >>> 5;
  let unlike = ((page[word]! ^ flip) & (0xffff_ffff << (from & 31))) >>> 0;
  while (unlike === 0) {
    word += 1;
    if (word === PAGE_BITS / 32) return PAGE_BITS;
    unlike = (page[word]! ^ flip) >>> 0;
  }
  return word * 32 + (31 - Math.clz32(unlike & -unlike));
}
