/** The store `N`: the COW device holds data alone, and the exceptions are forgotten with the last table that names it. */
import { HoldfastError } from "../../../base/errors.ts";
import type { BlockDevice } from "../../../block/device.ts";
import type { ChunkRun, ExceptionStore, StoreUsage } from "./exception-store.ts";

export class TransientStore implements ExceptionStore {
  readonly kind = "N";
  readonly isOverflowKnown = false;
  readonly chunkSectors: number;
  readonly #totalSectors: number;
  #nextChunk = 0;

  constructor(cow: BlockDevice, chunkSectors: number) {
    this.chunkSectors = chunkSectors;
    this.#totalSectors = cow.sectors;
  }

  get usage(): StoreUsage {
    return {
      allocatedSectors: this.#nextChunk * this.chunkSectors,
      totalSectors: this.#totalSectors,
      metadataSectors: 0,
    };
  }

  use(): void {}

  allocate(): number | null {
    if ((this.#nextChunk + 1) * this.chunkSectors > this.#totalSectors) return null;
    this.#nextChunk += 1;
    return this.#nextChunk - 1;
  }

  commit(_oldChunk: number, _newChunk: number, done: (isDurable: boolean) => void): void {
    done(true);
  }

  invalidate(): Promise<void> {
    return Promise.resolve();
  }

  lastRun(): Promise<ChunkRun | null> {
    return Promise.reject(new HoldfastError("usage", "Only a persistent snapshot can be merged."));
  }

  removeLast(): Promise<void> {
    return Promise.resolve();
  }
}
