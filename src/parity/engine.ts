/**
 * What parity is computed with: kernels, and the arena in which blocks have to lie for them to be fast.
 */
import { createArena } from "../base/arena.ts";
import type { Arena } from "../base/arena.ts";
import { createParityKernels } from "./create.ts";
import type { ParityKernels } from "./kernels.ts";
import { oracleKernels } from "./oracle.ts";

export interface ParityEngine {
  /** Null: blocks lie anywhere. */
  readonly arena: Arena | null;
  readonly kernels: ParityKernels;
}

/** Slow, and needs nothing. */
export const plainEngine: ParityEngine = { arena: null, kernels: oracleKernels };

/** The fastest there is here, in the arena given or one of its own; takes some 10 ms. One for a thread is enough. */
export function createParityEngine(arena: Arena | null = createArena()): ParityEngine {
  return { arena, kernels: createParityKernels(arena) };
}

/** The buffers of one piece of work: from the engine's arena while it has room, else allocated. */
export class WorkBuffers {
  readonly #arena: Arena | null;
  readonly #borrowed: Uint8Array[] = [];

  constructor({ arena }: ParityEngine) {
    this.#arena = arena;
  }

  /** So many bytes, whatever they hold. */
  take(bytes: number): Uint8Array {
    const buffer = this.#arena?.take(bytes) ?? null;
    if (buffer === null) return new Uint8Array(bytes);
    this.#borrowed.push(buffer);
    return buffer.length === bytes ? buffer : buffer.subarray(0, bytes);
  }

  /** The block itself if the kernels are fast on it, else a buffer of its size. */
  standIn(block: Uint8Array): Uint8Array {
    const isGood = this.#arena === null || this.#arena.contains(block);
    return isGood ? block : this.take(block.length);
  }

  /** To be called once nothing reads or writes the buffers any more. */
  giveBack(): void {
    for (const buffer of this.#borrowed.splice(0)) this.#arena!.give(buffer);
  }
}
