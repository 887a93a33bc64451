/**
 * Payload buffers in sizes of powers of two, used again and again, so that neither the allocator nor the zeroing of fresh
 * memory is on the data path. They come from the arena, where their addresses are known to the system calls and the parity kernels
 * work on them in place; a buffer of a usual size (a power of two) is handed out without allocating anything.
 *
 *   take   lies free here -> arena -> arena, after giving back to it what lies free here -> heap
 *
 * What is in use is the budget's business (budget.ts), which is a sum of bytes and knows nothing of places. So where the arena has
 * no room, because the budget is larger, or others use it, or no place in it is large enough, the heap stands in: a
 * client never waits for a place that may never come, and is never refused. `outside` counts how often. One eighth of the arena at most
 * lies free here, and one quarter is left to others.
 *
 * A buffer comes with whatever bytes it had: it goes to a client only after a read has filled it.
 */
import type { Arena } from "../base/arena.ts";

const SMALLEST_BYTES = 4096;
const SMALLEST_SHIFT = 12;

/** Bytes of memory that a buffer of `length` takes. */
export function bufferCost(length: number): number {
  if (length <= SMALLEST_BYTES) return SMALLEST_BYTES;
  return 2 ** (32 - Math.clz32(length - 1));
}

/** What lies free, by size. */
class FreeList {
  readonly #bySize: Uint8Array[][] = [];
  bytes = 0;

  pop(cost: number): Uint8Array | undefined {
    const found = this.#bySize[indexOf(cost)]?.pop();
    if (found !== undefined) this.bytes -= cost;
    return found;
  }

  push(cost: number, buffer: Uint8Array): void {
    const index = indexOf(cost);
    while (this.#bySize.length <= index) this.#bySize.push([]);
    this.#bySize[index]!.push(buffer);
    this.bytes += cost;
  }

  drain(each: (buffer: Uint8Array) => void): void {
    for (const list of this.#bySize) for (const buffer of list.splice(0)) each(buffer);
    this.bytes = 0;
  }
}

function indexOf(cost: number): number {
  return 31 - Math.clz32(cost) - SMALLEST_SHIFT;
}

export class BufferPool {
  readonly #arena: () => Arena | null;
  readonly #maxFreeBytes: number;
  readonly #inArena = new FreeList();
  readonly #onHeap = new FreeList();
  /** Of the arena, in use or lying free here. */
  #arenaBytes = 0;
  #outside = 0;

  /**
   * @param maxFreeBytes may lie free outside the arena
   * @param arena asked for when the first buffer is wanted
   */
  constructor(maxFreeBytes: number, arena: () => Arena | null = () => null) {
    this.#maxFreeBytes = maxFreeBytes;
    this.#arena = arena;
  }

  get freeBytes(): number {
    return this.#inArena.bytes + this.#onHeap.bytes;
  }

  /** How often there was no room in the arena. */
  get outside(): number {
    return this.#outside;
  }

  take(length: number): Uint8Array {
    const cost = bufferCost(length);
    const buffer = this.#inArena.pop(cost) ?? this.#fromArena(cost) ?? this.#fromHeap(cost);
    return buffer.length === length ? buffer : buffer.subarray(0, length);
  }

  /** Takes back what `take` gave. */
  give(data: Uint8Array): void {
    const arena = this.#arena();
    if (arena?.contains(data) === true) {
      const buffer = arena.blockOf(data);
      const cost = buffer.length;
      if ((this.#inArena.bytes + cost) * 8 <= arena.bytes) this.#inArena.push(cost, buffer);
      else this.#backToArena(arena, buffer);
      return;
    }
    const cost = data.buffer.byteLength;
    if (this.#onHeap.bytes + cost > this.#maxFreeBytes) return;
    this.#onHeap.push(cost, data.length === cost ? data : new Uint8Array(data.buffer));
  }

  #fromArena(cost: number): Uint8Array | null {
    const arena = this.#arena();
    if (arena === null) return null;
    const isBeyondShare = (bytes: number): boolean => (bytes + cost) * 4 > arena.bytes * 3;
    let buffer = isBeyondShare(this.#arenaBytes) ? null : arena.take(cost);
    if (buffer === null && this.#inArena.bytes > 0) {
      this.#inArena.drain((one) => this.#backToArena(arena, one));
      buffer = isBeyondShare(this.#arenaBytes) ? null : arena.take(cost);
    }
    if (buffer === null) this.#outside += 1;
    else this.#arenaBytes += cost;
    return buffer;
  }

  #backToArena(arena: Arena, buffer: Uint8Array): void {
    this.#arenaBytes -= buffer.length;
    arena.give(buffer);
  }

  #fromHeap(cost: number): Uint8Array {
    return this.#onHeap.pop(cost) ?? new Uint8Array(cost);
  }
}
