/** Exception store: where a snapshot keeps what its origin, or itself, has changed: which chunk of the origin is which of the COW device. */
import type { BlockDevice } from "../../../block/device.ts";

export interface StoreUsage {
  readonly allocatedSectors: number;
  readonly totalSectors: number;
  readonly metadataSectors: number;
}

/** Chunks that follow each other in the origin and in the COW device. */
export interface ChunkRun {
  readonly oldChunk: number;
  readonly newChunk: number;
  readonly chunks: number;
}

export interface ExceptionStore {
  /** As in the table: P, PO, N. */
  readonly kind: string;
  readonly chunkSectors: number;
  /** A snapshot that has no room for its own writes stays readable. */
  readonly isOverflowKnown: boolean;
  readonly usage: StoreUsage;
  /** I/O goes there from now on. None is under way. */
  use(cow: BlockDevice): void;
  /** A chunk of the COW device for the next exception; null: there is no room. */
  allocate(): number | null;
  /** Takes down an exception whose data has been written. `done` comes in the order of the calls, with whether that is durable. */
  commit(oldChunk: number, newChunk: number, done: (isDurable: boolean) => void): void;
  /** The snapshot is lost: nobody may believe what is in the store. */
  invalidate(): Promise<void>;
  /** The last exceptions, as many as follow each other; null: none is left. No exception is being made. */
  lastRun(): Promise<ChunkRun | null>;
  /** Takes out the last exceptions. */
  removeLast(chunks: number): Promise<void>;
}
