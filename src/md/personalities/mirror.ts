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
import { inRuns } from "../../block/fan-out.ts";
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

/** Reads `data` from whichever copies have it, run by run of equal trust. `sector` is for messages. */
function readAny(sector: number, copies: readonly Copy[], data: Uint8Array, end: BioEnd): void {
  const readRun = (at: number, ended: BioEnd): number => {
    const here = advanced(copies, at);
    const left = data.length / SECTOR_BYTES - at;
    for (const [index, copy] of here.entries()) {
      const run = copy.slot.trust(copy.memberSector, left);
      if (run <= 0) continue;
      const part = data.subarray(at * SECTOR_BYTES, (at + run) * SECTOR_BYTES);
      tryCopies(sector + at, here, index, part, ended);
      return run;
    }
    ended(
      new HoldfastError(
        "data-lost",
        `sector ${sector + at} is gone: no member that should hold it has a good copy`,
      ),
    );
    return left;
  };
  inRuns(data.length / SECTOR_BYTES, readRun, end);
}

/** Tries the copies from `index` on over a range that copy `index` is trusted for. */
function tryCopies(
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
      tryCopies(sector, copies, next, data, end);
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
  const sectors = data.length / SECTOR_BYTES;
  const half = Math.floor(sectors / 2);
  const readHalf = (at: number, ended: BioEnd): number => {
    const stop = at === 0 ? half : sectors;
    const part = data.subarray(at * SECTOR_BYTES, stop * SECTOR_BYTES);
    readAny(sector + at, advanced(copies, at), part, ended);
    return stop - at;
  };
  inRuns(sectors, readHalf, end);
}

function advanced(copies: readonly Copy[], sectors: number): readonly Copy[] {
  if (sectors === 0) return copies;
  return copies.map((copy) => ({ slot: copy.slot, memberSector: copy.memberSector + sectors }));
}
