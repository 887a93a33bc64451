/**
 * The stores `P` and `PO`: exceptions are kept in areas of the COW device, in the kernel's format (src/formats/dm-snapshot.ts).
 *
 * One area is in memory: the last one, which is filled. What is committed while it is being written goes out together with the next writing.
 */
import { HoldfastError } from "../../../base/errors.ts";
import { SECTOR_BYTES } from "../../../base/units.ts";
import { BioFlags } from "../../../block/bio.ts";
import type { BlockDevice } from "../../../block/device.ts";
import { flush, readInto, readSectors, writeSectors } from "../../../block/promises.ts";
import {
  SNAPSHOT_MAGIC,
  SNAPSHOT_VERSION,
  areaChunk,
  exceptionsPerArea,
  isAreaChunk,
  metadataChunks,
  readSnapshotHeader,
  snapshotException,
  snapshotHeader,
} from "../../../formats/dm-snapshot.ts";
import type { ChunkRun, ExceptionStore, StoreUsage } from "./exception-store.ts";

interface Commit {
  readonly oldChunk: number;
  readonly newChunk: number;
  readonly done: (isDurable: boolean) => void;
}

export interface LoadedStore {
  readonly store: PersistentStore;
  readonly isValid: boolean;
  /** New chunks by old ones. */
  readonly exceptions: Map<number, number>;
}

export class PersistentStore implements ExceptionStore {
  readonly kind: string;
  readonly isOverflowKnown: boolean;
  readonly chunkSectors: number;
  #cow: BlockDevice;
  readonly #perArea: number;
  #areaBytes: Uint8Array;
  #area = 0;
  /** Exceptions in the area. */
  #committed = 0;
  #nextFree = areaChunk(0, 1) + 1;
  #isValid = true;
  readonly #waiting: Commit[] = [];
  #isWriting = false;

  private constructor(cow: BlockDevice, isOverflowKnown: boolean, chunkSectors: number) {
    this.#cow = cow;
    this.kind = isOverflowKnown ? "PO" : "P";
    this.isOverflowKnown = isOverflowKnown;
    this.chunkSectors = chunkSectors;
    this.#perArea = exceptionsPerArea(chunkSectors);
    this.#areaBytes = new Uint8Array(chunkSectors * SECTOR_BYTES);
  }

