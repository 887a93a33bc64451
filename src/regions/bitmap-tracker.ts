/**
 * BitmapTracker: the region tracker whose record is one bit a chunk in a BitmapStore.
 *
 *            beginWrite: bit durable, then data          a pass a period, while nobody writes
 *   clean  ----------------------------------> dirty ----> maybe dirty ----> clean candidate
 *     ^                                          ^                                |
 *     |  1 users synced (if they must be), 2 all copies flushed, 3 still a        |
 *     +----- candidate: cleared in memory, 4 the page is written <----------------+
 *
 * A crash before 4 costs a sync of what is alike; clearing before 2 would call data alike that is in somebody's cache (law 1). A write
 * that comes at any point before 3 makes the chunk dirty again; one that comes after 3 waits until its bit was written anew, behind 4,
 * because pages are written one batch at a time. A chunk is a candidate before 1 starts, so what 1 writes is noticed.
 * While a copy is missing nothing is cleared: what it missed, or had only in its cache, is found by these bits when it comes back.
 */
import { assert } from "../base/assert.ts";
import type { HoldfastError } from "../base/errors.ts";
import { quotient } from "../base/units.ts";
import { ignore } from "../base/nothing.ts";
import type { BioEnd } from "../block/bio.ts";
import { Pool } from "../block/pool.ts";
import type { Pooled } from "../block/pool.ts";
import type { Timer, Timers } from "../env/env.ts";
import type { BitmapStore } from "./bitmap-store.ts";
import { CHUNK, COUNTER_PAGE_CHUNKS, ChunkCounters } from "./chunk-counters.ts";
import { ChunkSync } from "./chunk-sync.ts";
import { Cooling } from "./cooling.ts";
import { PageWriter } from "./page-writer.ts";
import type { RegionTracker } from "./region-tracker.ts";

export interface BitmapTrackerOptions {
  readonly store: BitmapStore;
  readonly timers: Timers;
  /** Between two looks at what has become quiet (md's daemon_sleep). */
  readonly periodMs: number;
  /** No copy is missing: chunks may be cleaned. */
  readonly isWhole: () => boolean;
  /**
   * Null: whoever writes owns its buffers and leaves them alone while they are written, so writes that have ended have made all
   * copies alike. Otherwise copies may differ although all writes have ended, and whoever changed a buffer meanwhile writes it again at
   * the latest when this asks for it; true when all users have.
   */
  readonly syncUsers: (() => Promise<boolean>) | null;
}

export interface DirtyRun {
  readonly sector: number;
  readonly sectors: number;
  readonly state: "dirty" | "needs-sync";
}

class Waiter implements Pooled {
  isSpare = false;
  first = 0;
  last = 0;
  begun: BioEnd = ignore;
}

export class BitmapTracker implements RegionTracker {
  readonly regionSectors: number;
  readonly #store: BitmapStore;
  readonly #timers: Timers;
  readonly #periodMs: number;
  readonly #counters: ChunkCounters;
  readonly #sync: ChunkSync;
  readonly #cooling: Cooling;
  readonly #writer: PageWriter;
  readonly #waiters = new Pool(() => new Waiter());
  /** Of the next batch, and of the one being written. */
  #waiting: Waiter[] = [];
  #writing: Waiter[] = [];
  #timer: Timer | null = null;
  #pass: Promise<void> | null = null;
  #isSettling = false;

