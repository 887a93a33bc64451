/**
 * An assembled array as a block device (read side). The volume is a row of regions, each read by one
 * personality: one for an array at rest, two on either side of a reshape position.
 *
 * A read is cut into pieces that run in parallel up to a window, so memory in flight is bounded whatever the size
 * of the bio. Pieces are started in order; the first error ends the bio once all started pieces are back.
 */
import { assert } from "../base/assert.ts";
import { HoldfastError } from "../base/errors.ts";
import { SECTOR_BYTES } from "../base/units.ts";
import { admit } from "../block/admit.ts";
import type { Bio, BioEnd } from "../block/bio.ts";
import { READ_ONLY_LIMITS } from "../block/device.ts";
import type { BlockDevice, BlockLimits, Extent } from "../block/device.ts";
import { ExtentList } from "../block/extents.ts";
import { InFlight } from "../block/in-flight.ts";
import type { Personality } from "./personalities/personality.ts";

export interface ArrayRegion {
  /** First sector behind the region. */
  readonly endSector: number;
  readonly personality: Personality;
}

/** Pieces of one bio under way at a time. */
const PIECES_IN_FLIGHT = 16;
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

  constructor(options: MdArrayOptions) {
    this.name = options.name;
    this.sectors = options.sectors;
    this.limits = {
      ...READ_ONLY_LIMITS,
      optimalIoBytes: options.optimalIoBytes,
      logicalBlockBytes: options.logicalBlockBytes,
    };
    this.#regions = options.regions;
  }

  submit(bio: Bio): void {
    const end = admit(this, this.#inFlight, bio);
    if (end === null) return;
    if (bio.op === "read") this.#read(bio, end);
    // Nothing was written, so nothing is to be flushed.
    else end(null);
  }

  /** Members belong to whoever opened them; this waits for the I/O under way. */
  close(): Promise<void> {
    return this.#inFlight.drain();
  }

  #read(bio: Bio, end: BioEnd): void {
    const read = new PiecewiseRead(this.#regions, bio.sector, bio.data, (error) => {
      end(error === null ? null : inArray(this.name, error));
    });
    read.run();
  }

  extents(sector: number, sectors: number, maxExtents: number): Extent[] {
    const list = new ExtentList(sector, maxExtents);
    const end = sector + sectors;
    for (let pieces = 0; list.end < end && pieces < EXTENT_PIECES; pieces += 1) {
      const region = regionAt(this.#regions, list.end);
      const limit = Math.min(end, pieceEnd(region, list.end)) - list.end;
      const found = region.personality.pieceExtent(list.end, limit);
      if (!list.add(found.sectors, found.kind)) break;
    }
    return list.extents;
  }
}

function inArray(name: string, error: HoldfastError): HoldfastError {
  return new HoldfastError(error.code, `${name}: ${error.message}`, { cause: error });
}

function regionAt(regions: readonly ArrayRegion[], sector: number): ArrayRegion {
  const region = regions.find((one) => sector < one.endSector);
  assert(region !== undefined, "the regions cover the volume");
  return region;
}

function pieceEnd(region: ArrayRegion, sector: number): number {
  return Math.min(region.endSector, sector + region.personality.pieceSectors(sector));
}

/** One read under way. */
class PiecewiseRead {
  readonly #regions: readonly ArrayRegion[];
  readonly #data: Uint8Array;
  readonly #start: number;
  readonly #end: number;
  readonly #done: (error: HoldfastError | null) => void;
  #next: number;
  #pending = 0;
  #starting = false;
  #error: HoldfastError | null = null;

  constructor(
    regions: readonly ArrayRegion[],
    sector: number,
    data: Uint8Array,
    done: (error: HoldfastError | null) => void,
  ) {
    this.#regions = regions;
    this.#data = data;
    this.#start = sector;
    this.#next = sector;
    this.#end = sector + data.length / SECTOR_BYTES;
    this.#done = done;
  }

  /** Starts pieces while there is room; pieces that end at once do not deepen the stack. */
  run(): void {
    if (this.#starting) return;
    this.#starting = true;
    while (this.#next < this.#end && this.#pending < PIECES_IN_FLIGHT && this.#error === null) {
      this.#startPiece();
    }
    this.#starting = false;
    if (this.#pending === 0) this.#done(this.#error);
  }

  #startPiece(): void {
    const sector = this.#next;
    const region = regionAt(this.#regions, sector);
    const end = Math.min(this.#end, pieceEnd(region, sector));
    this.#next = end;
    this.#pending += 1;
    const data = this.#data.subarray(
      (sector - this.#start) * SECTOR_BYTES,
      (end - this.#start) * SECTOR_BYTES,
    );
    region.personality.readPiece(sector, data, (error) => {
      this.#pending -= 1;
      this.#error ??= error;
      this.run();
    });
  }
}
