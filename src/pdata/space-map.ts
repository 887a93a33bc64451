/**
 * Space map: how often each block is used. Bitmaps hold counts of 0, 1 and 2; higher ones are in a tree. The target's data blocks have one map,
 * the blocks of the metadata itself another.
 *
 *   page of counts (in memory) --write--> its bitmap's shadow, its index entry; counts from 3 on --write--> tree of counts
 *
 * Changes are made in memory and written with the commit. So the map of the metadata, which counts the very blocks it is written to, settles
 * by repetition: shadows are made until no page changes that has none, and then all pages are put into them.
 * A block that the last commit used is not given out, even when it is free now: a cut would bring that commit back.
 */
import { assert } from "../base/assert.ts";
import { HoldfastError } from "../base/errors.ts";
import { BITMAP_BLOCK, BITMAP_ENTRIES, COUNT_IN_TREE } from "../formats/persistent-data.ts";
import type { IndexEntry } from "../formats/persistent-data.ts";
import type { Btree } from "./btree.ts";
import type { CachedBlock } from "./block-cache.ts";
import { Page, fillBitmap, readBitmap } from "./space-map-page.ts";
import type { Transaction } from "./transaction.ts";

/** Where a map's index entries are. */
export interface IndexStore {
  load(page: number): Promise<IndexEntry>;
  /** Before pages are written: makes room for changes, so that `save` needs no new block if the map is the metadata's own. */
  begin(): Promise<void>;
  save(page: number, entry: IndexEntry): Promise<void>;
}

/** 16 KiB each. */
const MAX_CLEAN_PAGES = 1024;

export interface SpaceMapOptions {
  readonly transaction: Transaction;
  readonly store: IndexStore;
  readonly tree: Btree;
  /** For messages: "metadata", "data". */
  readonly of: string;
  readonly blocks: number;
  readonly allocated: number;
  /** Root of the tree of counts. */
  readonly countsRoot: number;
}

export class SpaceMap {
  readonly #transaction: Transaction;
  readonly #store: IndexStore;
  readonly #tree: Btree;
  readonly #of: string;
  #blocks: number;
  #allocated: number;
  #countsRoot: number;
  readonly #pages = new Map<number, Page>();
  readonly #dirty = new Set<Page>();
  /** Counts from 3 on, as far as they are known. */
  readonly #high = new Map<number, number>();
  /** Those for which the tree is to be changed. */
  readonly #highDirty = new Set<number>();
  readonly #reserved = new Set<number>();
  /** Where to look first for a free block. */
  #cursor = 0;

  constructor(options: SpaceMapOptions) {
    this.#transaction = options.transaction;
    this.#store = options.store;
    this.#tree = options.tree;
    this.#of = options.of;
    this.#blocks = options.blocks;
    this.#allocated = options.allocated;
    this.#countsRoot = options.countsRoot;
  }

  get blocks(): number {
    return this.#blocks;
  }

  get allocated(): number {
    return this.#allocated;
  }

  get free(): number {
    return this.#blocks - this.#allocated - this.#reserved.size;
  }

  get countsRoot(): number {
    return this.#countsRoot;
  }

  get isDirty(): boolean {
    return this.#dirty.size > 0 || this.#highDirty.size > 0;
  }

