/**
 * Bio: one block I/O request on its way down, and its completion on the way up.
 *
 * `device.submit(bio)` returns at once and takes the bio over; `bio.end` is called exactly once, never
 * before `submit` has returned to whoever must not be re-entered: a device may call it synchronously, so a
 * submitter prepares everything it needs first. `data` is lent to the device until then, and so is the bio: its owner may
 * use it again for another request from `end` on, so a device does not look at a bio that it has ended.
 *
 * Flush and FUA mean what they mean in Linux: a flush completes when every write that completed before the
 * flush was submitted is on stable storage; a FUA write completes when its own data is.
 */
import type { HoldfastError } from "../base/errors.ts";
import { NO_DATA } from "../base/nothing.ts";

export type BioOp = "read" | "write" | "flush" | "discard" | "write-zeroes";

export const BioFlags = {
  none: 0,
  /** The write's own data is on stable storage when it completes. */
  fua: 1,
  /** Flush the device before the write. */
  preflush: 2,
  /** write-zeroes: keep the range allocated. */
  noUnmap: 4,
} as const;

const NO_PARTS: readonly Uint8Array[] = [];

export class Bio {
  readonly op: BioOp;
  readonly sector: number;
  /** Length in sectors; 0 for a flush. */
  readonly sectors: number;
  /** Read: filled; write: source. `sectors * 512` bytes; empty for other ops. */
  readonly data: Uint8Array;
  /** Instead of `data`, of a write that goes to a device's `submitParts`: buffers of whole sectors that follow each other there. */
  readonly parts: readonly Uint8Array[] = NO_PARTS;
  readonly flags: number;
  /** Completion; null is success. */
  readonly end: (error: HoldfastError | null) => void;

  constructor(
    op: BioOp,
    sector: number,
    sectors: number,
    data: Uint8Array,
    flags: number,
    end: (error: HoldfastError | null) => void,
  ) {
    this.op = op;
    this.sector = sector;
    this.sectors = sectors;
    this.data = data;
    this.flags = flags;
    this.end = end;
  }
}

export type BioEnd = Bio["end"];

/** A bio as seen by whoever made it and uses it again; to the device it is submitted to it is a `Bio`. */
export type OwnBio = { -readonly [Field in Exclude<keyof Bio, "end">]: Bio[Field] } & Pick<
  Bio,
  "end"
>;

/** A bio to be filled in, with `aim`, before it is submitted. */
export function ownBio(end: BioEnd): OwnBio {
  return new Bio("read", 0, 0, NO_DATA, BioFlags.none, end);
}

/** Fills in a bio that is not in flight. */
export function aim(
  bio: OwnBio,
  op: BioOp,
  sector: number,
  sectors: number,
  data: Uint8Array,
  flags: number,
): Bio {
  bio.op = op;
  bio.sector = sector;
  bio.sectors = sectors;
  bio.data = data;
  bio.flags = flags;
  return bio;
}

/** The same for a write to be given to `submitParts`. */
export function aimParts(
  bio: OwnBio,
  sector: number,
  sectors: number,
  parts: readonly Uint8Array[],
): Bio {
  bio.parts = parts;
  return aim(bio, "write", sector, sectors, NO_DATA, BioFlags.none);
}

/** Once it has ended: a bio that waits for its next use keeps no buffer alive. */
export function dropData(bio: OwnBio): void {
  bio.data = NO_DATA;
  bio.parts = NO_PARTS;
}

export function readBio(sector: number, data: Uint8Array, end: BioEnd): Bio {
  return new Bio("read", sector, data.length / 512, data, BioFlags.none, end);
}

export function writeBio(sector: number, data: Uint8Array, flags: number, end: BioEnd): Bio {
  return new Bio("write", sector, data.length / 512, data, flags, end);
}

export function flushBio(end: BioEnd): Bio {
  return new Bio("flush", 0, 0, NO_DATA, BioFlags.none, end);
}

export function discardBio(sector: number, sectors: number, end: BioEnd): Bio {
  return new Bio("discard", sector, sectors, NO_DATA, BioFlags.none, end);
}

export function writeZeroesBio(sector: number, sectors: number, flags: number, end: BioEnd): Bio {
  return new Bio("write-zeroes", sector, sectors, NO_DATA, flags, end);
}
