/**
 * One fixed piece of memory from which I/O buffers are handed out, and on which the WebAssembly kernels work without copying.
 *
 * It is a WebAssembly.Memory that never grows, so its ArrayBuffer is never detached; the system gives it memory page by page as it
 * is touched. The first RESERVED_BYTES belong to the kernels.
 *
 * Buddy allocation: buffers are 4 KiB times a power of two and lie at multiples of their size, so they are aligned for
 * O_DIRECT too. A free block is split in halves until it fits, and joined with its other half when both are free again. What is free
 * is chained in lists by size, whose links lie beside the memory, not in it. The view of a buffer is made once and handed out again:
 * take and give allocate nothing.
 */
import { assert } from "./assert.ts";
import { WASM_PAGE_BYTES, webAssembly } from "./webassembly.ts";
import type { WasmMemory } from "./webassembly.ts";

const PAGE_BYTES = 4096;
const PAGE_SHIFT = 12;
/** For the kernels' tables and scratch. */
export const RESERVED_BYTES = WASM_PAGE_BYTES;

const DEFAULT_BYTES = 64 * 1024 * 1024;
/** The end of a list. */
const NONE = -1;

/** What a page is the first of. */
const INSIDE = 0;
const FREE = 1;
const TAKEN = 2;

export interface ArenaCounters {
  /** Handed out now. */
  readonly buffers: number;
  readonly bytes: number;
  /** The most that was ever handed out at once. */
  readonly peakBytes: number;
  /** How often `take` had nothing to give. */
  readonly refusals: number;
}

export class Arena {
  readonly memory: WasmMemory;
  readonly #buffer: ArrayBuffer;
  readonly #pages: number;
  readonly #orders: number;
  /** By page; the two below mean something where a block starts. */
  readonly #state: Uint8Array;
  readonly #order: Uint8Array;
  /** Links of the free lists, by page. */
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  /** By order: the first free block's page. */
  readonly #heads: Int32Array;
  /** By order, then by place: views made so far. */
  readonly #views: (Uint8Array | undefined)[][];
  #buffers = 0;
  #bytes = 0;
  #peakBytes = 0;
  #refusals = 0;

  /**
   * @param bytes at least two WebAssembly pages, whole ones
   * Throws where there is no WebAssembly or not so much address space; see `createArena`.
   */
  constructor(bytes: number = DEFAULT_BYTES) {
    assert(webAssembly !== undefined, "there is WebAssembly");
    assert(bytes % WASM_PAGE_BYTES === 0 && bytes >= 2 * WASM_PAGE_BYTES, "whole wasm pages");
    const wasmPages = bytes / WASM_PAGE_BYTES;
    this.memory = new webAssembly.Memory({ initial: wasmPages, maximum: wasmPages });
    this.#buffer = this.memory.buffer;
    this.#pages = bytes >>> PAGE_SHIFT;
    this.#orders = 32 - Math.clz32(this.#pages);
    this.#state = new Uint8Array(this.#pages);
    this.#order = new Uint8Array(this.#pages);
    this.#next = new Int32Array(this.#pages);
    this.#previous = new Int32Array(this.#pages);
    this.#heads = new Int32Array(this.#orders).fill(NONE);
    this.#views = Array.from({ length: this.#orders }, () => []);
    this.#freeFrom(RESERVED_BYTES >>> PAGE_SHIFT);
  }

  /** Cuts everything from a page on into the largest blocks that lie at multiples of their size. */
  #freeFrom(start: number): void {
    for (let page = start; page < this.#pages;) {
      let order = 0;
      while (page % (2 << order) === 0 && page + (2 << order) <= this.#pages) order += 1;
      this.#push(page, order);
      page += 1 << order;
    }
  }

