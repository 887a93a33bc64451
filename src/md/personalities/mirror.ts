/**
 * raid1 and raid10: every sector lies in several places that should be equal.
 *
 * The first good copy is read, write-mostly members last. Always the same one, so that two reads of a region whose
 * copies differ (a dirty array) agree with each other. On an error the next copy is tried over the same range; when all
 * fail the range is halved, so that copies with bad sectors in different places still make up a whole one. It goes from left to
 * right and stops at the first sector that no copy has.
 */
import { HoldfastError } from "../../base/errors.ts";
import type { BioEnd } from "../../block/bio.ts";
import { SECTOR_BYTES } from "../../base/units.ts";
import type { CopyPlace } from "../geometry/place.ts";
import type { Slot } from "../slot.ts";
import type { Personality, PieceExtent } from "./personality.ts";

/** How a mirrored geometry is asked. */
export interface MirrorGeometry {
  pieceSectors(sector: number): number;
  copies(sector: number): readonly CopyPlace[];
}

interface Copy {
  readonly slot: Slot;
  readonly memberSector: number;
}

export class MirrorPersonality implements Personality {
  readonly #geometry: MirrorGeometry;
  readonly #slots: readonly Slot[];

  constructor(geometry: MirrorGeometry, slots: readonly Slot[]) {
    this.#geometry = geometry;
    this.#slots = slots;
  }

  pieceSectors(sector: number): number {
    return this.#geometry.pieceSectors(sector);
  }

  #copies(sector: number): Copy[] {
    const eager: Copy[] = [];
    const lazy: Copy[] = [];
    for (const place of this.#geometry.copies(sector)) {
      const slot = this.#slots[place.slot]!;
      (slot.writeMostly ? lazy : eager).push({ slot, memberSector: place.memberSector });
    }
    return lazy.length === 0 ? eager : eager.concat(lazy);
  }

  readPiece(sector: number, data: Uint8Array, end: BioEnd): void {
    readAny(sector, this.#copies(sector), data, end);
  }

  pieceExtent(sector: number, max: number): PieceExtent {
    for (const copy of this.#copies(sector)) {
      const extent = copy.slot.extent(copy.memberSector, max);
      if (extent !== null) return extent;
    }
    return { kind: "data", sectors: max };
  }
}

/** Reads `data` from whichever copies have it. `sector` is for messages. */
function readAny(sector: number, copies: readonly Copy[], data: Uint8Array, end: BioEnd): void {
  const sectors = data.length / SECTOR_BYTES;
  const chosen = copies.find((copy) => copy.slot.trust(copy.memberSector, sectors) > 0);
  if (chosen === undefined) {
    end(
      new HoldfastError(
        "data-lost",
        `sector ${sector} is gone: no member that should hold it has a good copy`,
      ),
    );
    return;
  }
  const run = chosen.slot.trust(chosen.memberSector, sectors);
  const rest: BioEnd = (error) => {
    if (error !== null || run === sectors) end(error);
    else readAny(sector + run, advanced(copies, run), data.subarray(run * SECTOR_BYTES), end);
  };
  readRun(sector, copies, copies.indexOf(chosen), data.subarray(0, run * SECTOR_BYTES), rest);
}

/** Tries the copies from `index` on over a range that copy `index` is trusted for. */
function readRun(
  sector: number,
  copies: readonly Copy[],
  index: number,
  data: Uint8Array,
  end: BioEnd,
): void {
  const copy = copies[index]!;
  const sectors = data.length / SECTOR_BYTES;
  copy.slot.read(copy.memberSector, data, (error) => {
    if (error === null) {
      end(null);
      return;
    }
    const next = copies.findIndex(
      (other, i) => i > index && other.slot.trust(other.memberSector, sectors) === sectors,
    );
    if (next >= 0) {
      readRun(sector, copies, next, data, end);
    } else if (sectors > 1) {
      readHalves(sector, copies, data, end);
    } else {
      end(
        new HoldfastError(
          "data-lost",
          `sector ${sector} is gone: every copy fails to be read (last: ${error.message})`,
          { cause: error },
        ),
      );
    }
  });
}

function readHalves(sector: number, copies: readonly Copy[], data: Uint8Array, end: BioEnd): void {
  const half = Math.floor(data.length / SECTOR_BYTES / 2);
  readAny(sector, copies, data.subarray(0, half * SECTOR_BYTES), (error) => {
    if (error !== null) end(error);
    else readAny(sector + half, advanced(copies, half), data.subarray(half * SECTOR_BYTES), end);
  });
}

function advanced(copies: readonly Copy[], sectors: number): Copy[] {
  return copies.map((copy) => ({ slot: copy.slot, memberSector: copy.memberSector + sectors }));
}
