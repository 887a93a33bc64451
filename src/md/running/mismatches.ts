/** What a check has found: where copies, or data and parity, do not agree, who holds what there, and who is wrong if that can be told. */
import type { SectorRange } from "../../base/units.ts";

export interface MismatchPart {
  readonly slot: number;
  /** The member's label. */
  readonly member: string;
  /** Where its part starts, member sectors. */
  readonly memberSector: number;
  readonly holds: "copy" | "data" | "p" | "q";
  /** Copies with the same number are alike; 0 is the first one. All parts of a row with parity have 0. */
  readonly variant: number;
  /**
   * Of three copies or more the odd one out; with P and Q the block that explains all that is off. Nobody is where that cannot be
   * told: of two copies, or with P alone.
   */
  readonly isWrong: boolean;
}

/** In sectors as sync counts them: of the array for mirrors, of members for rows with parity. */
export interface Mismatch extends SectorRange {
  /** Number of the row of chunks; null for mirrors. */
  readonly row: number | null;
  readonly parts: readonly MismatchPart[];
}

/** More are counted only. */
const MOST_LISTED = 1000;

export class MismatchList {
  #listed: Mismatch[] = [];
  #unlistedSectors = 0;

  /** The first ones that were found. */
  get listed(): readonly Mismatch[] {
    return this.#listed;
  }

  /** Of those that are not listed. */
  get unlistedSectors(): number {
    return this.#unlistedSectors;
  }

  clear(): void {
    this.#listed = [];
    this.#unlistedSectors = 0;
  }

  add(mismatch: Mismatch): void {
    if (this.#listed.length < MOST_LISTED) this.#listed.push(mismatch);
    else this.#unlistedSectors += mismatch.sectors;
  }
}
