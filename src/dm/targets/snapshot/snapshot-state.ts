/**
 * SnapshotState: the exceptions of a snapshot, and how a new one is made. It outlives the tables that name its COW device one after the other.
 *
 *   allocated -> data is written -> its turn -> committed -> readers of the origin's chunk have ended -> whoever waited goes on
 *                (copied, or new)   (in order   (durable)    (new ones read the COW device)             (write to the origin, to the snapshot)
 *                                   of allocation)
 *
 * Law 1: the store flushes the data before it writes the exception. Only what waits behind both is allowed to change the origin's chunk.
 * A snapshot that cannot take down an exception is invalid from then on, and the origin goes on when the store says so, durably.
 */
import type { HoldfastError } from "../../../base/errors.ts";
import { toHoldfastError } from "../../../base/errors.ts";
import type { BioEnd } from "../../../block/bio.ts";
import { copySectors } from "../../../block/copy-sectors.ts";
import type { BlockDevice } from "../../../block/device.ts";
import type { ExceptionStore } from "./exception-store.ts";
import { TrackedChunks } from "./tracked-chunks.ts";

class Pending {
  readonly chunk: number;
  readonly newChunk: number;
  isWritten = false;
  readonly waiters: (() => void)[] = [];

  constructor(chunk: number, newChunk: number) {
    this.chunk = chunk;
    this.newChunk = newChunk;
  }
}

/** What a table lends to it while it is open. */
export interface SnapshotUse {
  readonly origin: BlockDevice;
  readonly cow: BlockDevice;
  /** Status has changed. @param message what for */
  readonly changed: (message: string) => void;
}

/** Writes a chunk's data to the COW device. */
export type FillChunk = (cowSector: number, end: BioEnd) => void;

export class SnapshotState {
  readonly store: ExceptionStore;
  readonly sectors: number;
  /** Chunks of the COW device by chunks of the origin: durable. */
  readonly exceptions: Map<number, number>;
  /** Reads of the origin's chunks for the snapshot; writes to chunks of the COW device while it is merged. */
  readonly tracked = new TrackedChunks();
  /** It goes into its origin, which does not care any more what it holds. */
  isMerging = false;
  hasMergeFailed = false;
  #isValid: boolean;
  #hasOverflowed = false;
  #use: SnapshotUse;
  readonly #pending = new Map<number, Pending>();
  /** In the order of allocation, which is that of the commits. */
  #inOrder: Pending[] = [];
  /** Chunks being written, commits, the store being invalidated. */
  #busy = 0;
  #idle: (() => void)[] = [];
  /** Until the store knows that it is invalid. */
  #invalidated: (() => void)[] | null = null;

  constructor(
    store: ExceptionStore,
    { isValid, exceptions }: { isValid: boolean; exceptions: Map<number, number> },
    sectors: number,
    use: SnapshotUse,
  ) {
    this.store = store;
    this.#isValid = isValid;
    this.exceptions = exceptions;
    this.sectors = sectors;
    this.#use = use;
  }

  get chunkSectors(): number {
    return this.store.chunkSectors;
  }

  get isValid(): boolean {
    return this.#isValid;
  }

  get hasOverflowed(): boolean {
    return this.#hasOverflowed;
  }

  /** What is begun from now on goes by these devices. */
  useDevices(use: SnapshotUse): void {
    this.#use = use;
    this.store.use(use.cow);
  }

