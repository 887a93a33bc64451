/**
 * raid0: chunks dealt out in turn. Unequal members make zones: the first holds all members up to the smallest size,
 * the next one those that are larger, from there up to the next size, and so on; each member is rounded down to whole chunks.
 *
 *   member 0  AAAA
 *   member 1  AAAABBB         zones A, B, C
 *   member 2  AAAABBBCCCCC
 *
 * Which member of a zone has the zone's chunk n is where kernels differ: the original layout counts chunks from the start
 * of the volume, the alternate one (since 3.14, by mistake, kept since) from the start of the zone. With one zone
 * there is no difference. Fact from the kernel's drivers/md/raid0.c and raid0.h (since 5.4).
 */
import { assert } from "../../base/assert.ts";
import { alignDown, quotient } from "../../base/units.ts";
import { Place } from "./place.ts";

export type Raid0Layout = "original" | "alternate";

interface Zone {
  readonly startSector: number;
  readonly endSector: number;
  /** Where the zone starts on each of its members, and where it ends there. */
  readonly memberStart: number;
  readonly memberEnd: number;
  readonly slots: readonly number[];
  /** Added to a chunk's number within the zone before it is dealt out: 0 for the alternate layout. */
  readonly turn: number;
}

function makeZones(
  sizes: readonly number[],
  chunkSectors: number,
  layout: Raid0Layout,
): readonly Zone[] {
  const zones: Zone[] = [];
  let startSector = 0;
  let memberStart = 0;
  const borders = [...new Set(sizes)].filter((size) => size > 0).toSorted((a, b) => a - b);
  for (const memberEnd of borders) {
    const slots = sizes.flatMap((size, slot) => (size >= memberEnd ? [slot] : []));
    const endSector = startSector + (memberEnd - memberStart) * slots.length;
    const turn = layout === "original" ? (startSector / chunkSectors) % slots.length : 0;
    zones.push({ startSector, endSector, memberStart, memberEnd, slots, turn });
    startSector = endSector;
    memberStart = memberEnd;
  }
  return zones;
}

/** Zones there are with these members; more than one means that the layout matters. */
export function countRaid0Zones(chunkSectors: number, memberSectors: readonly number[]): number {
  const sizes = new Set(memberSectors.map((size) => alignDown(size, chunkSectors)));
  sizes.delete(0);
  return sizes.size;
}

/**
 * The kernel sums the members' sizes with the bits of (chunk - 1) cleared, and does so for chunks that are no power of two
 * as well: with those the volume ends a little before its last zone does. What lies behind is never used. (raid0_size() in drivers/md/raid0.c)
 */
function sizeAsKernel(sizes: readonly number[], chunkSectors: number): number {
  const mask = ~BigInt(chunkSectors - 1);
  return sizes.reduce((sum, size) => sum + Number(BigInt(size) & mask), 0);
}

export class Raid0Geometry {
  readonly level = "raid0";
  readonly raidDisks: number;
  readonly chunkSectors: number;
  readonly arraySectors: number;
  readonly #sizes: readonly number[];
  readonly #zones: readonly Zone[];

  /**
   * @param chunkSectors any positive number
   * @param memberSectors usable sectors of each member, by slot
   */
  constructor(chunkSectors: number, memberSectors: readonly number[], layout: Raid0Layout) {
    this.raidDisks = memberSectors.length;
    this.chunkSectors = chunkSectors;
    this.#sizes = memberSectors.map((size) => alignDown(size, chunkSectors));
    this.#zones = makeZones(this.#sizes, chunkSectors, layout);
    this.arraySectors = sizeAsKernel(this.#sizes, chunkSectors);
  }

  /** Sectors of the member that the array uses. */
  memberSectorsUsed(slot: number): number {
    return this.#sizes[slot] ?? 0;
  }

  /** Sectors from here to the end of the chunk, or of the volume. Zones are whole chunks. */
  pieceSectors(sector: number): number {
    const { chunkSectors } = this;
    const chunkEnd = (quotient(sector, chunkSectors) + 1) * chunkSectors;
    return Math.min(chunkEnd, this.arraySectors) - sector;
  }

  locate(sector: number, into = new Place()): Readonly<Place> {
    assert(sector >= 0 && sector < this.arraySectors, "sector inside the raid0 array");
    const { chunkSectors } = this;
    const zone = this.#zoneAt(sector);
    const inZone = sector - zone.startSector;
    const chunk = quotient(inZone, chunkSectors);
    const inChunk = inZone - chunk * chunkSectors;
    const width = zone.slots.length;
    const row = quotient(chunk, width);
    const column = chunk - row * width + zone.turn;
    into.slot = zone.slots[column < width ? column : column - width]!;
    into.memberSector = zone.memberStart + row * chunkSectors + inChunk;
    into.sectors = Math.min(chunkSectors - inChunk, this.arraySectors - sector);
    return into;
  }

  #zoneAt(sector: number): Zone {
    let index = 0;
    while (sector >= this.#zones[index]!.endSector) index += 1;
    return this.#zones[index]!;
  }

  /** The volume sector there; null for what rounding left over. */
  toVolume(slot: number, memberSector: number): number | null {
    if (memberSector >= this.memberSectorsUsed(slot)) return null;
    const zone = this.#zones.find((each) => memberSector < each.memberEnd)!;
    const inMember = memberSector - zone.memberStart;
    const inChunk = inMember % this.chunkSectors;
    const row = (inMember - inChunk) / this.chunkSectors;
    const width = zone.slots.length;
    const column = (zone.slots.indexOf(slot) + width - zone.turn) % width;
    const sector = zone.startSector + (row * width + column) * this.chunkSectors + inChunk;
    return sector < this.arraySectors ? sector : null;
  }
}