  /**
   * A buffer of at least so many bytes, holding whatever it held before; null when there is none. The caller gives it back with
   * `give`, once, and does not look at it afterwards.
   */
  take(bytes: number): Uint8Array | null {
    const wanted = orderFor(bytes);
    let order = wanted;
    while (order < this.#orders && this.#heads[order] === NONE) order += 1;
    if (order >= this.#orders) {
      this.#refusals += 1;
      return null;
    }
    const page = this.#heads[order]!;
    this.#unlink(page, order);
    while (order > wanted) {
      order -= 1;
      this.#push(page + (1 << order), order);
    }
    this.#state[page] = TAKEN;
    this.#order[page] = order;
    this.#buffers += 1;
    this.#bytes += PAGE_BYTES << order;
    if (this.#bytes > this.#peakBytes) this.#peakBytes = this.#bytes;
    return this.#view(page, order);
  }

  /** Takes a buffer back: what `take` returned, or any view that starts where it does. */
  give(view: Uint8Array): void {
    let page = this.offsetOf(view) >>> PAGE_SHIFT;
    const starts = view.byteOffset % PAGE_BYTES === 0 && this.#state[page] === TAKEN;
    assert(starts, "a buffer is given back once, as it was taken");
    let order = this.#order[page]!;
    this.#state[page] = INSIDE;
    this.#buffers -= 1;
    this.#bytes -= PAGE_BYTES << order;
    for (; order + 1 < this.#orders; order += 1) {
      const buddy = page ^ (1 << order);
      // Beyond the end of the memory there is no state, and so nothing free.
      if (this.#state[buddy] !== FREE || this.#order[buddy] !== order) break;
      this.#unlink(buddy, order);
      page = Math.min(page, buddy);
    }
    this.#push(page, order);
  }

  /** The whole buffer that starts where the view does: the very object that `take` returned. */
  blockOf(view: Uint8Array): Uint8Array {
    const page = this.offsetOf(view) >>> PAGE_SHIFT;
    assert(
      view.byteOffset % PAGE_BYTES === 0 && this.#state[page] === TAKEN,
      "a buffer starts there",
    );
    return this.#view(page, this.#order[page]!);
  }

  /** Of the whole memory, the kernels' part included. */
  get bytes(): number {
    return this.#pages << PAGE_SHIFT;
  }

  /** Does the view lie in the arena's memory? */
  contains(view: Uint8Array): boolean {
    return view.buffer === this.#buffer;
  }

  /** Where a view that the arena contains starts in the memory, in bytes. */
  offsetOf(view: Uint8Array): number {
    assert(this.contains(view), "the view lies in the arena");
    return view.byteOffset;
  }

  counters(): ArenaCounters {
    return {
      buffers: this.#buffers,
      bytes: this.#bytes,
      peakBytes: this.#peakBytes,
      refusals: this.#refusals,
    };
  }

  #view(page: number, order: number): Uint8Array {
    const views = this.#views[order]!;
    const place = page >>> order;
    return (views[place] ??= new Uint8Array(this.#buffer, page << PAGE_SHIFT, PAGE_BYTES << order));
  }

  #push(page: number, order: number): void {
    const head = this.#heads[order]!;
    this.#state[page] = FREE;
    this.#order[page] = order;
    this.#next[page] = head;
    this.#previous[page] = NONE;
    if (head !== NONE) this.#previous[head] = page;
    this.#heads[order] = page;
  }

  #unlink(page: number, order: number): void {
    const next = this.#next[page]!;
    const previous = this.#previous[page]!;
    if (previous === NONE) this.#heads[order] = next;
    else this.#next[previous] = next;
    if (next !== NONE) this.#previous[next] = previous;
    this.#state[page] = INSIDE;
  }
}

/** The smallest order whose blocks hold so many bytes. */
function orderFor(bytes: number): number {
  assert(bytes >= 0 && bytes <= 2 ** 31, "a size in bytes");
  const pages = Math.ceil(bytes / PAGE_BYTES);
  return pages <= 1 ? 0 : 32 - Math.clz32(pages - 1);
}

/** An arena, or null where there can be none: then everything works in ordinary memory. */
export function createArena(bytes: number = DEFAULT_BYTES): Arena | null {
  try {
    return new Arena(bytes);
  } catch {
    // No WebAssembly, or a limit on address space (ulimit -v): a memory reserves some GiB of it.
    return null;
  }
}
