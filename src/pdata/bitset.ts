/** Bitset: an array of words of 64 bits. Bit n is bit n % 64 of word n / 64; bits behind the end of the last word are clear. */
import { DiskArray } from "./array.ts";
import type { Transaction } from "./transaction.ts";

export const BITSET_WORD_BITS = 64;
export const BITSET_WORD_BYTES = 8;
const CLEAR = new Uint8Array(BITSET_WORD_BYTES);

export class DiskBitset {
  readonly #words: DiskArray;

  constructor(transaction: Transaction) {
    this.#words = new DiskArray(transaction, BITSET_WORD_BYTES);
  }

  /** @returns the root of a set of clear bits */
  make(bits: number): Promise<number> {
    return this.#words.grow(this.#words.empty(), 0, Math.ceil(bits / BITSET_WORD_BITS), CLEAR);
  }

  /** More bits, which are clear. @returns the new root */
  grow(root: number, from: number, to: number): Promise<number> {
    return this.#words.grow(
      root,
      Math.ceil(from / BITSET_WORD_BITS),
      Math.ceil(to / BITSET_WORD_BITS),
      CLEAR,
    );
  }

  /** All bits, eight to a byte, the lowest first. */
  load(root: number, bits: number): Promise<Uint8Array> {
    return this.#words.load(root, Math.ceil(bits / BITSET_WORD_BITS));
  }

  /** Writes word `index` out of bytes like those of `load`. @returns the new root */
  setWord(root: number, index: number, all: Uint8Array): Promise<number> {
    const word = all.subarray(index * BITSET_WORD_BYTES, (index + 1) * BITSET_WORD_BYTES);
    return this.#words.set(root, index, word);
  }
}
