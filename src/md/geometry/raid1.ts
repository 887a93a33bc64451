/** raid1: every member holds the whole volume, sector by sector (the kernel's drivers/md/raid1.c). */
import { assert } from "../../base/assert.ts";
import { setCopy } from "./place.ts";
import type { CopyPlace, CopyPlaces } from "./place.ts";

export class Raid1Geometry {
  readonly level = "raid1";
  readonly raidDisks: number;
  readonly arraySectors: number;

  constructor(raidDisks: number, componentSectors: number) {
    this.raidDisks = raidDisks;
    this.arraySectors = componentSectors;
  }

  memberSectorsUsed(_slot: number): number {
    return this.arraySectors;
  }

  /** Sectors from here to the end of the piece: all that is left of the volume. */
  pieceSectors(sector: number): number {
    return this.arraySectors - sector;
  }

  /** Every place of the sector, in slot order. */
  copies(sector: number, into: CopyPlaces = []): readonly CopyPlace[] {
    assert(sector >= 0 && sector < this.arraySectors, "sector inside the raid1 array");
    for (let slot = 0; slot < this.raidDisks; slot += 1) setCopy(into, slot, slot, sector);
    return into;
  }

  toVolume(_slot: number, memberSector: number): number | null {
    return memberSector < this.arraySectors ? memberSector : null;
  }
}
