/**
 * Reading a whole row of which some data is lost: each member that is needed is read once, where piece by piece it would be read for its own
 * chunk and once more for each lost one.
 *
 *   member     0        1        2        3
 *            data 0  data 1   (lost)      P           data 0 and data 1 are read into the caller's buffer where they belong,
 *               \       \        ^       /            P into a work buffer,
 *                +-------+-------+------+             and what is lost is made of those, in the caller's buffer too.
 *
 * Only for rows that are simple: over the whole chunk each member is either believed or not, and what is believed is enough. Whatever else
 * there may be in a row, a bad-block log, the end of a recovery or of a cut-off image, is read piece by piece.
 * When a read fails, what has arrived is kept, and the other chunks of the row are rebuilt one by one, as if each had been read alone:
 * that way knows how to go on in halves and with other members.
 */
import type { HoldfastError } from "../../base/errors.ts";
import { SECTOR_BYTES } from "../../base/units.ts";
import { NO_DATA, ignore } from "../../base/nothing.ts";
import type { BioEnd } from "../../block/bio.ts";
import { inRuns } from "../../block/fan-out.ts";
import type { ExtentKind } from "../../block/device.ts";
import { Pool } from "../../block/pool.ts";
import type { Pooled } from "../../block/pool.ts";
import { WorkBuffers } from "../../parity/engine.ts";
import type { ParityEngine } from "../../parity/engine.ts";
import { recoverData } from "../../parity/parity.ts";
import type { StripeGeometry } from "../geometry/raid456.ts";
import type { RowLayout } from "../geometry/stripe-layouts.ts";
import type { Slot } from "../slot.ts";
import type { PieceExtent } from "./personality.ts";

/** A row takes a work buffer of a chunk for each that is lost, and a long read has several rows under way: larger chunks go piece by piece. */
const MAX_CHUNK_SECTORS = 2048;

/** How a row that is simple is read. */
interface RowPlan {
  readonly layout: RowLayout;
  /** Slots that cannot be believed, some with data among them. */
  readonly lost: ReadonlySet<number>;
  /** Slots to read. */
  readonly sources: readonly number[];
}

/** Rows over which each member is either believed or not. */
interface UniformRows {
  readonly first: number;
  /** Behind the last. */
  readonly end: number;
  readonly lost: ReadonlySet<number>;
  /** By row in the layout's period, made when first asked for; null: there is nothing to rebuild, or too little left. */
  readonly plans: (RowPlan | null | undefined)[];
}

const NO_ROWS: UniformRows = { first: 0, end: 0, lost: new Set(), plans: [] };

/** A row under way. */
interface RowRead extends Pooled {
  sector: number;
  plan: RowPlan | null;
  data: Uint8Array;
  end: BioEnd;
  pending: number;
  readonly failed: Set<number>;
  /** What was read and what is to be made, by slot. */
  readonly blocks: Map<number, Uint8Array>;
  readonly buffers: WorkBuffers;
  /** By slot. */
  readonly ends: readonly BioEnd[];
}

/** Rebuilds one chunk of the volume. @param failedSectors of how long a read failed; 0: its member is not believed */
export type RebuildChunk = (
  sector: number,
  failedSectors: number,
  data: Uint8Array,
  end: BioEnd,
) => void;

export class RowReads {
  readonly #geometry: StripeGeometry;
  readonly #slots: readonly Slot[];
  readonly #engine: () => ParityEngine;
  readonly #rebuildChunk: RebuildChunk;
  readonly #rowSectors: number;
  readonly #isOfUse: boolean;
  /** Those of the last read. */
  #uniform = NO_ROWS;
  readonly #reads = new Pool(() => this.#make());