  /** Resolves when nothing is being made any more. */
  async idle(): Promise<void> {
    while (this.#busy > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #begin(): void {
    this.#busy += 1;
  }

  #end(): void {
    this.#busy -= 1;
    if (this.#busy === 0) for (const idle of this.#idle.splice(0)) idle();
  }

  /** The origin's chunk is about to be overwritten. @returns true: not yet, and `done` is called when it is worth to ask again */
  preserve(chunk: number, done: () => void): boolean {
    if (this.#invalidated !== null) {
      this.#invalidated.push(done);
      return true;
    }
    if (!this.#isValid) return false;
    if (this.wait(chunk, done)) return true;
    if (this.exceptions.has(chunk)) return false;
    if (!this.make(chunk, this.copy(chunk), done)) this.#invalidate("its COW device is full", done);
    return true;
  }

  /** @returns whether the chunk's exception is being made; `done` is called when that has ended */
  wait(chunk: number, done: () => void): boolean {
    const pending = this.#pending.get(chunk);
    if (pending === undefined) return false;
    pending.waiters.push(done);
    return true;
  }

  /** Makes the chunk's exception. @param done when there is one, or the snapshot is invalid. @returns false: there is no room */
  make(chunk: number, fill: FillChunk, done: () => void): boolean {
    const newChunk = this.store.allocate();
    if (newChunk === null) return false;
    const pending = new Pending(chunk, newChunk);
    pending.waiters.push(done);
    this.#pending.set(chunk, pending);
    this.#inOrder.push(pending);
    this.#begin();
    fill(newChunk * this.chunkSectors, (error) => {
      pending.isWritten = error === null;
      if (error === null) this.#commitWritten();
      else this.#invalidate(error.message);
      this.#end();
    });
    return true;
  }

  /** Fills a chunk with what the origin has there. */
  copy(chunk: number): FillChunk {
    const { origin, cow } = this.#use;
    const sector = chunk * this.chunkSectors;
    const sectors = Math.min(this.chunkSectors, origin.sectors - sector);
    return (cowSector, end) => copySectors(origin, sector, cow, cowSector, sectors, end);
  }

  #commitWritten(): void {
    while (this.#isValid && this.#inOrder[0]?.isWritten === true) {
      const pending = this.#inOrder.shift()!;
      this.#begin();
      this.store.commit(pending.chunk, pending.newChunk, (isDurable) => {
        if (isDurable && this.#isValid) this.#committed(pending);
        else this.#invalidate("its exceptions cannot be written");
        this.#end();
      });
    }
  }

  #committed(pending: Pending): void {
    this.exceptions.set(pending.chunk, pending.newChunk);
    // Reads of the origin that were under way before there was an exception are not overtaken by who waits.
    this.tracked.whenNone(pending.chunk, 1, () => this.#release(pending));
  }

  #release(pending: Pending): void {
    if (this.#pending.get(pending.chunk) !== pending) return;
    this.#pending.delete(pending.chunk);
    for (const waiter of pending.waiters) waiter();
  }

  /** The snapshot cannot take a write of its own. */
  overflow(done: () => void): void {
    if (!this.store.isOverflowKnown) {
      this.#invalidate("its COW device is full", done);
      return;
    }
    if (!this.#hasOverflowed) {
      this.#hasOverflowed = true;
      this.#use.changed("its COW device is full, nothing is written to it any more");
    }
    done();
  }

  /** 1 the store says so, durably, 2 whoever waits goes on: a crash in between leaves a snapshot that is whole, for the origin has not changed yet. */
  #invalidate(why: string, done?: () => void): void {
    if (this.#isValid) {
      this.#isValid = false;
      this.#invalidated = [];
      this.#inOrder = [];
      this.#begin();
      void this.store
        .invalidate()
        .catch((error: unknown) => this.#cannotInvalidate(toHoldfastError(error)))
        .then(() => this.#releaseAll());
      this.#use.changed(`it is invalid: ${why}`);
    }
    if (done === undefined) return;
    if (this.#invalidated === null) done();
    else this.#invalidated.push(done);
  }

  #cannotInvalidate(error: HoldfastError): void {
    this.#use.changed(
      `its COW device does not say that it is invalid, do not use it again: ${error.message}`,
    );
  }

  #releaseAll(): void {
    const waiters = this.#invalidated!;
    this.#invalidated = null;
    for (const pending of this.#pending.values()) waiters.push(...pending.waiters);
    this.#pending.clear();
    for (const waiter of waiters) waiter();
    this.#end();
  }
}