  /** More blocks, all of them free. */
  extend(blocks: number): void {
    const before = Math.ceil(this.#blocks / BITMAP_ENTRIES);
    this.#blocks = blocks;
    for (let index = before; index * BITMAP_ENTRIES < blocks; index += 1) {
      // As the kernel does, the last bitmap counts entries as free that stand for no block.
      const page = new Page(index, { bitmap: 0, free: BITMAP_ENTRIES, noneFreeBefore: 0 });
      this.#pages.set(index, page);
      this.#dirty.add(page);
    }
  }

  /** A new map in a transaction that has nothing yet. @param reserved blocks at the start that are in use */
  format(blocks: number, reserved: number): void {
    this.extend(blocks);
    for (let block = 0; block < reserved; block += 1) this.add(block, 1);
    this.#countsRoot = this.#tree.empty();
  }

  /** Brings everything into memory: from then on nothing needs to be prepared. */
  async loadAll(): Promise<void> {
    for (let index = 0; index * BITMAP_ENTRIES < this.#blocks; index += 1)
      if (!this.#pages.has(index)) await this.#load(index);
    await this.#tree.forEach(this.#countsRoot, (block, { view }, at) => {
      this.#high.set(block, view.getUint32(at, true));
    });
  }

  async #load(index: number): Promise<Page> {
    const known = this.#pages.get(index);
    if (known !== undefined) return known;
    const page = new Page(index, await this.#store.load(index));
    const { data } = await this.#transaction.cache.read(page.bitmap, BITMAP_BLOCK);
    readBitmap(page, data);
    this.#makeRoom();
    this.#pages.set(index, page);
    return page;
  }

  #makeRoom(): void {
    if (this.#pages.size - this.#dirty.size < MAX_CLEAN_PAGES) return;
    for (const page of this.#pages.values()) {
      if (this.#dirty.has(page)) continue;
      this.#pages.delete(page.index);
      return;
    }
  }

  /** Has in memory what `count` and `add` need for this block. */
  async prepare(block: number): Promise<void> {
    const page = await this.#load(Math.floor(block / BITMAP_ENTRIES));
    const isHigh = page.counts[block % BITMAP_ENTRIES] === COUNT_IN_TREE;
    if (!isHigh || this.#high.has(block)) return;
    const found = await this.#tree.get(this.#countsRoot, block);
    if (found === null) throw this.#wrong(block, "its count is missing");
    this.#high.set(block, new DataView(found.buffer).getUint32(0, true));
  }

  #pageOf(block: number): Page {
    if (block >= this.#blocks) throw this.#wrong(block, "there is no such block");
    const page = this.#pages.get(Math.floor(block / BITMAP_ENTRIES));
    assert(page !== undefined, "counts are in memory when they are asked for");
    return page;
  }

  count(block: number): number {
    const count = this.#pageOf(block).counts[block % BITMAP_ENTRIES]!;
    if (count < COUNT_IN_TREE) return count;
    const high = this.#high.get(block);
    if (high === undefined) throw this.#wrong(block, "its count is missing");
    return high;
  }

  /** @param by may be negative. @throws `bad-metadata` if fewer use it than are taken away */
  add(block: number, by: number): void {
    const before = this.count(block);
    const now = before + by;
    if (now < 0) throw this.#wrong(block, `${-by} users are to go, and it has ${before}`);
    const page = this.#pageOf(block);
    const at = block % BITMAP_ENTRIES;
    this.#touch(page);
    page.counts[at] = Math.min(now, COUNT_IN_TREE);
    if (now >= COUNT_IN_TREE) this.#high.set(block, now);
    else this.#high.delete(block);
    if (now >= COUNT_IN_TREE || before >= COUNT_IN_TREE) this.#highDirty.add(block);
    if (before === 0 && now > 0) this.#taken(page, at);
    else if (before > 0 && now === 0) this.#freed(page, at);
  }

  #touch(page: Page): void {
    this.#dirty.add(page);
    page.committed ??= page.counts.slice();
  }

  #taken(page: Page, at: number): void {
    this.#allocated += 1;
    page.free -= 1;
    if (page.noneFreeBefore === at) page.noneFreeBefore = at + 1;
  }

  #freed(page: Page, at: number): void {
    this.#allocated -= 1;
    page.free += 1;
    page.noneFreeBefore = Math.min(page.noneFreeBefore, at);
  }

  /** Of a map that is in memory. @throws `no-space` */
  allocate(): number {
    const block = this.#findIn(this.#cursor, this.#blocks) ?? this.#findIn(0, this.#cursor);
    if (block === null) throw this.#full();
    this.#cursor = block + 1;
    this.add(block, 1);
    return block;
  }

