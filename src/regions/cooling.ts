/** Chunks that nobody writes to any more, on their way to being clean: the passes of a BitmapTracker (bitmap-tracker.ts). */
import { quotient } from "../base/units.ts";
import type { BitmapStore } from "./bitmap-store.ts";
import { CHUNK, COUNTER_PAGE_CHUNKS } from "./chunk-counters.ts";
import type { ChunkCounters } from "./chunk-counters.ts";

interface CoolingOptions {
  readonly counters: ChunkCounters;
  readonly store: BitmapStore;
  readonly isWhole: () => boolean;
  readonly syncUsers: (() => Promise<boolean>) | null;
}

const BUSY = CHUNK.writes | CHUNK.needsSync | CHUNK.syncing;

export class Cooling {
  readonly #options: CoolingOptions;
  /** Pages of counters to be looked at, and the same by page. */
  #pages: number[] = [];
  readonly #isListed: Uint8Array;

  constructor(options: CoolingOptions) {
    this.#options = options;
    this.#isListed = new Uint8Array(options.counters.pages);
  }

  get isIdle(): boolean {
    return this.#pages.length === 0;
  }

  add(chunk: number): void {
    const page = chunk >>> 11;
    if (this.#isListed[page] === 1) return;
    this.#isListed[page] = 1;
    this.#pages.push(page);
  }

  /** Makes everything that is quiet now a candidate for the next pass. */
  hurry(): void {
    const { counters } = this.#options;
    for (const page of this.#pages) counters.mapPage(page, toCandidate);
  }

  /** @returns the pages of the store in which bits were cleared, to be written */
  async pass(): Promise<readonly number[]> {
    const mayClear = await this.#prove();
    const { counters, store } = this.#options;
    // From here to the end nothing is waited for: who is a candidate now was one before the copies were flushed.
    if (mayClear) store.clearing();
    const next = mayClear ? coolOrClear : cool;
    const cleared = new Set<number>();
    const looked = this.#pages;
    this.#pages = [];
    for (const page of looked) {
      if (counters.mapPage(page, next)) this.#addStorePages(page, cleared);
      this.#isListed[page] = 0;
      if (counters.someInPage(page, isQuiet)) this.add(page * COUNTER_PAGE_CHUNKS);
    }
    return [...cleared];
  }

  /** All copies of what is a candidate now are alike, and stable. */
  async #prove(): Promise<boolean> {
    const { counters, store, isWhole, syncUsers } = this.#options;
    if (!isWhole() || !this.#pages.some((page) => counters.someInPage(page, isCandidate)))
      return false;
    if (syncUsers !== null && !(await syncUsers())) return false;
    return (await store.flushData()) && isWhole();
  }

  #addStorePages(page: number, into: Set<number>): void {
    const { counters, store } = this.#options;
    const first = page * COUNTER_PAGE_CHUNKS;
    const last = Math.min(first + COUNTER_PAGE_CHUNKS, counters.chunks) - 1;
    const stop = quotient(last + store.headBits, store.pageBits);
    for (let at = quotient(first + store.headBits, store.pageBits); at <= stop; at += 1)
      into.add(at);
  }
}

function isQuiet(word: number): boolean {
  return (word & BUSY) === 0;
}

function isCandidate(word: number): boolean {
  return isQuiet(word) && (word & CHUNK.heat) === CHUNK.heatStep;
}

function toCandidate(word: number): number {
  return isQuiet(word) ? (word & ~CHUNK.heat) | CHUNK.heatStep : word;
}

function cool(word: number): number {
  return isQuiet(word) && (word & CHUNK.heat) > CHUNK.heatStep ? word - CHUNK.heatStep : word;
}

function coolOrClear(word: number): number {
  return isCandidate(word) ? 0 : cool(word);
}
