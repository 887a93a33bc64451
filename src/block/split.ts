/**
 * Cutting a bio into parts. The parts lie one after the other, cover the bio exactly and carry its flags: FUA on
 * every part is FUA on the whole; a preflush goes with the first part only, which must end before the others start.
 */
import { assert } from "../base/assert.ts";
import { SECTOR_BYTES } from "../base/units.ts";
import { Bio, BioFlags } from "./bio.ts";
import type { BioEnd } from "./bio.ts";
import { fanOut } from "./fan-out.ts";

/** The part of `bio` that starts `fromSectors` behind its start; its data is a view, not a copy. */
export function bioPart(bio: Bio, fromSectors: number, sectors: number, end: BioEnd): Bio {
  assert(fromSectors >= 0 && fromSectors + sectors <= bio.sectors, "a part lies inside its bio");
  const data =
    bio.data.length === 0
      ? bio.data
      : bio.data.subarray(fromSectors * SECTOR_BYTES, (fromSectors + sectors) * SECTOR_BYTES);
  return new Bio(bio.op, bio.sector + fromSectors, sectors, data, bio.flags, end);
}

/** The same request at another place, for a device that passes it on. */
export function movedBio(bio: Bio, sector: number, end: BioEnd = bio.end): Bio {
  return new Bio(bio.op, sector, bio.sectors, bio.data, bio.flags, end);
}

/** How many runs between multiples of `boundarySectors` the range touches. */
function partsAtBoundary(sector: number, sectors: number, boundarySectors: number): number {
  if (sectors === 0) return 0;
  const first = Math.floor(sector / boundarySectors);
  const last = Math.floor((sector + sectors - 1) / boundarySectors);
  return last - first + 1;
}

/**
 * Submits `bio` in parts that do not cross multiples of `boundarySectors`; `bio.end` is called once, after the
 * last part. A bio that crosses none is passed on as it is.
 * @throws an assertion for a preflush bio that needs cutting: flush first, then submit it without the flag
 */
export function submitSplit(bio: Bio, boundarySectors: number, submit: (part: Bio) => void): void {
  const parts = partsAtBoundary(bio.sector, bio.sectors, boundarySectors);
  if (parts <= 1) {
    submit(bio);
    return;
  }
  assert((bio.flags & BioFlags.preflush) === 0, "a bio is flushed for before it is split");
  const end = fanOut(parts, bio.end);
  // The bio is not looked at any more once its last part was submitted: it may have ended, and be another one already.
  let done = 0;
  for (let part = 0; part < parts; part += 1) {
    const toBoundary = boundarySectors - ((bio.sector + done) % boundarySectors);
    const sectors = Math.min(toBoundary, bio.sectors - done);
    submit(bioPart(bio, done, sectors, end));
    done += sectors;
  }
}
