/**
 * Transaction: blocks of the last commit are never changed. What is to change is copied first (its shadow), once in a transaction, so a cut at
 * any time leaves the last commit whole.
 *
 *   change ... change            shadows are written in place, in memory
 *   commit:  1 space maps are brought up to date, 2 all changed blocks are written, 3 flush, 4 the superblock, with FUA
 *            (whoever has data that the metadata vouches for flushes it before 2: a cut before 4 is as if nothing had been)
 *
 * A block of reference count above one is shared by several trees. Its copy points to the same children, which so get one more reference each.
 */
import { assert } from "../base/assert.ts";
import { BioFlags } from "../block/bio.ts";
import type { BlockKind } from "../formats/persistent-data.ts";
import type { BlockCache } from "./block-cache.ts";
import type { CachedBlock } from "./block-cache.ts";

const SUPERBLOCK_LOCATION = 0;

/** Who knows which metadata blocks are in use. All of it is in memory. */
export interface BlockCounts {
  /** A block that is free now and was in the last commit, with a count of 1 from now on. @throws `no-space` */
  allocate(): number;
  count(location: number): number;
  /** Adds to the count. @param by may be negative */
  add(location: number, by: number): void;
}

export interface Shadow {
  readonly block: CachedBlock;
  /** The original has other users still: what the block points to has one more now. */
  readonly isCopyOfShared: boolean;
}

export class Transaction {
  readonly cache: BlockCache;
  #counts: BlockCounts | null = null;
  /** Blocks that this transaction made. */
  readonly #shadows = new Set<number>();

  constructor(cache: BlockCache) {
    this.cache = cache;
  }

  /** The space map stands on the transaction, and the other way round. */
  set counts(counts: BlockCounts) {
    this.#counts = counts;
  }

  get counts(): BlockCounts {
    assert(this.#counts !== null, "a transaction has its space map before it changes anything");
    return this.#counts;
  }

  /** Something was changed since the last commit. */
  get isDirty(): boolean {
    return this.#shadows.size > 0;
  }

  newBlock(kind: BlockKind): CachedBlock {
    const location = this.counts.allocate();
    this.#shadows.add(location);
    return this.cache.zero(location, kind);
  }

  /** A block to be changed in the place of `location`. */
  async shadow(location: number, kind: BlockKind): Promise<Shadow> {
    const isShared = this.counts.count(location) > 1;
    const original = await this.cache.read(location, kind);
    if (this.#shadows.has(location) && !isShared) {
      // It may have been written early.
      this.cache.markDirty(original);
      return { block: original, isCopyOfShared: false };
    }
    const block = this.newBlock(kind);
    block.data.set(original.data);
    this.counts.add(location, -1);
    return { block, isCopyOfShared: isShared };
  }

  inc(location: number, by = 1): void {
    this.counts.add(location, by);
  }

  /** One user less. @returns those that are left */
  dec(location: number): number {
    this.counts.add(location, -1);
    const left = this.counts.count(location);
    if (left === 0 && this.#shadows.has(location)) this.cache.forget(location);
    return left;
  }

  isShared(location: number): boolean {
    return this.counts.count(location) > 1;
  }

  /**
   * Makes all changes durable; those to the space maps were made. On an error the superblock of before counts, or, if it was the superblock's
   * write that failed, one of the two.
   */
  async commit(kind: BlockKind, superblock: Uint8Array): Promise<void> {
    // 2 blocks, 3 flush, 4 superblock: all its fields are in one sector, so half of it is never there.
    await this.cache.writeDirty();
    await this.cache.flush();
    await this.cache.writeThrough(SUPERBLOCK_LOCATION, kind, superblock, BioFlags.fua);
    this.#shadows.clear();
  }
}
