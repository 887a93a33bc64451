/** The words all geometries share. Sectors are 512 bytes; numbers, exact as far as base/units.ts says. */

/** Where a volume sector lies. */
export interface Place {
  /** Place in the array, 0..raidDisks-1. */
  readonly slot: number;
  /** Relative to the start of the member's data. */
  readonly memberSector: number;
  /** Sectors from here on that lie behind each other on the same member, this one included. */
  readonly sectors: number;
}

/** One copy of a sector. */
export interface CopyPlace {
  readonly slot: number;
  readonly memberSector: number;
}
