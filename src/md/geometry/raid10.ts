/**
 * raid10: every chunk in near * far copies.
 *
 * The volume's chunks, each `near` times, are dealt out over the members row by row, whether or not a row ends between
 * two copies of one chunk. That is one part. With far > 1 the part is repeated, each time with every chunk moved on by
 * `near` members: as a whole, `stride` further down each member (far layout), or row by row (offset layout):
 *
 *   near=2, 3 members     far=2, 4 members        offset=2, 4 members
 *     A A B                 A B C D                 A B C D
 *     B C C                 E F G H                 D A B C
 *                           D A B C  <- stride      E F G H
 *                           H E F G                 H E F G
 *
 * The members may be split in sets, and moving on wraps around within the set ("improved" far layouts): then any one
 * member of each set may fail. A remainder of members belongs to the last set.
 *
 *   layout number   near | far << 8 | 1 << 16 offset | 1 << 17 raidDisks/far members a set | 1 << 18 near*far members a set
 *
 * For some combinations the kernel's arithmetic puts two chunks in one place. Such an array has overwritten itself;
 * `findCollision` tells. Others put two copies on one member: useless, but readable, so they are served.
 * Fact from the kernel's drivers/md/raid10.c (setup_geo, __raid10_find_phys, raid10_find_virt, calc_sectors, raid10_size).
 */
import { assert } from "../../base/assert.ts";
import { quotient } from "../../base/units.ts";
import { setCopy } from "./place.ts";
import type { CopyPlace, CopyPlaces } from "./place.ts";

export interface Raid10Layout {
  readonly near: number;
  readonly far: number;
  /** Far copies lie right behind each row instead of in another part of the member. */
  readonly offset: boolean;
  /** Members that far copies rotate among; raidDisks: all. */
  readonly farSetSize: number;
}

/** The layout behind the number; null for one that the kernel refuses. */
export function parseRaid10Layout(layout: number, raidDisks: number): Raid10Layout | null {
  // A layout is a signed 32-bit field, so bit operations are exact here.
  if (layout < 0 || layout >= 1 << 19) return null;
  const near = layout & 0xff;
  const far = (layout >> 8) & 0xff;
  const offset = (layout & (1 << 16)) !== 0;
  const copies = near * far;
  if (copies < 2 || copies > raidDisks) return null;
  switch (layout >> 17) {
    case 0:
      return { near, far, offset, farSetSize: raidDisks };
    case 1:
      return { near, far, offset, farSetSize: Math.floor(raidDisks / far) };
    case 2:
      return { near, far, offset, farSetSize: copies };
    default:
      return null;
  }
}

/** The member one far copy further on. */
function nextFar(layout: Raid10Layout, raidDisks: number, slot: number): number {
  const { near, farSetSize: size } = layout;
  const remainder = raidDisks % size;
  const moved = slot + near;
  const lastStart = raidDisks - remainder - size;
  // The kernel tests where the move ends, not where it starts: see findCollision.
  if (remainder !== 0 && moved > lastStart) {
    return lastStart + ((moved - lastStart) % (size + remainder));
  }
  return Math.floor(slot / size) * size + (moved % size);
}

/** hops[f][slot]: the member that has far copy f of what `slot` holds in the first part. */
function makeHops(layout: Raid10Layout, raidDisks: number): number[][] {
  const hops = [Array.from({ length: raidDisks }, (_unused, slot) => slot)];
  for (let f = 1; f < layout.far; f += 1) {
    hops.push(hops[f - 1]!.map((slot) => nextFar(layout, raidDisks, slot)));
  }
  return hops;
}

function inverse(permutation: readonly number[]): number[] {
  const result = permutation.map(() => 0);
  for (const [from, to] of permutation.entries()) result[to] = from;
  return result;
}

/** Why two chunks would share a place with this layout; null when none do. */
export function findCollision(layout: Raid10Layout, raidDisks: number): string | null {
  if (layout.offset && layout.far > 1 && raidDisks % layout.near !== 0) {
    return "a chunk whose near copies are in two rows overwrites the offset copies between them";
  }
  for (const hop of makeHops(layout, raidDisks)) {
    if (new Set(hop).size !== raidDisks) return "the far copies of two members fall on one member";
  }
  return null;
}

export class Raid10Geometry {
  readonly level = "raid10";
  readonly layout: Raid10Layout;
  readonly raidDisks: number;
  readonly chunkSectors: number;
  readonly arraySectors: number;
  /** Sectors from one far copy to the next on the member. */
  readonly strideSectors: number;
  /** Sectors of each member that the array uses; the last chunks of some may hold nothing. */
  readonly usedSectors: number;
  /** Rows of one part, without far copies. */
  readonly #rows: number;
  readonly #chunks: number;
  readonly #hops: readonly (readonly number[])[];
  /** #sources[f][slot]: whose chunks of the first part are far copy f on `slot`. */
  readonly #sources: readonly (readonly number[])[];

  /** The shape must have been checked (makeGeometry does): no collisions. */
  constructor(
    layout: Raid10Layout,
    raidDisks: number,
    chunkSectors: number,
    componentSectors: number,
  ) {
    this.layout = layout;
    this.raidDisks = raidDisks;
    this.chunkSectors = chunkSectors;
    this.#rows = Math.floor(Math.floor(componentSectors / chunkSectors) / layout.far);
    this.#chunks = Math.floor((this.#rows * raidDisks) / layout.near);
    this.arraySectors = this.#chunks * chunkSectors;
    this.usedSectors = this.#rows * layout.far * chunkSectors;
    this.strideSectors = (layout.offset ? 1 : this.#rows) * chunkSectors;
    this.#hops = makeHops(layout, raidDisks);
    this.#sources = this.#hops.map(inverse);
  }

  memberSectorsUsed(_slot: number): number {
    return this.usedSectors;
  }

  /** Sectors from here to the end of the chunk. */
  pieceSectors(sector: number): number {
    const { chunkSectors } = this;
    return (quotient(sector, chunkSectors) + 1) * chunkSectors - sector;
  }

  /** Every place of the sector: near copies in order, each followed by its far copies (the kernel's order). */
  copies(sector: number, into: CopyPlaces = []): readonly CopyPlace[] {
    assert(sector >= 0 && sector < this.arraySectors, "sector inside the raid10 array");
    const { near, far, offset } = this.layout;
    const chunk = quotient(sector, this.chunkSectors);
    const inChunk = sector - chunk * this.chunkSectors;
    const first = chunk * near;
    for (let n = 0; n < near; n += 1) {
      const row = quotient(first + n, this.raidDisks);
      const member = first + n - row * this.raidDisks;
      const memberSector = row * (offset ? far : 1) * this.chunkSectors + inChunk;
      for (let f = 0; f < far; f += 1) {
        const slot = this.#hops[f]![member]!;
        setCopy(into, n * far + f, slot, memberSector + f * this.strideSectors);
      }
    }
    return into;
  }

  /** The volume sector there; null where nothing is stored. */
  toVolume(slot: number, memberSector: number): number | null {
    if (memberSector >= this.usedSectors) return null;
    const { near, far, offset } = this.layout;
    const inChunk = memberSector % this.chunkSectors;
    const memberRow = (memberSector - inChunk) / this.chunkSectors;
    const f = offset ? memberRow % far : Math.floor(memberRow / this.#rows);
    const row = offset ? (memberRow - f) / far : memberRow - f * this.#rows;
    const member = this.#sources[f]![slot]!;
    const chunk = Math.floor((row * this.raidDisks + member) / near);
    return chunk < this.#chunks ? chunk * this.chunkSectors + inChunk : null;
  }
}
