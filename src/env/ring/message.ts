/** A struct msghdr with its iovecs behind it, in memory of its own that is used again and again: what sendmsg and recvmsg take. */
import { IOVEC_WORDS, MessageHeader } from "./abi.ts";
import type { Kernel } from "./kernel.ts";

const TWO_32 = 0x1_0000_0000;

export class Message {
  readonly address: number;
  readonly #system: Kernel;
  readonly #words: Int32Array;

  /** @param pieces at most so many */
  constructor(system: Kernel, pieces: number) {
    this.#system = system;
    this.#words = new Int32Array(MessageHeader.words + pieces * IOVEC_WORDS);
    this.address = system.addressOf(new Uint8Array(this.#words.buffer));
    const first = this.address + 4 * MessageHeader.words;
    this.#words[MessageHeader.iovLow] = first;
    this.#words[MessageHeader.iovHigh] = first / TWO_32;
  }

  /** How many pieces are used. */
  set count(count: number) {
    this.#words[MessageHeader.iovLength] = count;
  }

  /** Piece number `index` is so many bytes of `bytes` from `from` on. */
  set(index: number, bytes: Uint8Array, from: number, length: number): void {
    const at = MessageHeader.words + index * IOVEC_WORDS;
    const address = length === 0 ? 0 : this.#system.addressOf(bytes) + from;
    this.#words[at] = address;
    this.#words[at + 1] = address / TWO_32;
    this.#words[at + 2] = length;
  }
}
