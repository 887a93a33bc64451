/**
 * Payload buffers in sizes of powers of two, used again and again, so that neither the allocator nor the zeroing of fresh
 * memory is on the data path. What lies unused is bounded; what is in use is the budget's business (budget.ts).
 * A buffer comes with whatever bytes it had: it goes to a client only after a read has filled it.
 */

const SMALLEST_BYTES = 4096;

/** Bytes of memory that a buffer of `length` takes. */
export function bufferCost(length: number): number {
  if (length <= SMALLEST_BYTES) return SMALLEST_BYTES;
  return 2 ** (32 - Math.clz32(length - 1));
}

export class BufferPool {
  readonly #free = new Map<number, ArrayBuffer[]>();
  readonly #maxFreeBytes: number;
  #freeBytes = 0;

  constructor(maxFreeBytes: number) {
    this.#maxFreeBytes = maxFreeBytes;
  }

  get freeBytes(): number {
    return this.#freeBytes;
  }

  take(length: number): Uint8Array {
    const cost = bufferCost(length);
    const buffer = this.#free.get(cost)?.pop();
    if (buffer === undefined) return new Uint8Array(new ArrayBuffer(cost), 0, length);
    this.#freeBytes -= cost;
    return new Uint8Array(buffer, 0, length);
  }

  /** Takes back what `take` gave. */
  give(data: Uint8Array): void {
    const buffer = data.buffer as ArrayBuffer;
    const cost = buffer.byteLength;
    if (this.#freeBytes + cost > this.#maxFreeBytes) return;
    const list = this.#free.get(cost);
    if (list === undefined) this.#free.set(cost, [buffer]);
    else list.push(buffer);
    this.#freeBytes += cost;
  }
}
