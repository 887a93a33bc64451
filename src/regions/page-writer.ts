/**
 * Writes pages of a BitmapStore, one batch at a time: what is asked for while a batch is being written is in the next one, and what is asked
 * for in one turn of the event loop is in one batch, so that many writes that begin together cost one write of the page they share.
 */
import { toHoldfastError } from "../base/errors.ts";
import type { HoldfastError } from "../base/errors.ts";
import type { BitmapStore, ChunkBits } from "./bitmap-store.ts";

interface Batches {
  /** A batch is about to be written: adds the pages it must have. True if somebody waits for it, even without a page. */
  taken(pages: Set<number>): boolean;
  written(error: HoldfastError | null): void;
}

interface Request {
  resolve(): void;
  reject(error: HoldfastError): void;
}

export class PageWriter {
  readonly #store: BitmapStore;
  readonly #bits: ChunkBits;
  readonly #batches: Batches;
  #pages = new Set<number>();
  #isAllWanted = false;
  #requests: Request[] = [];
  #running: Promise<void> | null = null;

  constructor(store: BitmapStore, bits: ChunkBits, batches: Batches) {
    this.#store = store;
    this.#bits = bits;
    this.#batches = batches;
  }

  /** There is something for `taken` to take. */
  start(): void {
    this.#running ??= this.#run();
  }

  /** Resolves when pages that show what is so now are durable. */
  write(pages: readonly number[]): Promise<void> {
    for (const page of pages) this.#pages.add(page);
    return this.#requested();
  }

  writeAll(): Promise<void> {
    this.#isAllWanted = true;
    return this.#requested();
  }

  /** Resolves when nothing is being written or waits for it. */
  async idle(): Promise<void> {
    await this.#running;
  }

  #requested(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#requests.push({ resolve, reject });
      this.start();
    });
  }

  async #run(): Promise<void> {
    // Whoever else begins in this turn shares the batch.
    await Promise.resolve();
    for (;;) {
      const pages = this.#pages;
      const requests = this.#requests;
      const isAllWanted = this.#isAllWanted;
      this.#pages = new Set();
      this.#requests = [];
      this.#isAllWanted = false;
      const isAwaited = this.#batches.taken(pages);
      if (!isAwaited && requests.length === 0) break;
      const error = await this.#write(pages, isAllWanted);
      this.#batches.written(error);
      for (const request of requests)
        if (error === null) request.resolve();
        else request.reject(error);
    }
    this.#running = null;
  }

  async #write(pages: Set<number>, isAllWanted: boolean): Promise<HoldfastError | null> {
    try {
      if (isAllWanted) await this.#store.writeAll(this.#bits);
      else if (pages.size > 0) await this.#store.writePages([...pages].sort(ascending), this.#bits);
      return null;
    } catch (error) {
      return toHoldfastError(error);
    }
  }
}

function ascending(a: number, b: number): number {
  return a - b;
}
