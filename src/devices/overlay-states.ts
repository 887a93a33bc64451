/**
 * What is known of each 4 KiB block of an overlay: two paged bit sets, `written`, and of those `zero`.
 */
import { PagedBits } from "../base/paged-bits.ts";

/** Sectors of a block, the last of a device may be shorter. */
export const BLOCK_SECTORS = 8;

export type BlockState = "base" | "stored" | "zero";

export interface StateRun {
  readonly state: BlockState;
  /** First sector behind the run. */
  readonly end: number;
}

export class BlockStates {
  readonly #written: PagedBits;
  /** Subset of `#written`. */
  readonly #zero: PagedBits;

  /** All of the base. */
  constructor(blocks: number) {
    this.#written = new PagedBits(blocks);
    this.#zero = new PagedBits(blocks);
  }

  of(block: number): BlockState {
    if (!this.#written.get(block)) return "base";
    return this.#zero.get(block) ? "zero" : "stored";
  }

  /** The run of one state from a sector on, at most to `limitSector`. */
  runAt(sector: number, limitSector: number): StateRun {
    const block = Math.floor(sector / BLOCK_SECTORS);
    const limit = Math.ceil(limitSector / BLOCK_SECTORS);
    const written = this.#written.runAt(block, limit);
    const zero = written.value ? this.#zero.runAt(block, written.end) : null;
    const end = Math.min(limitSector, (zero ?? written).end * BLOCK_SECTORS);
    if (zero === null) return { state: "base", end };
    return { state: zero.value ? "zero" : "stored", end };
  }

  hasStored(from: number, to: number): boolean {
    for (let at = from; at < to;) {
      const run = this.runAt(at * BLOCK_SECTORS, to * BLOCK_SECTORS);
      if (run.state === "stored") return true;
      at = run.end / BLOCK_SECTORS;
    }
    return false;
  }

  /** The blocks `from` up to, not including, `to`. */
  setStored(from: number, to: number): void {
    this.#written.set(from, to);
    this.#zero.clear(from, to);
  }

  setZero(from: number, to: number): void {
    this.#written.set(from, to);
    this.#zero.set(from, to);
  }
}