  /**
   * A free block for somebody who will `take` it when what it is for is done. Nothing of this is written, so a cut before leaves no block that is counted
   * and not used. Null: no block is free, or none before the next commit.
   */
  async reserve(): Promise<number | null> {
    if (this.free === 0) return null;
    const pages = Math.ceil(this.#blocks / BITMAP_ENTRIES);
    const first = Math.min(Math.floor(this.#cursor / BITMAP_ENTRIES), pages - 1);
    for (let step = 0; step <= pages; step += 1) {
      const index = (first + step) % pages;
      const page = await this.#load(index);
      const start = index * BITMAP_ENTRIES;
      const from = step === 0 ? Math.max(start, this.#cursor) : start;
      const block = this.#freeIn(page, from, Math.min(this.#blocks, start + BITMAP_ENTRIES));
      if (block === null) continue;
      this.#cursor = block + 1;
      this.#reserved.add(block);
      return block;
    }
    return null;
  }

  /** It has a count of 1 from now on. The block was prepared. @throws `io` if it was reserved before all was undone */
  take(block: number): void {
    if (!this.#reserved.delete(block))
      throw new HoldfastError("io", `The ${this.#of} block ${block} is not reserved any more.`);
    this.add(block, 1);
  }

  /** It was not needed. */
  giveBack(block: number): void {
    this.#reserved.delete(block);
  }

  #findIn(from: number, to: number): number | null {
    for (let start = from; start < to;) {
      const page = this.#pageOf(start);
      const end = Math.min(to, (page.index + 1) * BITMAP_ENTRIES);
      const block = this.#freeIn(page, start, end);
      if (block !== null) return block;
      start = end;
    }
    return null;
  }

  #freeIn(page: Page, from: number, to: number): number | null {
    if (page.free === 0) return null;
    const start = page.index * BITMAP_ENTRIES;
    for (let at = Math.max(from - start, page.noneFreeBefore); at < to - start; at += 1)
      if (page.isFree(at) && !this.#reserved.has(start + at)) return start + at;
    return null;
  }

  /** All changes into blocks; the roots that a superblock takes over are right afterwards. */
  async write(): Promise<void> {
    if (!this.isDirty) return;
    await this.#store.begin();
    await this.#settle();
    for (const page of this.#dirty) {
      page.bitmap = page.shadow!.location;
      const { bitmap, free, noneFreeBefore } = page;
      await this.#store.save(page.index, { bitmap, free, noneFreeBefore });
      fillBitmap(page);
    }
  }

  /** Until every changed page has a shadow and the tree has all high counts: either may change the map itself. */
  async #settle(): Promise<void> {
    do {
      // What these sets get meanwhile is visited as well.
      for (const block of this.#highDirty) {
        this.#highDirty.delete(block);
        await this.#writeHigh(block);
      }
      for (const page of this.#dirty) page.shadow ??= await this.#shadowOf(page);
    } while (this.#highDirty.size > 0);
  }

  async #shadowOf(page: Page): Promise<CachedBlock> {
    if (page.bitmap === 0) return this.#transaction.newBlock(BITMAP_BLOCK);
    return (await this.#transaction.shadow(page.bitmap, BITMAP_BLOCK)).block;
  }

  async #writeHigh(block: number): Promise<void> {
    const count = this.#high.get(block);
    if (count === undefined) {
      this.#countsRoot = (await this.#tree.remove(this.#countsRoot, block)) ?? this.#countsRoot;
      return;
    }
    const value = new Uint8Array(4);
    new DataView(value.buffer).setUint32(0, count, true);
    this.#countsRoot = await this.#tree.insert(this.#countsRoot, block, value);
  }

  /** The superblock is on the disk. */
  committed(): void {
    for (const page of this.#dirty) {
      page.committed = null;
      page.shadow = null;
    }
    this.#dirty.clear();
    // As in the kernel: what was given back is used before what never was.
    this.#cursor = 0;
  }

  #wrong(block: number, what: string): HoldfastError {
    return new HoldfastError(
      "bad-metadata",
      `The space map of the ${this.#of} is wrong at block ${block}: ${what}.`,
    );
  }

  #full(): HoldfastError {
    return new HoldfastError("no-space", `No ${this.#of} block is free of ${this.#blocks}.`);
  }
}
