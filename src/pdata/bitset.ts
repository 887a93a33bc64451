/** Bitset: an array of words of 64 bits. Bit n is bit n % 64 of word n / 64; bits behind the end of the last word are clear. */
import { DiskArray } from "./array.ts";
import type { Transaction } from "./transaction.ts";

const WORD_BITS = 64;
const WORD_BYTES = 8;
const CLEAR = new Uint8Array(WORD_BYTES);

export class DiskBitset {
  readonly #words: DiskArray;

  constructor(transaction: Transaction) {
    this.#words = new DiskArray(transaction, WORD_BYTES);
  }

  /** @returns the root of a set of clear bits */
  make(bits: number): Promise<number> {
    return this.#words.grow(this.#words.empty(), 0, Math.ceil(bits / WORD_BITS), CLEAR);
  }

  /** More bits, which are clear. @returns the new root */
  grow(root: number, from: number, to: number): Promise<number> {
    return this.#words.grow(root, Math.ceil(from / WORD_BITS), Math.ceil(to / WORD_BITS), CLEAR);
  }

  /** All bits, eight to a byte, the lowest first. */
  load(root: number, bits: number): Promise<Uint8Array> {
    return this.#words.load(root, Math.ceil(bits / WORD_BITS));
  }

  /** Writes word `index` out of bytes like those of `load`. @returns the new root */
  setWord(root: number, index: number, all: Uint8Array): Promise<number> {
    const word = all.subarray(index * WORD_BYTES, (index + 1) * WORD_BYTES);
    return this.#words.set(root, index, word);
  }
}
