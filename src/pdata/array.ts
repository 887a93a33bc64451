/**
 * Array: values of one size by index, many to a block, and a tree that leads to the blocks.
 *
 *   tree: number of the block -> array block of maxEntries values; the last has as many as are left
 */
import { HoldfastError } from "../base/errors.ts";
import { ARRAY_BLOCK, METADATA_BLOCK_BYTES, arrayHeader } from "../formats/persistent-data.ts";
import { Btree } from "./btree.ts";
import { getU64, putU64 } from "./btree-node.ts";
import type { CachedBlock } from "./block-cache.ts";
import type { Transaction } from "./transaction.ts";

export function valuesPerBlock(valueBytes: number): number {
  return Math.floor((METADATA_BLOCK_BYTES - arrayHeader.size) / valueBytes);
}

/** Why a block cannot have `count` values of an array, half a sentence; null: it has them. */
export function arrayBlockProblem(
  { data }: CachedBlock,
  valueBytes: number,
  count: number,
): string | null {
  const found = arrayHeader.decode(data);
  const isSane =
    found.valueBytes === valueBytes &&
    found.maxEntries === valuesPerBlock(valueBytes) &&
    found.entries <= found.maxEntries;
  if (isSane && count <= found.entries) return null;
  return `it has ${found.entries} of ${found.maxEntries} values of ${found.valueBytes} bytes, and ${count} of ${valueBytes} bytes were expected`;
}

export class DiskArray {
  readonly valueBytes: number;
  readonly perBlock: number;
  readonly #transaction: Transaction;
  readonly #tree: Btree;

  constructor(transaction: Transaction, valueBytes: number) {
    this.#transaction = transaction;
    this.valueBytes = valueBytes;
    this.perBlock = valuesPerBlock(valueBytes);
    const each = (
      { view }: CachedBlock,
      offset: number,
      count: number,
      visit: (location: number) => void,
    ): Promise<void> => {
      for (let index = 0; index < count; index += 1) visit(getU64(view, offset + index * 8));
      return Promise.resolve();
    };
    this.#tree = new Btree(transaction, {
      bytes: 8,
      inc: (node, offset, count) => each(node, offset, count, (at) => transaction.inc(at)),
      dec: (node, offset, count) => each(node, offset, count, (at) => void transaction.dec(at)),
    });
  }

  /** @returns the root of an array of nothing */
  empty(): number {
    return this.#tree.empty();
  }

  /** Makes it longer. @param fill of the new values. @returns the new root */
  async grow(root: number, from: number, to: number, fill: Uint8Array): Promise<number> {
    let after = root;
    for (let index = from; index < to;) {
      const number = Math.floor(index / this.perBlock);
      const end = Math.min(to, (number + 1) * this.perBlock);
      const { block, root: now } =
        index % this.perBlock === 0
          ? await this.#append(after, number)
          : await this.#shadow(after, number);
      after = now;
      for (; index < end; index += 1)
        block.data.set(fill, this.#offset(index - number * this.perBlock));
      arrayHeader.encodeInto(block.data, 0, { entries: end - number * this.perBlock });
    }
    return after;
  }

  async #append(root: number, number: number): Promise<Shadowed> {
    const block = this.#transaction.newBlock(ARRAY_BLOCK);
    arrayHeader.encodeInto(block.data, 0, {
      maxEntries: this.perBlock,
      entries: 0,
      valueBytes: this.valueBytes,
    });
    return { block, root: await this.#point(root, number, block.location) };
  }

  /** @returns the new root. @throws `bad-metadata` for an array that ends before */
  async set(root: number, index: number, value: Uint8Array): Promise<number> {
    const { block, root: after } = await this.#shadow(root, Math.floor(index / this.perBlock));
    this.#check(block, index % this.perBlock);
    block.data.set(value, this.#offset(index % this.perBlock));
    return after;
  }

  /** A copy. @throws `bad-metadata` for an array that ends before */
  async get(root: number, index: number): Promise<Uint8Array> {
    const location = await this.#locate(root, Math.floor(index / this.perBlock));
    const block = await this.#transaction.cache.read(location, ARRAY_BLOCK);
    this.#check(block, index % this.perBlock);
    const at = this.#offset(index % this.perBlock);
    return block.data.slice(at, at + this.valueBytes);
  }

  /** The values of a whole array, one after the other. */
  async load(root: number, count: number): Promise<Uint8Array> {
    const all = new Uint8Array(count * this.valueBytes);
    for (let index = 0; index < count; index += this.perBlock) {
      const location = await this.#locate(root, index / this.perBlock);
      const block = await this.#transaction.cache.read(location, ARRAY_BLOCK);
      const here = Math.min(this.perBlock, count - index);
      this.#check(block, here - 1);
      const from = this.#offset(0);
      all.set(block.data.subarray(from, from + here * this.valueBytes), index * this.valueBytes);
    }
    return all;
  }

  #offset(index: number): number {
    return arrayHeader.size + index * this.valueBytes;
  }

  #check(block: CachedBlock, index: number): void {
    const problem = arrayBlockProblem(block, this.valueBytes, index + 1);
    if (problem === null) return;
    throw new HoldfastError(
      "bad-metadata",
      `Metadata block ${block.location}, an ${ARRAY_BLOCK.name}, is wrong: ${problem}.`,
    );
  }

  async #locate(root: number, number: number): Promise<number> {
    const found = await this.#tree.get(root, number);
    if (found === null)
      throw new HoldfastError(
        "bad-metadata",
        `The array at metadata block ${root} has no part ${number}.`,
      );
    return getU64(new DataView(found.buffer), 0);
  }

  /** A block of the array to be changed, and the tree pointed to it. */
  async #shadow(root: number, number: number): Promise<Shadowed> {
    const location = await this.#locate(root, number);
    const { block } = await this.#transaction.shadow(location, ARRAY_BLOCK);
    if (block.location === location) return { block, root };
    // The copy took away one user, and the tree will do so again when its value is replaced.
    this.#transaction.inc(location);
    return { block, root: await this.#point(root, number, block.location) };
  }

  #point(root: number, number: number, location: number): Promise<number> {
    const value = new Uint8Array(8);
    putU64(new DataView(value.buffer), 0, location);
    return this.#tree.insert(root, number, value);
  }
}

interface Shadowed {
  readonly block: CachedBlock;
  readonly root: number;
}
