/**
 * raid1 and raid10: every sector lies in several places that should be equal.
 *
 * Where the copies are known to be alike, reads are spread over them (read-balance.ts). Where they may differ (an array that
 * was not stopped cleanly, from its resync position on) the first good copy is read, always the same one, so that two reads agree with
 * each other. Write-mostly members come last in any case.
 *
 * On an error the other copies are tried over the same range; when all fail the range is halved, so that copies with bad sectors in
 * different places still make up a whole one. It goes from left to right and stops at the first sector that no copy has.
 */
import { HoldfastError } from "../../base/errors.ts";
import type { BioEnd } from "../../block/bio.ts";
import { inRuns } from "../../block/fan-out.ts";
import { Pool } from "../../block/pool.ts";
import { DirectRead } from "../direct-read.ts";
import { SECTOR_BYTES } from "../../base/units.ts";
import { NO_DATA, ignore } from "../../base/nothing.ts";
import type { CopyPlace, CopyPlaces } from "../geometry/place.ts";
import type { Slot } from "../slot.ts";
import type { Personality, PieceExtent } from "./personality.ts";
import { ReadBalance } from "./read-balance.ts";

/** How a mirrored geometry is asked. */
export interface MirrorGeometry {
  pieceSectors(sector: number): number;
  copies(sector: number, into: CopyPlaces): readonly CopyPlace[];
}

/** Added to the cost of a write-mostly member: more than reads under way. */
const WRITE_MOSTLY = 2 ** 30;

interface Copy {
  readonly slot: Slot;
  readonly memberSector: number;
}

export class MirrorPersonality implements Personality {
  readonly #geometry: MirrorGeometry;
  readonly #slots: readonly Slot[];
  readonly #alikeSectors: () => number;
  readonly #balance: ReadBalance;
  readonly #places: CopyPlaces = [];
  readonly #reads = new Pool(() => new DirectRead((read, error) => this.#ended(read, error)));

  /** @param alikeSectors volume sectors below this have equal copies now; Infinity: all */
  constructor(geometry: MirrorGeometry, slots: readonly Slot[], alikeSectors: () => number) {
    this.#geometry = geometry;
    this.#slots = slots;
    this.#alikeSectors = alikeSectors;
    this.#balance = new ReadBalance(slots.length);
  }

  pieceSectors(sector: number): number {
    return this.#geometry.pieceSectors(sector);
  }

  readPiece(sector: number, data: Uint8Array, end: BioEnd): void {
    const sectors = data.length / SECTOR_BYTES;
    const places = this.#geometry.copies(sector, this.#places);
    const index = this.#choose(places, sectors, sector + sectors <= this.#alikeSectors());
    if (index < 0) {
      readAny(sector, this.#copies(sector), data, end);
      return;
    }
    const { slot, memberSector } = places[index]!;
    const read = this.#reads.take();
    read.slot = slot;
    read.sector = sector;
    read.data = data;
    read.end = end;
    this.#balance.started(slot, memberSector, sectors);
    this.#slots[slot]!.read(memberSector, data, read.ended);
  }

  /** The copy to read the whole range from; -1 where it is to be put together from several, or is gone. */
  #choose(places: readonly CopyPlace[], sectors: number, areAlike: boolean): number {
    let best = -1;
    let bestCost = Infinity;
    for (let i = 0; i < places.length; i += 1) {
      const { slot: number, memberSector } = places[i]!;
      const slot = this.#slots[number]!;
      const cost =
        (slot.writeMostly ? WRITE_MOSTLY : 0) +
        (areAlike ? this.#balance.cost(number, memberSector) : 0);
      if (cost >= bestCost) continue;
      const trusted = slot.trust(memberSector, sectors);
      if (trusted === sectors) best = i;
      // Of copies that may differ the first counts as far as it goes, even if another one has the whole range.
      else if (trusted > 0 && !areAlike) best = -1;
      else continue;
      bestCost = cost;
    }
    return best;
  }

  #ended(read: DirectRead, error: HoldfastError | null): void {
    const { slot, sector, data, end } = read;
    read.data = NO_DATA;
    read.end = ignore;
    this.#reads.give(read);
    this.#balance.ended(slot);
    if (error === null) end(null);
    else afterFailure(sector, this.#copies(sector, slot), 0, data, end, error);
  }

  /** In order of preference. @param first the slot whose copy comes before all others */
  #copies(sector: number, first = -1): Copy[] {
    const copies = this.#geometry
      .copies(sector, this.#places)
      .map((place) => ({ slot: this.#slots[place.slot]!, memberSector: place.memberSector }));
    const rank = ({ slot }: Copy): number => (slot.number === first ? 0 : slot.writeMostly ? 2 : 1);
    return copies.toSorted((a, b) => rank(a) - rank(b));
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
  copy.slot.read(copy.memberSector, data, (error) => {
    if (error === null) end(null);
    else afterFailure(sector, copies, index, data, end, error);
  });
}

/** Goes on with the copies behind `index`, which failed; with smaller ranges when there are none. */
function afterFailure(
  sector: number,
  copies: readonly Copy[],
  index: number,
  data: Uint8Array,
  end: BioEnd,
  error: HoldfastError,
): void {
  const sectors = data.length / SECTOR_BYTES;
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
