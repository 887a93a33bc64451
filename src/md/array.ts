/**
 * An assembled array as a block device (read side). The volume is a row of regions, each read by one
 * personality: one for an array at rest, two on either side of a reshape position.
 *
 * A read is cut into pieces that run in parallel up to a window, so memory in flight is bounded whatever the size
 * of the bio. Pieces are started in order; the first error ends the bio once all started pieces are back. A read that is one
 * piece is passed on with its own buffer, and costs no allocation.
 */
import { assert } from "../base/assert.ts";
import { errorIn } from "../base/errors.ts";
import type { HoldfastError } from "../base/errors.ts";
import { isAdmitted } from "../block/admit.ts";
import type { Bio } from "../block/bio.ts";
import { READ_ONLY_LIMITS } from "../block/device.ts";
import type { BlockDevice, BlockLimits, Extent } from "../block/device.ts";
import { ExtentList } from "../block/extents.ts";
import { InFlight } from "../block/in-flight.ts";
import { Pool } from "../block/pool.ts";
import type { Personality, PieceExtent } from "./personalities/personality.ts";
import { Piecewise } from "./piecewise.ts";
import type { Pieces } from "./piecewise.ts";

export interface ArrayRegion {
  /** First sector behind the region. */
  readonly endSector: number;
  readonly personality: Personality;
}

/** Pieces looked at by one call of extents. */
const EXTENT_PIECES = 4096;

export interface MdArrayOptions {
  readonly name: string;
  readonly sectors: number;
  /** In order, without gaps; the last ends at `sectors`. */
  readonly regions: readonly ArrayRegion[];
  readonly optimalIoBytes: number;
  readonly logicalBlockBytes: number;
}

export class MdArray implements BlockDevice {
  readonly name: string;
  readonly sectors: number;
  readonly limits: BlockLimits;
  readonly #regions: readonly ArrayRegion[];
  readonly #inFlight = new InFlight();
  readonly #reads: Pool<Piecewise>;

  constructor(options: MdArrayOptions) {
    this.name = options.name;
    this.sectors = options.sectors;
    this.limits = {
      ...READ_ONLY_LIMITS,
      optimalIoBytes: options.optimalIoBytes,
      logicalBlockBytes: options.logicalBlockBytes,
    };
    this.#regions = options.regions;
    const pieces: Pieces = {
      endOf: (sector, end) => readEnd(regionAt(this.#regions, sector), sector, end),
      run: (_bio, sector, _sectors, data, end) =>
        regionAt(this.#regions, sector).personality.readPiece(sector, data, end),
    };
    this.#reads = new Pool(
      () => new Piecewise(pieces, (read, bio, error) => this.#ended(read, bio, error)),
    );
  }

  submit(bio: Bio): void {
    if (!isAdmitted(this, this.#inFlight, bio)) return;
    if (bio.op === "read") this.#reads.take().start(bio);
    else {
      // Nothing was written, so nothing is to be flushed.
      this.#inFlight.end();
      bio.end(null);
    }
  }

  /** Members belong to whoever opened them; this waits for the I/O under way. */
  close(): Promise<void> {
    return this.#inFlight.drain();
  }

  #ended(read: Piecewise, bio: Bio, error: HoldfastError | null): void {
    this.#reads.give(read);
    this.#inFlight.end();
    bio.end(error === null ? null : errorIn(this.name, error));
  }

  extents(sector: number, sectors: number, maxExtents: number): Extent[] {
    const list = new ExtentList(sector, maxExtents);
    const end = sector + sectors;
    for (let pieces = 0; list.end < end && pieces < EXTENT_PIECES; pieces += 1) {
      const region = regionAt(this.#regions, list.end);
      const found = extentAt(region, list.end, end);
      if (!list.add(found.sectors, found.kind)) break;
    }
    return list.extents;
  }
}

function regionAt(regions: readonly ArrayRegion[], sector: number): ArrayRegion {
  let index = 0;
  while (index < regions.length - 1 && sector >= regions[index]!.endSector) index += 1;
  const region = regions[index]!;
  assert(sector < region.endSector, "the regions cover the volume");
  return region;
}

/** First sector behind what is read at once from `sector` on, before `end`. */
function readEnd({ endSector, personality }: ArrayRegion, sector: number, end: number): number {
  const max = Math.min(endSector, end) - sector;
  const wanted = personality.readSectors?.(sector, max) ?? personality.pieceSectors(sector);
  return sector + Math.min(max, wanted);
}

function extentAt(
  { endSector, personality }: ArrayRegion,
  sector: number,
  end: number,
): PieceExtent {
  const max = Math.min(endSector, end) - sector;
  return (
    personality.piecesExtent?.(sector, max) ??
    personality.pieceExtent(sector, Math.min(max, personality.pieceSectors(sector)))
  );
}
