/** linear and raid0: every sector lies in one place only, so there is nothing to fall back on. */
import { HoldfastError } from "../../base/errors.ts";
import { SECTOR_BYTES } from "../../base/units.ts";
import type { BioEnd } from "../../block/bio.ts";
import { Place } from "../geometry/place.ts";
import type { Slot } from "../slot.ts";
import type { Personality, PieceExtent } from "./personality.ts";

/** How a geometry that keeps each sector once is asked. */
export interface PlainGeometry {
  pieceSectors(sector: number): number;
  locate(sector: number, into: Place): Readonly<Place>;
}

export class PlainPersonality implements Personality {
  readonly #geometry: PlainGeometry;
  readonly #slots: readonly Slot[];
  readonly #place = new Place();

  constructor(geometry: PlainGeometry, slots: readonly Slot[]) {
    this.#geometry = geometry;
    this.#slots = slots;
  }

  pieceSectors(sector: number): number {
    return this.#geometry.pieceSectors(sector);
  }

  readPiece(sector: number, data: Uint8Array, end: BioEnd): void {
    const place = this.#geometry.locate(sector, this.#place);
    const slot = this.#slots[place.slot]!;
    const sectors = data.length / SECTOR_BYTES;
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
    const place = this.#geometry.locate(sector, this.#place);
    const extent = this.#slots[place.slot]!.extent(place.memberSector, max);
    return extent ?? { kind: "data", sectors: max };
  }
}
