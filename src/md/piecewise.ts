/**
 * A bio that is done piece by piece. Pieces run in parallel up to a window, so memory in flight is bounded whatever the size of the bio. They
 * are started in order; the first error ends the bio once all started pieces are back. A bio that is one piece is passed on with its own
 * buffer, and costs no allocation.
 */
import { assert } from "../base/assert.ts";
import type { HoldfastError } from "../base/errors.ts";
import { SECTOR_BYTES } from "../base/units.ts";
import type { Bio, BioEnd } from "../block/bio.ts";
import type { Pooled } from "../block/pool.ts";

/** Pieces of one bio under way at a time. */
const PIECES_IN_FLIGHT = 16;

export interface Pieces {
  /** First sector behind the piece at `sector`, not beyond `end`. */
  endOf(sector: number, end: number): number;
  /** @param data of the piece; empty where the bio has none */
  run(bio: Bio, sector: number, sectors: number, data: Uint8Array, end: BioEnd): void;
}

export class Piecewise implements Pooled {
  isSpare = false;
  readonly #pieces: Pieces;
  readonly #ended: (self: Piecewise, bio: Bio, error: HoldfastError | null) => void;
  readonly #pieceEnded: BioEnd;
  #bio: Bio | null = null;
  #next = 0;
  #end = 0;
  #pending = 0;
  #starting = false;
  #error: HoldfastError | null = null;

  constructor(
    pieces: Pieces,
    ended: (self: Piecewise, bio: Bio, error: HoldfastError | null) => void,
  ) {
    this.#pieces = pieces;
    this.#ended = ended;
    this.#pieceEnded = (error) => {
      assert(this.#pending > 0, "each piece of a bio ends once");
      this.#pending -= 1;
      this.#error ??= error;
      this.#run();
    };
  }

  start(bio: Bio): void {
    this.#bio = bio;
    this.#next = bio.sector;
    this.#end = bio.sector + bio.sectors;
    this.#run();
  }

  /** Starts pieces while there is room; pieces that end at once do not deepen the stack. */
  #run(): void {
    if (this.#starting) return;
    this.#starting = true;
    while (this.#next < this.#end && this.#pending < PIECES_IN_FLIGHT && this.#error === null) {
      this.#startPiece();
    }
    this.#starting = false;
    if (this.#pending > 0) return;
    const bio = this.#bio!;
    const error = this.#error;
    this.#bio = null;
    this.#error = null;
    this.#ended(this, bio, error);
  }

  #startPiece(): void {
    const bio = this.#bio!;
    const { sector: start, data } = bio;
    const sector = this.#next;
    const stop = this.#pieces.endOf(sector, this.#end);
    const isWhole = (sector === start && stop === this.#end) || data.length === 0;
    this.#next = stop;
    this.#pending += 1;
    const here = isWhole
      ? data
      : data.subarray((sector - start) * SECTOR_BYTES, (stop - start) * SECTOR_BYTES);
    this.#pieces.run(bio, sector, stop - sector, here, this.#pieceEnded);
  }
}
