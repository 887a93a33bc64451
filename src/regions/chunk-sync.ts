/** Background sync's side of a BitmapTracker: which chunks are to be synced, and when they have been. */
import { quotient } from "../base/units.ts";
import type { BitmapStore } from "./bitmap-store.ts";
import { CHUNK, COUNTER_PAGE_CHUNKS } from "./chunk-counters.ts";
import type { ChunkCounters } from "./chunk-counters.ts";
import { SyncCover } from "./sync-cover.ts";

const WANTED = CHUNK.needsSync | CHUNK.syncing;

export class ChunkSync {
  readonly #chunkSectors: number;
  readonly #sectors: number;
  readonly #counters: ChunkCounters;
  readonly #cool: (chunk: number) => void;
  readonly #cover = new SyncCover();

  /** @param cool is told of chunks that time may clean now */
  constructor(store: BitmapStore, counters: ChunkCounters, cool: (chunk: number) => void) {
    this.#chunkSectors = store.chunkSectors;
    this.#sectors = store.sectors;
    this.#counters = counters;
    this.#cool = cool;
  }

  get isNeeded(): boolean {
    return this.#pagesWith(WANTED).next().done !== true;
  }

  begin(sector: number, max: number, mayClean: boolean): number {
    const alike = this.alikeRun(sector, max);
    if (alike > 0) return -alike;
    const first = quotient(sector, this.#chunkSectors);
    const stop = quotient(sector + max - 1, this.#chunkSectors) + 1;
    const end = this.#register(first, stop, mayClean);
    return Math.min(end * this.#chunkSectors, sector + max) - sector;
  }

  /** 0: the first is wanted. */
  alikeRun(sector: number, max: number): number {
    const first = quotient(sector, this.#chunkSectors);
    if ((this.#counters.get(first) & WANTED) !== 0) return 0;
    const stop = quotient(sector + max - 1, this.#chunkSectors) + 1;
    const end = this.#nextWanted(first, stop);
    return Math.min(end * this.#chunkSectors, sector + max) - sector;
  }

  #nextWanted(first: number, stop: number): number {
    for (let chunk = first; chunk < stop; chunk += 1) {
      chunk = this.#counters.nextUsed(chunk, stop);
      if (chunk < stop && (this.#counters.get(chunk) & WANTED) !== 0) return chunk;
    }
    return stop;
  }

  #register(first: number, stop: number, mayClean: boolean): number {
    let chunk = first;
    for (; chunk < stop; chunk += 1) {
      const word = this.#counters.get(chunk);
      if ((word & WANTED) === 0) break;
      // Of a chunk that is being synced and was written in part meanwhile, this pass does not get rid.
      if (mayClean && (word & CHUNK.syncing) === 0)
        this.#counters.set(chunk, (word & ~CHUNK.needsSync) | CHUNK.syncing);
      if (!mayClean) this.#giveUp(chunk, word);
    }
    return chunk;
  }

  end(sector: number, sectors: number, isDone: boolean): void {
    const size = this.#chunkSectors;
    const end = sector + sectors;
    for (let chunk = quotient(sector, size); chunk * size < end; chunk += 1) {
      const word = this.#counters.get(chunk);
      if ((word & WANTED) === 0) continue;
      if (!isDone) this.#giveUp(chunk, word);
      else if ((word & CHUNK.syncing) !== 0) {
        const from = Math.max(sector, chunk * size);
        const stop = Math.min((chunk + 1) * size, this.#sectors);
        const range = { sector: from, sectors: Math.min(end, stop) - from };
        if (this.#cover.add(chunk, range, stop - chunk * size)) this.#finish(chunk, word);
      }
    }
  }

  /** What was written in part while it was being synced still needs sync. */
  #finish(chunk: number, word: number): void {
    this.#counters.set(chunk, (word & ~CHUNK.syncing) | CHUNK.hot);
    this.#cool(chunk);
  }

  #giveUp(chunk: number, word: number): void {
    this.#cover.forget(chunk);
    this.#counters.set(chunk, (word & ~CHUNK.syncing) | CHUNK.needsSync);
  }

  /** Whatever is not clean. */
  needDirty(): void {
    const need = (word: number): number => (word & ~CHUNK.syncing) | CHUNK.needsSync;
    this.#cover.clear();
    for (const page of this.#pagesWith(-1)) this.#counters.mapPage(page, need);
  }

  close(): void {
    this.#cover.clear();
    const giveUp = (word: number): number =>
      (word & CHUNK.syncing) === 0 ? word : (word & ~CHUNK.syncing) | CHUNK.needsSync;
    for (const page of this.#pagesWith(CHUNK.syncing)) this.#counters.mapPage(page, giveUp);
  }

  *#pagesWith(flag: number): Generator<number> {
    const { pages, chunks } = this.#counters;
    for (let page = 0; page < pages; page += 1) {
      const used = this.#counters.nextUsed(page * COUNTER_PAGE_CHUNKS, chunks);
      if (used === chunks) return;
      page = quotient(used, COUNTER_PAGE_CHUNKS);
      if (this.#counters.someInPage(page, (word) => (word & flag) !== 0)) yield page;
    }
  }
}