  constructor(
    geometry: StripeGeometry,
    slots: readonly Slot[],
    engine: () => ParityEngine,
    rebuildChunk: RebuildChunk,
  ) {
    this.#geometry = geometry;
    this.#slots = slots;
    this.#engine = engine;
    this.#rebuildChunk = rebuildChunk;
    this.#rowSectors = geometry.chunkSectors * geometry.dataDisks;
    const { chunkSectors, usedSectors } = geometry;
    const isBelieved = (slot: Slot): boolean => slot.trust(0, usedSectors) === usedSectors;
    this.#isOfUse = chunkSectors <= MAX_CHUNK_SECTORS && !slots.every(isBelieved);
  }

  /** The sectors of a row if `sector` starts one that is best read as a whole and ends before `max` sectors; else 0. */
  sectorsAt(sector: number, max: number): number {
    if (!this.#isOfUse || max < this.#rowSectors || sector % this.#rowSectors !== 0) return 0;
    return this.#planOf(sector / this.#rowSectors) === null ? 0 : this.#rowSectors;
  }

  /**
   * What is known without reading of the rows at `sector`: whole rows of which every member that is left holds data, or none does; null
   * when it is not as simple. Where the others are all zeros so is what is lost: zeros make zeros.
   */
  extent(sector: number, max: number): PieceExtent | null {
    if (max < this.#rowSectors || sector % this.#rowSectors !== 0) return null;
    const { chunkSectors, dataDisks, raidDisks } = this.#geometry;
    const memberSector = (sector / this.#rowSectors) * chunkSectors;
    let run = Math.floor(max / this.#rowSectors) * chunkSectors;
    let kind: ExtentKind | null = null;
    let lost = 0;
    for (const slot of this.#slots) {
      const trust = slot.trust(memberSector, run);
      run = Math.abs(trust);
      if (trust < 0) lost += 1;
      const found = trust > 0 ? slot.extent(memberSector, run) : null;
      if (found !== null) {
        if (kind !== null && kind !== found.kind) return null;
        kind = found.kind;
        run = found.sectors;
      }
      if (run < chunkSectors) return null;
    }
    // What cannot be rebuilt is not known to be zero.
    if (kind === null || lost > raidDisks - dataDisks) return null;
    return { kind, sectors: Math.floor(run / chunkSectors) * this.#rowSectors };
  }

  /** @param data as long as `sectorsAt` said */
  read(sector: number, data: Uint8Array, end: BioEnd): void {
    const row = sector / this.#rowSectors;
    const { chunkSectors } = this.#geometry;
    const plan = this.#planOf(row)!;
    const chunkBytes = chunkSectors * SECTOR_BYTES;
    const read = this.#reads.take();
    const { blocks, buffers, ends } = read;
    const { layout, sources } = plan;
    read.sector = sector;
    read.plan = plan;
    read.data = data;
    read.end = end;
    for (let index = 0; index < layout.data.length; index += 1) {
      const from = index * chunkBytes;
      blocks.set(layout.data[index]!, data.subarray(from, from + chunkBytes));
    }
    for (const slot of sources) if (!blocks.has(slot)) blocks.set(slot, buffers.take(chunkBytes));
    // The last of these may end, and the object be in use for another row, before its `read` returns.
    read.pending = sources.length;
    const memberSector = row * chunkSectors;
    for (const slot of sources)
      this.#slots[slot]!.read(memberSector, blocks.get(slot)!, ends[slot]!);
  }

  /** Null for a row that is not simple. */
  #planOf(row: number): RowPlan | null {
    if (row < this.#uniform.first || row >= this.#uniform.end)
      this.#uniform = this.#uniformFrom(row);
    const { end, lost, plans } = this.#uniform;
    if (row >= end) return null;
    const index = row % this.#geometry.periodRows;
    plans[index] ??= planFor(this.#geometry.rowLayout(row), lost);
    return plans[index];
  }

  #uniformFrom(first: number): UniformRows {
    const { chunkSectors, usedSectors } = this.#geometry;
    const memberSector = first * chunkSectors;
    let run = usedSectors - memberSector;
    const lost = new Set<number>();
    for (const slot of this.#slots) {
      const trust = slot.trust(memberSector, run);
      if (trust < 0) lost.add(slot.number);
      run = Math.abs(trust);
    }
    return { first, end: first + Math.floor(run / chunkSectors), lost, plans: [] };
  }

  #make(): RowRead {
    const read: RowRead = {
      isSpare: false,
      sector: 0,
      plan: null,
      data: NO_DATA,
      end: ignore,
      pending: 0,
      failed: new Set(),
      blocks: new Map(),
      buffers: new WorkBuffers(this.#engine()),
      ends: this.#slots.map((_unused, slot) => (error) => this.#arrived(read, slot, error)),
    };
    return read;
  }

  #arrived(read: RowRead, slot: number, error: HoldfastError | null): void {
    if (error !== null) read.failed.add(slot);
    read.pending -= 1;
    if (read.pending > 0) return;
    const { sector, data, end } = read;
    const plan = read.plan!;
    const failed = read.failed.size > 0 ? new Set(read.failed) : null;
    if (failed === null) this.#recover(plan, read);
    read.buffers.giveBack();
    read.blocks.clear();
    read.failed.clear();
    read.plan = null;
    read.data = NO_DATA;
    read.end = ignore;
    this.#reads.give(read);
    if (failed === null) end(null);
    else this.#rebuildChunks(sector, plan, failed, data, end);
  }

  /** Makes the lost data. Where the kernels would be slow on the caller's buffer they work on copies: that is cheaper than reading again. */
  #recover({ layout, lost }: RowPlan, { data, blocks, buffers }: RowRead): void {
    const { arena, kernels } = this.#engine();
    if (arena === null || arena.contains(data)) {
      recoverData(layout, blocks, lost, kernels);
      return;
    }
    const copies = new Map(blocks);
    for (const slot of layout.data) {
      const block = blocks.get(slot)!;
      const copy = buffers.standIn(block);
      if (!lost.has(slot)) copy.set(block);
      copies.set(slot, copy);
    }
    recoverData(layout, copies, lost, kernels);
    for (const slot of layout.data) if (lost.has(slot)) blocks.get(slot)!.set(copies.get(slot)!);
  }

  /** What is lost or failed to be read, chunk by chunk. */
  #rebuildChunks(
    sector: number,
    { layout, lost }: RowPlan,
    failed: ReadonlySet<number>,
    data: Uint8Array,
    end: BioEnd,
  ): void {
    const { chunkSectors } = this.#geometry;
    const rebuild = (at: number, ended: BioEnd): number => {
      const slot = layout.data[at / chunkSectors]!;
      const chunk = data.subarray(at * SECTOR_BYTES, (at + chunkSectors) * SECTOR_BYTES);
      if (lost.has(slot)) this.#rebuildChunk(sector + at, 0, chunk, ended);
      else if (failed.has(slot)) this.#rebuildChunk(sector + at, chunkSectors, chunk, ended);
      else ended(null);
      return chunkSectors;
    };
    inRuns(this.#rowSectors, rebuild, end);
  }
}

function planFor(layout: RowLayout, lost: ReadonlySet<number>): RowPlan | null {
  const isDataLost = layout.data.some((slot) => lost.has(slot));
  const sources = isDataLost ? sourcesFor(layout, lost) : null;
  return sources === null ? null : { layout, lost, sources };
}

/**
 * The members to read in order to rebuild what is lost; null when that cannot be done.
 * All the good data, and as many of P and Q as data blocks are lost, P first.
 */
export function sourcesFor(layout: RowLayout, lost: ReadonlySet<number>): number[] | null {
  const data = layout.data.filter((slot) => !lost.has(slot));
  const parity = [layout.p, layout.q].filter(
    (slot): slot is number => slot !== null && !lost.has(slot),
  );
  const lostData = layout.data.length - data.length;
  if (parity.length < lostData) return null;
  return [...data, ...parity.slice(0, lostData)];
}
