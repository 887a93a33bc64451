/**
 * Btree: keys of 64 bits in order, values of one size, all of it in shadowed blocks. A tree is its root's block; every change gives another root.
 *
 * Looking up a key needs no promise while its blocks are in memory: `find` says that it is there, that it is not, or which block is `missing`.
 * Whoever changes a tree sees to it that nobody looks meanwhile: between the reads of a change it is torn.
 *
 * Values may stand for something that is counted, a block of data or the root of another tree. A node that is copied, or that goes, counts those
 * up and down (`ValueType`).
 */
import { HoldfastError } from "../base/errors.ts";
import { BTREE_NODE } from "../formats/persistent-data.ts";
import { changeAt, insertInto } from "./btree-insert.ts";
import { removeFrom } from "./btree-remove.ts";
import type { Removal } from "./btree-remove.ts";
import {
  checkNode,
  childAt,
  entriesOf,
  initNode,
  isLeaf,
  keyAt,
  lowerBound,
  valueOffset,
} from "./btree-node.ts";
import type { CachedBlock } from "./block-cache.ts";
import type { Shadow, Transaction } from "./transaction.ts";

export interface ValueType {
  readonly bytes: number;
  /** `count` values from `offset` on in a node have one user more. */
  readonly inc?: (node: CachedBlock, offset: number, count: number) => Promise<void>;
  /** One less. */
  readonly dec?: (node: CachedBlock, offset: number, count: number) => Promise<void>;
}

export const NOT_FOUND = -1;
export const NOT_IN_MEMORY = -2;

/** No tree that fits on a device is deeper: one that is leads back to itself. */
const MAX_DEPTH = 24;

function checkDepth(location: number, depth: number): void {
  if (depth > MAX_DEPTH)
    throw new HoldfastError(
      "bad-metadata",
      `The tree that block ${location} belongs to leads in a circle.`,
    );
}

export interface FoundEntry {
  readonly key: number;
  readonly leaf: CachedBlock;
  /** Of the value in the leaf. */
  readonly offset: number;
}

export class Btree {
  readonly transaction: Transaction;
  readonly type: ValueType;
  /** What `find` found: the node with the value. */
  leaf: CachedBlock | null = null;
  /** What `find` misses. */
  missing = 0;

  constructor(transaction: Transaction, type: ValueType) {
    this.transaction = transaction;
    this.type = type;
  }

  /** A new tree of nothing. @returns its root */
  empty(): number {
    const node = this.transaction.newBlock(BTREE_NODE);
    initNode(node, "leaf", this.type.bytes);
    node.checkedFor = this.type.bytes;
    return node.location;
  }

  /** @returns the offset of the value in `leaf`, or NOT_FOUND, or NOT_IN_MEMORY: then `missing` is to be read first */
  find(root: number, key: number): number {
    const { cache } = this.transaction;
    let location = root;
    for (let depth = 0; ; depth += 1) {
      checkDepth(root, depth);
      const node = cache.peek(location, BTREE_NODE);
      // One that was found unfit stays in memory, and is not to be looked into the next time either.
      if (node === null || node.checkedFor !== this.type.bytes) {
        this.missing = location;
        return NOT_IN_MEMORY;
      }
      const index = lowerBound(node, key);
      if (index < 0) return NOT_FOUND;
      if (isLeaf(node)) {
        if (keyAt(node, index) !== key) return NOT_FOUND;
        this.leaf = node;
        return valueOffset(node, index);
      }
      location = childAt(node, index);
    }
  }

  /** Reads a node into memory. */
  async read(location: number): Promise<CachedBlock> {
    const node = await this.transaction.cache.read(location, BTREE_NODE);
    this.#check(node);
    return node;
  }

