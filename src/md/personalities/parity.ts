/**
 * raid4, raid5 and raid6, read side.
 *
 * A piece lies in one chunk of one member. Where that member can be believed it is read, without an allocation; otherwise, or when the read fails,
 * the range is rebuilt from the other members of the row: one lost block from the rest and P (or Q), two lost blocks
 * from the rest, P and Q. Members that turn out to fail while rebuilding count as lost for that range; when too many are
 * lost the range is halved, so that bad sectors in different places of different members do no harm. What cannot be rebuilt even as
 * a single sector is gone. Where a read takes in whole rows with something lost, each is read as a whole (row-reads.ts).
 *
 * Rebuilding holds one buffer a member, so it goes in steps of at most REBUILD_SECTORS.
 */
import { HoldfastError } from "../../base/errors.ts";
import { SECTOR_BYTES } from "../../base/units.ts";
import { NO_DATA, ignore } from "../../base/nothing.ts";
import type { BioEnd } from "../../block/bio.ts";
import { inRuns } from "../../block/fan-out.ts";
import { Pool } from "../../block/pool.ts";
import { DirectRead } from "../direct-read.ts";
import { WorkBuffers } from "../../parity/engine.ts";
import type { ParityEngine } from "../../parity/engine.ts";
import { rebuild } from "../../parity/parity.ts";
import { StripePlace } from "../geometry/raid456.ts";
import type { StripeGeometry } from "../geometry/raid456.ts";
import type { RowLayout } from "../geometry/stripe-layouts.ts";
import type { Slot } from "../slot.ts";
import type { Personality, PieceExtent } from "./personality.ts";
import { RowReads, sourcesFor } from "./row-reads.ts";

const REBUILD_SECTORS = 128;
/** A range of one row: the same member sectors on every member. */
interface RowRange {
  readonly layout: RowLayout;
  /** The member whose data is wanted. */
  readonly target: number;
  readonly memberSector: number;
  /** For messages: the volume sector at `memberSector` of the target. */
  readonly volumeSector: number;
  /**
   * The target is trusted, but a read of so many of its sectors, this range among them, failed; 0: it is not trusted.
   * A smaller range may still be read from it.
   */
  readonly failedSectors: number;
}

function advanced(range: RowRange, sectors: number): RowRange {
  return {
    ...range,
    memberSector: range.memberSector + sectors,
    volumeSector: range.volumeSector + sectors,
  };
}

export class ParityPersonality implements Personality {
  readonly #geometry: StripeGeometry;
  readonly #slots: readonly Slot[];
  readonly #engine: () => ParityEngine;
  readonly #place = new StripePlace();
  readonly #rows: RowReads;
  readonly #direct = new Pool(
    () => new DirectRead((read, error) => this.#directEnded(read, error)),
  );

