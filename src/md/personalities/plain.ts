/** linear and raid0: every sector lies in one place only, so there is nothing to fall back on. */
import { HoldfastError } from "../../base/errors.ts";
import type { BioEnd } from "../../block/bio.ts";
import type { Place } from "../geometry/place.ts";
import type { Slot } from "../slot.ts";
import type { Personality, PieceExtent } from "./personality.ts";

export class PlainPersonality implements Personality {
  readonly #locate: (sector: number) => Place;
  readonly #slots: readonly Slot[];

  constructor(locate: (sector: number) => Place, slots: readonly Slot[]) {
    this.#locate = locate;
    this.#slots = slots;
  }

  pieceSectors(sector: number): number {
    return this.#locate(sector).sectors;
  }

  readPiece(sector: number, data: Uint8Array, end: BioEnd): void {
    const place = this.#locate(sector);
    const slot = this.#slots[place.slot]!;
    const sectors = data.length / 512;
    const trusted = slot.trust(place.memberSector, sectors);
    if (trusted >= sectors) {
      slot.read(place.memberSector, data, end);
      return;
    }
    const lost = sector + Math.max(0, trusted);
    end(
      new HoldfastError(
        "data-lost",
        `sector ${lost} is gone: its only place is sector ${place.memberSector + lost - sector} of member ${place.slot}, which cannot be read`,
      ),
    );
  }

  pieceExtent(sector: number, max: number): PieceExtent {
    const place = this.#locate(sector);
    const extent = this.#slots[place.slot]!.extent(place.memberSector, max);
    return extent ?? { kind: "data", sectors: max };
  }
}
