/** The list of buffers of a call that takes several, in memory that the kernel reads during the call. */
import { IOVEC_WORDS } from "./abi.ts";
import type { Kernel } from "./kernel.ts";

/** In one list. */
export const MAX_BUFFERS = 64;
const TWO_32 = 0x1_0000_0000;

export class Iovec {
  readonly #words = new Int32Array(MAX_BUFFERS * IOVEC_WORDS);
  readonly address: number;

  constructor(system: Kernel) {
    this.address = system.addressOf(new Uint8Array(this.#words.buffer));
  }

  setAll(system: Kernel, buffers: readonly Uint8Array[]): void {
    for (let index = 0; index < buffers.length; index += 1)
      this.set(index, system.addressOf(buffers[index]!), buffers[index]!.length);
  }

  set(index: number, address: number, lengthBytes: number): void {
    const at = index * IOVEC_WORDS;
    this.#words[at] = address;
    this.#words[at + 1] = address / TWO_32;
    this.#words[at + 2] = lengthBytes;
  }
}