  constructor(options: BitmapTrackerOptions) {
    const { store } = options;
    this.#store = store;
    this.#timers = options.timers;
    this.#periodMs = options.periodMs;
    this.regionSectors = store.chunkSectors;
    this.#counters = new ChunkCounters(store.chunks);
    this.#cooling = new Cooling({ ...options, counters: this.#counters });
    this.#sync = new ChunkSync(store, this.#counters, (chunk) => this.#cool(chunk));
    this.#writer = new PageWriter(store, this.#counters, {
      taken: (pages) => this.#takeWaiting(pages),
      written: (error) => this.#batchWritten(error),
    });
  }

  /** Pages of 2048 chunks: all, and those with a chunk that is not clean, as /proc/mdstat shows them. */
  get pages(): { readonly all: number; readonly used: number; readonly bytes: number } {
    const { pages, usedPages, pageBytes } = this.#counters;
    return { all: pages, used: usedPages, bytes: pageBytes };
  }

  /** Is there a chunk that only background sync can clean? */
  get needsSync(): boolean {
    return this.#sync.isNeeded;
  }

  /**
   * At start: chunks that are not clean. The first write to one writes its bit again: a crash may have left it on one copy of the record only.
   * @param needsSync otherwise they are cleaned as if they had just been written
   */
  load(chunk: number, chunks: number, needsSync: boolean): void {
    const word = CHUNK.hot | (needsSync ? CHUNK.needsSync : 0);
    this.#counters.fill(chunk, chunk + chunks, word);
    if (needsSync) return;
    for (let at = chunk; at < chunk + chunks; at += COUNTER_PAGE_CHUNKS) this.#cool(at);
    this.#cool(chunk + chunks - 1);
  }

  beginWrite(sector: number, sectors: number, begun: BioEnd): void {
    assert(sectors > 0 && !this.#isSettling, "nothing is written while it settles");
    const first = quotient(sector, this.regionSectors);
    const last = quotient(sector + sectors - 1, this.regionSectors);
    let isMarked = true;
    for (let chunk = first; chunk <= last; chunk += 1) {
      const word = this.#counters.get(chunk);
      assert((word & CHUNK.writes) < CHUNK.writes, "writes are counted");
      if ((word & CHUNK.marked) === 0) isMarked = false;
      this.#counters.set(chunk, (word | CHUNK.hot) + 1);
    }
    if (isMarked) {
      begun(null);
      return;
    }
    const waiter = this.#waiters.take();
    waiter.first = first;
    waiter.last = last;
    waiter.begun = begun;
    this.#waiting.push(waiter);
    this.#writer.start();
  }

  endWrite(sector: number, sectors: number, isEverywhere: boolean): void {
    const first = quotient(sector, this.regionSectors);
    const last = quotient(sector + sectors - 1, this.regionSectors);
    this.#endChunks(first, last, isEverywhere ? 0 : CHUNK.needsSync);
  }

  #endChunks(first: number, last: number, also: number): void {
    for (let chunk = first; chunk <= last; chunk += 1) {
      const word = this.#counters.get(chunk);
      assert((word & CHUNK.writes) > 0, "what ends has begun");
      this.#counters.set(chunk, (word - 1) | also);
      if ((word & CHUNK.writes) === 1) this.#cool(chunk);
    }
  }

  /** Of the waiting writes: the pages that their chunks' bits are in, as far as those are not durable. */
  #takeWaiting(pages: Set<number>): boolean {
    const taken = this.#waiting;
    this.#waiting = this.#writing;
    this.#writing = taken;
    const { headBits, pageBits } = this.#store;
    for (const { first, last } of taken)
      for (let chunk = first; chunk <= last; chunk += 1)
        if ((this.#counters.get(chunk) & CHUNK.marked) === 0)
          pages.add(quotient(chunk + headBits, pageBits));
    return taken.length > 0;
  }

  #batchWritten(error: HoldfastError | null): void {
    const written = this.#writing;
    for (const { first, last } of written) {
      if (error !== null) this.#endChunks(first, last, 0);
      else
        for (let chunk = first; chunk <= last; chunk += 1)
          this.#counters.set(chunk, this.#counters.get(chunk) | CHUNK.marked);
    }
    for (const waiter of written) {
      const { begun } = waiter;
      waiter.begun = ignore;
      this.#waiters.give(waiter);
      begun(error);
    }
    written.length = 0;
  }

  beginSync(sector: number, max: number, mayClean: boolean): number {
    return this.#sync.begin(sector, max, mayClean);
  }

  alikeRun(sector: number, max: number): number {
    return this.#sync.alikeRun(sector, max);
  }

  endSync(sector: number, sectors: number, isDone: boolean): void {
    this.#sync.end(sector, sectors, isDone);
  }

  closeSync(): void {
    this.#sync.close();
  }

  /**
   * A copy that was away is back, as it was when it left at the latest: whatever is not clean needs sync. Nothing was cleaned meanwhile,
   * so this is all that it may have missed, or have had in a cache that it lost.
   */
  copyReturned(): void {
    this.#sync.needDirty();
  }

  /** Looks again, later, at a chunk that time may clean. */
  #cool(chunk: number): void {
    this.#cooling.add(chunk);
    this.#arm();
  }

  #arm(): void {
    if (this.#timer !== null || this.#pass !== null || this.#isSettling) return;
    if (this.#cooling.isIdle) return;
    this.#timer = this.#timers.set(this.#periodMs, () => {
      this.#timer = null;
      void this.#runPass();
    });
  }

  async #runPass(): Promise<void> {
    this.#pass = this.#clean();
    await this.#pass;
    this.#pass = null;
    this.#arm();
  }

  async #clean(): Promise<void> {
    try {
      const cleared = await this.#cooling.pass();
      if (cleared.length > 0) await this.#writer.write(cleared);
    } catch {
      // What stays set costs a sync at worst; that members failed was said by the store, that users were not synced by them.
    }
  }

  /** Writes every page: for a record that was out of date, or a member that has none yet. Rejects as `writePages` does. */
  writeAll(): Promise<void> {
    return this.#writer.writeAll();
  }

  /**
   * When no write is under way, nor comes before it resolves: cleans at once what time would clean. What needs sync stays so. The array's
   * superblocks may call it clean for good only after this.
   */
  async settle(): Promise<void> {
    this.#isSettling = true;
    this.#timer?.cancel();
    this.#timer = null;
    await this.#pass;
    this.#sync.close();
    this.#cooling.hurry();
    await this.#clean();
    await this.#writer.idle();
    this.#isSettling = false;
  }

  /** Chunks that are not clean, in order, neighbours of one kind joined. */
  *dirtyRuns(): Generator<DirtyRun> {
    const { chunks } = this.#counters;
    for (let chunk = this.#counters.nextUsed(0, chunks); chunk < chunks;) {
      const state = this.#stateOf(chunk);
      let end = chunk + 1;
      while (end < chunks && this.#counters.get(end) !== 0 && this.#stateOf(end) === state)
        end += 1;
      const sector = chunk * this.regionSectors;
      const stop = Math.min(end * this.regionSectors, this.#store.sectors);
      yield { sector, sectors: stop - sector, state };
      chunk = this.#counters.nextUsed(end, chunks);
    }
  }

  #stateOf(chunk: number): DirtyRun["state"] {
    const waits = CHUNK.needsSync | CHUNK.syncing;
    return (this.#counters.get(chunk) & waits) === 0 ? "dirty" : "needs-sync";
  }
}