  /**
   * Begins a new store on a device that has none. 1 flush, 2 read: exceptions that a process that died left in a cache count, and the origin's
   * chunks are overwritten without another word.
   * @param chunkSectors of a new one: those of a store that is there are what they are
   */
  static async load(
    cow: BlockDevice,
    isOverflowKnown: boolean,
    chunkSectors: number,
  ): Promise<LoadedStore> {
    await flush(cow);
    const header = readSnapshotHeader(await readSectors(cow, 0, 1), cow.name);
    const store = new PersistentStore(cow, isOverflowKnown, header?.chunkSectors ?? chunkSectors);
    const exceptions = new Map<number, number>();
    if (header === null) await store.#begin();
    else if (header.isValid) await store.#readAreas(exceptions);
    else store.#isValid = false;
    return { store, isValid: store.#isValid, exceptions };
  }

  /** 1 an empty area, 2 flush, 3 header: the kernel's order is the other one, in which a crash leaves a header before an area of old bytes. */
  async #begin(): Promise<void> {
    if (!this.#hasRoomFor(areaChunk(0, this.chunkSectors)))
      throw new HoldfastError(
        "no-space",
        `${this.#cow.name} has ${this.#cow.sectors} sectors, and an exception store has at least ${2 * this.chunkSectors}.`,
      );
    await this.#writeArea(0);
    await this.#writeHeader();
  }

  async #writeHeader(): Promise<void> {
    const bytes = new Uint8Array(this.chunkSectors * SECTOR_BYTES);
    snapshotHeader.encodeInto(bytes, 0, {
      magic: SNAPSHOT_MAGIC,
      valid: this.#isValid ? 1 : 0,
      version: SNAPSHOT_VERSION,
      chunkSectors: this.chunkSectors,
    });
    await flush(this.#cow);
    await writeSectors(this.#cow, 0, bytes, BioFlags.fua);
  }

  async #readAreas(exceptions: Map<number, number>): Promise<void> {
    this.#area = -1;
    do {
      this.#area += 1;
      await this.#readArea();
      this.#committed = this.#addTo(exceptions);
    } while (this.#committed === this.#perArea);
    if (isAreaChunk(this.#nextFree, this.chunkSectors)) this.#nextFree += 1;
  }

  async #readArea(): Promise<void> {
    this.#checkRoom(areaChunk(this.#area, this.chunkSectors), "its list of exceptions");
    await readInto(this.#cow, this.#areaSector(this.#area), this.#areaBytes);
  }

  #areaSector(area: number): number {
    return areaChunk(area, this.chunkSectors) * this.chunkSectors;
  }

  #hasRoomFor(chunk: number): boolean {
    return (chunk + 1) * this.chunkSectors <= this.#cow.sectors;
  }

  #checkRoom(chunk: number, what: string): void {
    if (!this.#hasRoomFor(chunk))
      throw new HoldfastError(
        "bad-metadata",
        `${this.#cow.name}: ${what} goes on behind the device's end, in chunk ${chunk}.`,
      );
  }

  /** @returns how many the area has */
  #addTo(exceptions: Map<number, number>): number {
    for (let index = 0; index < this.#perArea; index += 1) {
      const { oldChunk, newChunk } = this.#exception(index);
      if (newChunk === 0) {
        // A torn area may have more behind its end: that is not to be found when the end moves on.
        this.#areaBytes.fill(0, index * snapshotException.size);
        return index;
      }
      this.#checkRoom(newChunk, `the exception of chunk ${oldChunk}`);
      exceptions.set(oldChunk, newChunk);
      this.#nextFree = Math.max(this.#nextFree, newChunk + 1);
    }
    return this.#perArea;
  }

  #exception(index: number): { oldChunk: number; newChunk: number } {
    return snapshotException.decode(this.#areaBytes, index * snapshotException.size);
  }

  get usage(): StoreUsage {
    return {
      allocatedSectors: this.#nextFree * this.chunkSectors,
      totalSectors: this.#cow.sectors,
      metadataSectors: metadataChunks(this.#area) * this.chunkSectors,
    };
  }

  use(cow: BlockDevice): void {
    this.#cow = cow;
  }

  allocate(): number | null {
    const chunk = this.#nextFree;
    if (!this.#hasRoomFor(chunk)) return null;
    this.#nextFree += isAreaChunk(chunk + 1, this.chunkSectors) ? 2 : 1;
    return chunk;
  }

  commit(oldChunk: number, newChunk: number, done: (isDurable: boolean) => void): void {
    this.#waiting.push({ oldChunk, newChunk, done });
    if (!this.#isWriting) void this.#writeWaiting();
  }

  async #writeWaiting(): Promise<void> {
    this.#isWriting = true;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, this.#perArea - this.#committed);
      if (this.#isValid) await this.#writeBatch(batch).catch(() => (this.#isValid = false));
      const isDurable = this.#isValid;
      for (const { done } of batch) done(isDurable);
    }
    this.#isWriting = false;
  }

  /**
   * 1 the chunks' data (written before commit is called), 2 the next area empty if this one is full now, 3 flush, 4 the area: a crash before 4 has
   * ended leaves the exceptions out, or those of them in whose sectors were written; their data is there.
   */
  async #writeBatch(batch: readonly Commit[]): Promise<void> {
    for (const { oldChunk, newChunk } of batch) {
      const at = this.#committed * snapshotException.size;
      snapshotException.encodeInto(this.#areaBytes, at, { oldChunk, newChunk });
      this.#committed += 1;
    }
    const isFull = this.#committed === this.#perArea;
    if (isFull) await this.#writeArea(this.#area + 1, new Uint8Array(this.#areaBytes.length));
    await flush(this.#cow);
    await this.#writeArea(this.#area, this.#areaBytes, BioFlags.fua);
    if (!isFull) return;
    this.#area += 1;
    this.#committed = 0;
    this.#areaBytes = new Uint8Array(this.#areaBytes.length);
  }

  async #writeArea(area: number, bytes = this.#areaBytes, flags = 0): Promise<void> {
    this.#checkRoom(areaChunk(area, this.chunkSectors), "its list of exceptions");
    await writeSectors(this.#cow, this.#areaSector(area), bytes, flags);
  }

  async invalidate(): Promise<void> {
    this.#isValid = false;
    await this.#writeHeader();
  }

  async lastRun(): Promise<ChunkRun | null> {
    if (this.#committed === 0) {
      if (this.#area === 0) return null;
      this.#area -= 1;
      await this.#readArea();
      this.#committed = this.#perArea;
    }
    const last = this.#exception(this.#committed - 1);
    let chunks = 1;
    for (; chunks < this.#committed; chunks += 1) {
      const { oldChunk, newChunk } = this.#exception(this.#committed - 1 - chunks);
      if (oldChunk !== last.oldChunk - chunks || newChunk !== last.newChunk - chunks) break;
    }
    const before = chunks - 1;
    return { oldChunk: last.oldChunk - before, newChunk: last.newChunk - before, chunks };
  }

  async removeLast(chunks: number): Promise<void> {
    const end = this.#committed * snapshotException.size;
    this.#areaBytes.fill(0, end - chunks * snapshotException.size, end);
    await flush(this.#cow);
    await this.#writeArea(this.#area, this.#areaBytes, BioFlags.fua);
    this.#committed -= chunks;
    // As if all had been allocated in the order in which they were committed; nothing is allocated while a snapshot is merged.
    this.#nextFree = areaChunk(this.#area, this.chunkSectors) + this.#committed + 1;
  }
}