  /** @throws `bad-metadata` */
  #check(node: CachedBlock): void {
    if (node.checkedFor === this.type.bytes) return;
    checkNode(node, this.type.bytes);
    node.checkedFor = this.type.bytes;
  }

  /** A copy of the value, or null. */
  async get(root: number, key: number): Promise<Uint8Array | null> {
    for (;;) {
      const offset = this.find(root, key);
      if (offset === NOT_FOUND) return null;
      if (offset >= 0) return this.leaf!.data.slice(offset, offset + this.type.bytes);
      await this.read(this.missing);
    }
  }

  /** The entry with the lowest key that is not below `key`. */
  async next(root: number, key: number, depth = 0): Promise<FoundEntry | null> {
    checkDepth(root, depth);
    const node = await this.read(root);
    const before = lowerBound(node, key);
    const first =
      before >= 0 && (!isLeaf(node) || keyAt(node, before) === key) ? before : before + 1;
    for (let index = first; index < entriesOf(node); index += 1) {
      if (isLeaf(node))
        return { key: keyAt(node, index), leaf: node, offset: valueOffset(node, index) };
      const found = await this.next(childAt(node, index), key, depth + 1);
      if (found !== null) return found;
    }
    return null;
  }

  /** The highest key. */
  async last(root: number, depth = 0): Promise<number | null> {
    checkDepth(root, depth);
    const node = await this.read(root);
    const entries = entriesOf(node);
    if (entries === 0) return null;
    return isLeaf(node)
      ? keyAt(node, entries - 1)
      : this.last(childAt(node, entries - 1), depth + 1);
  }

  /** In order of keys. @param visit the value is at `offset` of the leaf */
  async forEach(
    root: number,
    visit: (key: number, leaf: CachedBlock, offset: number) => void | Promise<void>,
    depth = 0,
  ): Promise<void> {
    checkDepth(root, depth);
    const node = await this.read(root);
    for (let index = 0; index < entriesOf(node); index += 1) {
      if (isLeaf(node)) await visit(keyAt(node, index), node, valueOffset(node, index));
      else await this.forEach(childAt(node, index), visit, depth + 1);
    }
  }

  /** Puts a value in, in the place of the one that was there. @returns the new root */
  insert(root: number, key: number, value: Uint8Array): Promise<number> {
    return insertInto(this, root, key, value);
  }

  /** Changes a value that is there, in its leaf: see `changeAt`. @returns the new root */
  change(
    root: number,
    key: number,
    change: (leaf: CachedBlock, offset: number) => Promise<void>,
  ): Promise<number> {
    return changeAt(this, root, key, change);
  }

  /** @returns the new root; null: the key is not there, and nothing has changed */
  async remove(root: number, key: number): Promise<number | null> {
    const { root: after, removed } = await removeFrom(this, root, key, key + 1);
    return removed === 0 ? null : after;
  }

  /** Takes out entries with keys from `from` up to, not including, `to`: all that are in one leaf. Repeat until nothing was removed. */
  removeSome(root: number, from: number, to: number): Promise<Removal> {
    return removeFrom(this, root, from, to);
  }

  /** A node to be changed; what a copy of a shared one points to has one more user. */
  async shadow(location: number): Promise<CachedBlock> {
    const { block, isCopyOfShared }: Shadow = await this.transaction.shadow(location, BTREE_NODE);
    this.#check(block);
    if (!isCopyOfShared) return block;
    const entries = entriesOf(block);
    if (isLeaf(block)) await this.type.inc?.(block, valueOffset(block, 0), entries);
    else
      for (let index = 0; index < entries; index += 1) this.transaction.inc(childAt(block, index));
    return block;
  }

  /** One user of the tree less; with the last one it goes, and what it holds is counted down. */
  async delete(root: number): Promise<void> {
    if (this.transaction.isShared(root)) {
      this.transaction.dec(root);
      return;
    }
    const node = await this.read(root);
    const entries = entriesOf(node);
    if (isLeaf(node)) await this.type.dec?.(node, valueOffset(node, 0), entries);
    else for (let index = 0; index < entries; index += 1) await this.delete(childAt(node, index));
    this.transaction.dec(root);
  }
}

/** Values that are roots of other trees: a copy of the node is one more user of each of them. */
export function subtrees(inner: Btree): ValueType {
  const each = async (
    { view }: CachedBlock,
    offset: number,
    count: number,
    visit: (root: number) => Promise<void> | void,
  ): Promise<void> => {
    for (let index = 0; index < count; index += 1)
      await visit(Number(view.getBigUint64(offset + index * 8, true)));
  };
  return {
    bytes: 8,
    inc: (node, offset, count) => each(node, offset, count, (root) => inner.transaction.inc(root)),
    dec: (node, offset, count) => each(node, offset, count, (root) => inner.delete(root)),
  };
}