  /** @param engine asked for when there is, or will be, something to rebuild */
  constructor(geometry: StripeGeometry, slots: readonly Slot[], engine: () => ParityEngine) {
    this.#geometry = geometry;
    this.#slots = slots;
    this.#engine = engine;
    this.#rows = new RowReads(geometry, slots, engine, (sector, failedSectors, data, end) =>
      this.#rebuildRange(this.#rangeAt(sector, failedSectors), data, end),
    );
    // A member is missing: made now, it is warm when the first read needs it.
    if (slots.some((slot) => slot.views.length === 0)) engine();
  }

  pieceSectors(sector: number): number {
    return this.#geometry.pieceSectors(sector);
  }

  readSectors(sector: number, max: number): number {
    return this.#rows.sectorsAt(sector, max) || this.pieceSectors(sector);
  }

  piecesExtent(sector: number, max: number): PieceExtent | null {
    return this.#rows.extent(sector, max);
  }

  pieceExtent(sector: number, max: number): PieceExtent {
    const place = this.#geometry.locate(sector, this.#place);
    return (
      this.#slots[place.slot]!.extent(place.memberSector, max) ?? { kind: "data", sectors: max }
    );
  }

  readPiece(sector: number, data: Uint8Array, end: BioEnd): void {
    const place = this.#geometry.locate(sector, this.#place);
    const slot = this.#slots[place.slot]!;
    const sectors = data.length / SECTOR_BYTES;
    if (sectors > place.sectors) {
      this.#rows.read(sector, data, end);
      return;
    }
    if (slot.trust(place.memberSector, sectors) < sectors) {
      this.#readRange(this.#rangeAt(sector, 0), data, end);
      return;
    }
    const read = this.#direct.take();
    read.sector = sector;
    read.data = data;
    read.end = end;
    slot.read(place.memberSector, data, read.ended);
  }

  #directEnded(read: DirectRead, error: HoldfastError | null): void {
    const { sector, data, end } = read;
    read.data = NO_DATA;
    read.end = ignore;
    this.#direct.give(read);
    if (error === null) end(null);
    else this.#rebuildRange(this.#rangeAt(sector, data.length / SECTOR_BYTES), data, end);
  }

  #rangeAt(sector: number, failedSectors: number): RowRange {
    const { row, slot, memberSector } = this.#geometry.locate(sector, this.#place);
    const layout = this.#geometry.rowLayout(row);
    return { layout, target: slot, memberSector, volumeSector: sector, failedSectors };
  }

  /** Reads run by run of equal trust in the target. */
  #readRange(whole: RowRange, data: Uint8Array, end: BioEnd): void {
    const sectors = data.length / SECTOR_BYTES;
    const slot = this.#slots[whole.target]!;
    const readRun = (at: number, ended: BioEnd): number => {
      const range = advanced(whole, at);
      const trust = slot.trust(range.memberSector, sectors - at);
      const run = Math.abs(trust);
      const here = data.subarray(at * SECTOR_BYTES, (at + run) * SECTOR_BYTES);
      if (trust < 0) {
        this.#rebuildRange({ ...range, failedSectors: 0 }, here, ended);
      } else {
        slot.read(range.memberSector, here, (error) => {
          if (error === null) ended(null);
          else this.#rebuildRange({ ...range, failedSectors: run }, here, ended);
        });
      }
      return run;
    };
    inRuns(sectors, readRun, end);
  }

  /** Rebuilds `data` in steps over which every member of the row is either good or not. */
  #rebuildRange(whole: RowRange, data: Uint8Array, end: BioEnd): void {
    const sectors = data.length / SECTOR_BYTES;
    const rebuildRun = (at: number, ended: BioEnd): number => {
      const range = advanced(whole, at);
      let run = Math.min(sectors - at, REBUILD_SECTORS);
      const lost = new Set([range.target]);
      for (const slot of range.layout.slots) {
        if (slot === range.target) continue;
        const trust = this.#slots[slot]!.trust(range.memberSector, run);
        run = Math.abs(trust);
        if (trust < 0) lost.add(slot);
      }
      const here = data.subarray(at * SECTOR_BYTES, (at + run) * SECTOR_BYTES);
      this.#rebuildStep(range, here, lost, ended);
      return run;
    };
    inRuns(sectors, rebuildRun, end);
  }

  #rebuildStep(range: RowRange, data: Uint8Array, lost: ReadonlySet<number>, end: BioEnd): void {
    const sources = sourcesFor(range.layout, lost);
    if (sources === null) {
      this.#tooManyLost(range, data, lost, end);
      return;
    }
    const engine = this.#engine();
    const buffers = new WorkBuffers(engine);
    const blocks = new Map<number, Uint8Array>();
    const failed = new Set<number>();
    let pending = sources.length;
    const arrived = (): void => {
      pending -= 1;
      if (pending > 0) return;
      if (failed.size > 0) {
        buffers.giveBack();
        this.#rebuildStep(range, data, new Set([...lost, ...failed]), end);
      } else {
        for (const slot of range.layout.data) {
          if (slot !== range.target && lost.has(slot)) blocks.set(slot, buffers.take(data.length));
        }
        const out = buffers.standIn(data);
        rebuild(range.layout, range.target, lost, blocks, out, engine.kernels);
        if (out !== data) data.set(out);
        buffers.giveBack();
        end(null);
      }
    };
    for (const slot of sources) {
      const block = buffers.take(data.length);
      blocks.set(slot, block);
      this.#slots[slot]!.read(range.memberSector, block, (error) => {
        if (error !== null) failed.add(slot);
        arrived();
      });
    }
  }

  #tooManyLost(range: RowRange, data: Uint8Array, lost: ReadonlySet<number>, end: BioEnd): void {
    const sectors = data.length / SECTOR_BYTES;
    if (sectors < range.failedSectors) {
      this.#readRange(range, data, end);
      return;
    }
    if (sectors === 1) {
      const others = [...lost].filter((slot) => slot !== range.target).toSorted((a, b) => a - b);
      end(
        new HoldfastError(
          "data-lost",
          `sector ${range.volumeSector} is gone: member ${range.target} cannot be read at sector ${range.memberSector}, nor ${others.map((slot) => `member ${slot}`).join(" and ")}, which rebuilding it needs`,
        ),
      );
      return;
    }
    const half = Math.floor(sectors / 2);
    const readHalf = (at: number, ended: BioEnd): number => {
      const stop = at === 0 ? half : sectors;
      const here = data.subarray(at * SECTOR_BYTES, stop * SECTOR_BYTES);
      this.#readRange(advanced(range, at), here, ended);
      return stop - at;
    };
    inRuns(sectors, readHalf, end);
  }
}
