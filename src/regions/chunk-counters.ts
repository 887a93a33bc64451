/**
 * What is known of each chunk of a device, one word a chunk, in pages that exist only where a chunk is not clean: a 64 TiB array costs
 * what is dirty in it, and a table of pages.
 *
 *   bits 0..23   writes under way
 *   bits 24..25  how hot: 3 written since the last pass over the counters, 2 and 1 cooling, 0 cold
 *   bit 26       marked: its bit on disk is durably set
 *   bit 27       needs sync: its copies may differ, and time does not help
 *   bit 28       being synced
 *
 * A word that is not 0 stands for a set bit in the bitmap: there is no second record that could disagree with it.
 * A page that is alike all over (all to be synced, after a crash that left the bitmap out of date) is shared until it is changed.
 */
import { assert } from "../base/assert.ts";

/** As in kernels, so that pages in use can be reported as theirs are. */
export const COUNTER_PAGE_CHUNKS = 2048;

export const CHUNK = {
  writes: 0xff_ffff,
  heat: 3 << 24,
  heatStep: 1 << 24,
  hot: 3 << 24,
  marked: 1 << 26,
  needsSync: 1 << 27,
  syncing: 1 << 28,
} as const;

/** Pages kept for the next chunks that become dirty. */
const MAX_SPARE_PAGES = 16;

export class ChunkCounters {
  readonly chunks: number;
  readonly #pages: (Uint32Array | undefined)[] = [];
  /** Words that are not 0, by page. */
  readonly #used: number[] = [];
  readonly #spare: Uint32Array[] = [];
  /** By the word they are full of. */
  readonly #uniform = new Map<number, Uint32Array>();
  #usedPages = 0;
  #sharedPages = 0;

  constructor(chunks: number) {
    assert(Number.isSafeInteger(chunks) && chunks >= 0 && chunks <= 2 ** 31, "chunks are counted");
    this.chunks = chunks;
  }

  get pages(): number {
    return Math.ceil(this.chunks / COUNTER_PAGE_CHUNKS);
  }

  /** Pages with a chunk that is not clean. */
  get usedPages(): number {
    return this.#usedPages;
  }

  /** Memory of pages, those kept spare included. */
  get pageBytes(): number {
    const own = this.#usedPages - this.#sharedPages + this.#uniform.size + this.#spare.length;
    return own * COUNTER_PAGE_CHUNKS * 4;
  }

  get(chunk: number): number {
    const page = this.#pages[chunk >>> 11];
    return page === undefined ? 0 : page[chunk & 2047]!;
  }

  set(chunk: number, word: number): void {
    const number = chunk >>> 11;
    const index = chunk & 2047;
    let page = this.#pages[number];
    const old = page === undefined ? 0 : page[index]!;
    if (old === word) return;
    if (page === undefined || (this.#sharedPages > 0 && this.#isShared(page)))
      page = this.#own(number, page);
    page[index] = word;
    if (old === 0) this.#used[number]! += 1;
    if (word !== 0) return;
    this.#used[number]! -= 1;
    if (this.#used[number] === 0) this.#drop(number);
  }

  /** The same word for a range of chunks. */
  fill(from: number, to: number, word: number): void {
    assert(from >= 0 && from <= to && to <= this.chunks, "chunks of the device");
    for (let chunk = from; chunk < to;) {
      const isWhole = chunk % COUNTER_PAGE_CHUNKS === 0 && chunk + COUNTER_PAGE_CHUNKS <= to;
      if (isWhole) this.#fillPage(chunk >>> 11, word);
      else this.set(chunk, word);
      chunk += isWhole ? COUNTER_PAGE_CHUNKS : 1;
    }
  }

  /** Puts `next(word)` in place of each word of a page that is not 0. True if one has become 0. */
  mapPage(number: number, next: (word: number) => number): boolean {
    const page = this.#pages[number];
    if (page === undefined) return false;
    if (this.#isShared(page)) {
      const word = next(page[0]!);
      this.#fillPage(number, word);
      return word === 0;
    }
    let cleaned = 0;
    for (let index = 0; index < COUNTER_PAGE_CHUNKS; index += 1) {
      const word = page[index]!;
      if (word === 0) continue;
      const after = next(word);
      page[index] = after;
      if (after === 0) cleaned += 1;
    }
    this.#used[number]! -= cleaned;
    if (this.#used[number] === 0) this.#drop(number);
    return cleaned > 0;
  }

  /** True if a word of the page passes; words that are 0 are not asked. */
  someInPage(number: number, test: (word: number) => boolean): boolean {
    const page = this.#pages[number];
    if (page === undefined) return false;
    if (this.#isShared(page)) return test(page[0]!);
    return page.some((word) => word !== 0 && test(word));
  }

  /** The first chunk from `chunk` on whose word is not 0, or `limit`. */
  nextUsed(chunk: number, limit: number): number {
    let at = chunk;
    while (at < limit) {
      if (this.#pages[at >>> 11] === undefined) at = ((at >>> 11) + 1) * COUNTER_PAGE_CHUNKS;
      else if (this.get(at) !== 0) return at;
      else at += 1;
    }
    return limit;
  }

  /**
   * Sets the bits of `chunks` chunks from `chunk` on, least significant first, in `into` from bit `bit` on (a multiple of 8): 1 for a
   * chunk that is not clean. Bits that are set stay.
   */
  setBits(chunk: number, chunks: number, into: Uint8Array, bit: number): void {
    assert(bit % 8 === 0, "chunks start at a byte");
    const stop = chunk + chunks;
    for (let at = this.nextUsed(chunk, stop); at < stop; at = this.nextUsed(at + 1, stop)) {
      const place = bit + at - chunk;
      into[place >>> 3]! |= 1 << (place & 7);
    }
  }

  #isShared(page: Uint32Array): boolean {
    return this.#sharedPages > 0 && this.#uniform.get(page[0]!) === page;
  }

  /** A page that may be changed, in place of none or of a shared one. */
  #own(number: number, shared: Uint32Array | undefined): Uint32Array {
    const page = this.#spare.pop() ?? new Uint32Array(COUNTER_PAGE_CHUNKS);
    if (shared === undefined) {
      this.#usedPages += 1;
      // Grow in order: writing far behind the end would turn the array into a slow dictionary.
      while (this.#pages.length <= number) {
        this.#pages.push(undefined);
        this.#used.push(0);
      }
    } else {
      page.set(shared);
      this.#unshare();
    }
    this.#pages[number] = page;
    return page;
  }

  #unshare(): void {
    this.#sharedPages -= 1;
    if (this.#sharedPages === 0) this.#uniform.clear();
  }

  #fillPage(number: number, word: number): void {
    if (this.#pages[number] !== undefined) this.#drop(number);
    if (word === 0) return;
    let page = this.#uniform.get(word);
    if (page === undefined) {
      page = new Uint32Array(COUNTER_PAGE_CHUNKS).fill(word);
      this.#uniform.set(word, page);
    }
    while (this.#pages.length <= number) {
      this.#pages.push(undefined);
      this.#used.push(0);
    }
    this.#pages[number] = page;
    this.#used[number] = COUNTER_PAGE_CHUNKS;
    this.#usedPages += 1;
    this.#sharedPages += 1;
  }

  #drop(number: number): void {
    const page = this.#pages[number]!;
    this.#pages[number] = undefined;
    this.#used[number] = 0;
    this.#usedPages -= 1;
    if (this.#isShared(page)) this.#unshare();
    else if (this.#spare.length < MAX_SPARE_PAGES) this.#spare.push(page.fill(0));
  }
}
