/**
 * Writes that wait at the door of a running array: those that touch a suspended range, and those that came before the array was ready
 * for writing. Nobody who waits for what is under way waits for them (eras.ts).
 */
import type { SectorRange } from "../../base/units.ts";
import type { Eras } from "./eras.ts";
import type { Request } from "./request.ts";

export class HeldWrites {
  readonly #eras: Eras;
  #suspended: SectorRange = { sector: 0, sectors: 0 };
  #held: Request[] = [];

  constructor(eras: Eras) {
    this.#eras = eras;
  }

  /** In place of the range before; an empty one suspends nothing. Who is held already may go on by the new range: the caller's affair. */
  suspend(range: SectorRange): void {
    this.#suspended = range;
  }

  isSuspended(sector: number, sectors: number): boolean {
    const { sector: first, sectors: length } = this.#suspended;
    return Math.max(first, sector) < Math.min(first + length, sector + sectors);
  }

  hold(request: Request): void {
    this.#eras.end(request.era!);
    request.era = null;
    this.#held.push(request);
  }

  /** All that were held, oldest first; they belong to no era yet. */
  take(): readonly Request[] {
    const held = this.#held;
    this.#held = [];
    return held;
  }
}
