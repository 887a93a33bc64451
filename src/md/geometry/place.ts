/**
 * The words all geometries share. Sectors are 512 bytes; numbers, exact as far as base/units.ts says.
 *
 * Looking up a place costs no allocation for whoever brings the object to fill in (`into`). It holds the answer to the last
 * question asked with it, so what is needed is read out before anything is called that may ask again.
 */

/** Where a volume sector lies. */
export class Place {
  /** Place in the array, 0..raidDisks-1. */
  slot = 0;
  /** Relative to the start of the member's data. */
  memberSector = 0;
  /** Sectors from here on that lie behind each other on the same member, this one included. */
  sectors = 0;
}

/** One copy of a sector. */
export interface CopyPlace {
  readonly slot: number;
  readonly memberSector: number;
}

/** Copies to be filled in: all lists that one geometry fills have the same length. */
export type CopyPlaces = { slot: number; memberSector: number }[];

export function setCopy(into: CopyPlaces, index: number, slot: number, memberSector: number): void {
  const place = into[index];
  if (place === undefined) into.push({ slot, memberSector });
  else {
    place.slot = slot;
    place.memberSector = memberSector;
  }
}
