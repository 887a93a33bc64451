/**
 * raid4, raid5, raid6: volume sector -> row, data index, slot; and back. Who holds what in a row is in
 * stripe-layouts.ts; it repeats after at most raidDisks rows, so it is a table here and nothing is computed or
 * allocated per row once the table is filled.
 */
import { assert } from "../../base/assert.ts";
import { alignDown, quotient } from "../../base/units.ts";
import { Place } from "./place.ts";
import { ROLE_P, ROLE_Q, RowTable } from "./stripe-layouts.ts";
import type { RowLayout, StripeLevel } from "./stripe-layouts.ts";

export class StripePlace extends Place {
  /** Number of the row of chunks. */
  row = 0;
  /** Which of the row's data chunks. */
  dataIndex = 0;
}

/** What a member's chunk holds in a row. */
export type ChunkRole = number | "p" | "q";

export class StripeGeometry {
  readonly level: StripeLevel;
  readonly raidDisks: number;
  /** Data chunks in a row. */
  readonly dataDisks: number;
  readonly chunkSectors: number;
  readonly arraySectors: number;
  /** Sectors of each member that the array uses: whole chunks. */
  readonly usedSectors: number;
  readonly #rows: RowTable;

  /** The shape must have been checked (makeGeometry does). */
  constructor(
    level: StripeLevel,
    layout: number,
    raidDisks: number,
    chunkSectors: number,
    componentSectors: number,
  ) {
    this.level = level;
    this.raidDisks = raidDisks;
    this.dataDisks = raidDisks - (level === "raid6" ? 2 : 1);
    this.chunkSectors = chunkSectors;
    this.usedSectors = alignDown(componentSectors, chunkSectors);
    this.arraySectors = this.usedSectors * this.dataDisks;
    this.#rows = new RowTable(level, layout, raidDisks);
  }

  memberSectorsUsed(_slot: number): number {
    return this.usedSectors;
  }

  /** Rows after which the layout repeats. */
  get periodRows(): number {
    return this.#rows.periodRows;
  }

  rowLayout(row: number): RowLayout {
    return this.#rows.row(row);
  }

  rowOfMemberSector(memberSector: number): number {
    return Math.floor(memberSector / this.chunkSectors);
  }

  /** Sectors from here to the end of the chunk. */
  pieceSectors(sector: number): number {
    const { chunkSectors } = this;
    return (quotient(sector, chunkSectors) + 1) * chunkSectors - sector;
  }

  locate(sector: number, into = new StripePlace()): Readonly<StripePlace> {
    assert(sector >= 0 && sector < this.arraySectors, "sector inside the striped array");
    const { chunkSectors, dataDisks } = this;
    const chunk = quotient(sector, chunkSectors);
    const inChunk = sector - chunk * chunkSectors;
    const row = quotient(chunk, dataDisks);
    const dataIndex = chunk - row * dataDisks;
    into.row = row;
    into.dataIndex = dataIndex;
    into.slot = this.rowLayout(row).data[dataIndex]!;
    into.memberSector = row * chunkSectors + inChunk;
    into.sectors = chunkSectors - inChunk;
    return into;
  }

  roleOf(slot: number, row: number): ChunkRole {
    const role = this.rowLayout(row).roles[slot]!;
    return role === ROLE_P ? "p" : role === ROLE_Q ? "q" : role;
  }

  /** The volume sector there, or that it is parity; null behind the last whole chunk. */
  toVolume(slot: number, memberSector: number): number | "p" | "q" | null {
    if (memberSector >= this.usedSectors) return null;
    const inChunk = memberSector % this.chunkSectors;
    const row = (memberSector - inChunk) / this.chunkSectors;
    const role = this.roleOf(slot, row);
    if (typeof role === "string") return role;
    return (row * this.dataDisks + role) * this.chunkSectors + inChunk;
  }
}
