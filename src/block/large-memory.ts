/**
 * Memory for long reads that is used again: V8 has new memory zeroed, and collects garbage the more often the more of it is
 * allocated. By size, powers of two.
 */
export class LargeMemory {
  readonly #mostSpareBytes: number;
  /** By the power of two. */
  readonly #spare: ArrayBuffer[][] = [];
  #spareBytes = 0;

  /** @param mostSpareBytes what is given back beyond that is left to the garbage collector */
  constructor(mostSpareBytes: number) {
    this.#mostSpareBytes = mostSpareBytes;
  }

  /** So many bytes, whatever they hold. */
  take(bytes: number): Uint8Array<ArrayBuffer> {
    const power = powerFor(bytes);
    const spare = this.#spare[power]?.pop();
    if (spare !== undefined) this.#spareBytes -= spare.byteLength;
    return new Uint8Array(spare ?? new ArrayBuffer(2 ** power), 0, bytes);
  }

  /** What `take` has given: nobody reads or writes it any more. */
  give(memory: ArrayBuffer): void {
    if (this.#spareBytes + memory.byteLength > this.#mostSpareBytes) return;
    this.#spareBytes += memory.byteLength;
    (this.#spare[powerFor(memory.byteLength)] ??= []).push(memory);
  }
}

function powerFor(bytes: number): number {
  return 32 - Math.clz32(bytes - 1);
}
