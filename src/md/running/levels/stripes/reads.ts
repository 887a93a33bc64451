/**
 * Reading: where a member can be believed it is read, without a lock, since a sector that is being written may be read either way. What
 * is missing is rebuilt under the stripe's lock, since data and parity of a stripe that is being written do not fit together. A
 * member that cannot read what it should have is written anew (repairBlock).
 */
import { SECTOR_BYTES, alignUp } from "../../../../base/units.ts";
import type { HoldfastError } from "../../../../base/errors.ts";
import { NO_DATA, ignore } from "../../../../base/nothing.ts";
import type { BioEnd } from "../../../../block/bio.ts";
import { fanOut } from "../../../../block/fan-out.ts";
import { Pool } from "../../../../block/pool.ts";
import type { RangeMode } from "../../../../block/range-lock.ts";
import { DirectRead } from "../../../direct-read.ts";
import { WorkBuffers } from "../../../../parity/engine.ts";
import { StripePlace } from "../../../geometry/raid456.ts";
import { trustedHolder } from "./holders.ts";
import { StripeLoad } from "./load.ts";
import type { FailedRead } from "./load.ts";
import { inPieces } from "./pieces.ts";
import type { PieceEnd } from "./pieces.ts";
import { repairBlock } from "./store.ts";
import { rangeAt } from "./stripe.ts";
import type { StripeContext, StripeRange } from "./stripe.ts";

interface ReadRun {
  readonly sectors: number;
  /** A whole row of which data is lost. */
  readonly isLossyRow: boolean;
}

export class StripeReads {
  readonly #context: StripeContext;
  readonly #place = new StripePlace();
  readonly #direct = new Pool(() => new DirectRead((read, error) => this.#ended(read, error)));

  constructor(context: StripeContext) {
    this.#context = context;
  }

  /** @param sector of the volume */
  read(sector: number, data: Uint8Array, end: BioEnd): void {
    const runs = this.#runsOf(sector, data.length / SECTOR_BYTES);
    if (runs === null) {
      this.#readPieces(sector, data, end);
      return;
    }
    const ended = fanOut(runs.length, end);
    let from = 0;
    for (const { sectors, isLossyRow } of runs) {
      const here = data.subarray(from * SECTOR_BYTES, (from + sectors) * SECTOR_BYTES);
      if (isLossyRow) this.#rebuildRow(sector + from, here, ended);
      else this.#readPieces(sector + from, here, ended);
      from += sectors;
    }
  }

  /** Whole rows that have lost data, and what lies between them; null: there are none. */
  #runsOf(sector: number, sectors: number): ReadRun[] | null {
    const { chunkSectors, dataDisks } = this.#context.geometry;
    const rowSectors = chunkSectors * dataDisks;
    const end = sector + sectors;
    const runs: ReadRun[] = [];
    let done = sector;
    for (let row = alignUp(sector, rowSectors); row + rowSectors <= end; row += rowSectors) {
      if (!this.#hasLostData(row)) continue;
      if (row > done) runs.push({ sectors: row - done, isLossyRow: false });
      runs.push({ sectors: rowSectors, isLossyRow: true });
      done = row + rowSectors;
    }
    if (runs.length === 0) return null;
    if (done < end) runs.push({ sectors: end - done, isLossyRow: false });
    return runs;
  }

  /** @param sector of the volume, where a row starts */
  #hasLostData(sector: number): boolean {
    const { core, geometry } = this.#context;
    const { row, memberSector } = geometry.locate(sector, this.#place);
    const { chunkSectors } = geometry;
    for (const slot of geometry.rowLayout(row).data)
      if (trustedHolder(core.members, slot, memberSector, chunkSectors) === null) return true;
    return false;
  }

  /** Each member that is needed is read once, where chunk by chunk it would be read for itself and again for what is lost. */
  #rebuildRow(sector: number, data: Uint8Array, end: BioEnd): void {
    const { core, geometry } = this.#context;
    const { memberSector } = geometry.locate(sector, this.#place);
    const { chunkSectors } = geometry;
    core.locks.lock(memberSector, chunkSectors, "shared", (hold) => {
      const range = rangeAt(geometry, memberSector, chunkSectors);
      inPieces(
        core.members,
        range,
        (piece, ended) => {
          const { layout } = piece;
          this.#load(piece, layout.data, ended, (load, loaded) => {
            for (const [index, slot] of layout.data.entries()) {
              const at = index * chunkSectors + (piece.sector - memberSector);
              data.set(load.blocks.get(slot)!, at * SECTOR_BYTES);
            }
            loaded(null);
          });
        },
        (error) => {
          core.locks.release(hold);
          end(error);
        },
      );
    });
  }

  #readPieces(sector: number, data: Uint8Array, end: BioEnd): void {
    const { geometry } = this.#context;
    const sectors = data.length / SECTOR_BYTES;
    const first = geometry.pieceSectors(sector);
    if (sectors <= first) {
      this.#readPiece(sector, data, end);
      return;
    }
    const pieces = 1 + Math.ceil((sectors - first) / geometry.chunkSectors);
    const ended = fanOut(pieces, end);
    let from = 0;
    for (let to = first; from < sectors; to += geometry.chunkSectors) {
      const bytes = data.subarray(from * SECTOR_BYTES, Math.min(to, sectors) * SECTOR_BYTES);
      this.#readPiece(sector + from, bytes, ended);
      from = to;
    }
  }

  /** Inside one chunk. */
  #readPiece(sector: number, data: Uint8Array, end: BioEnd): void {
    const { core, geometry, io } = this.#context;
    const { slot, memberSector } = geometry.locate(sector, this.#place);
    const sectors = data.length / SECTOR_BYTES;
    const member = trustedHolder(core.members, slot, memberSector, sectors);
    if (member === null) {
      this.#rebuild(slot, memberSector, data, "shared", end);
      return;
    }
    const read = this.#direct.take();
    read.slot = slot;
    read.sector = memberSector;
    read.data = data;
    read.end = end;
    io.read(member, memberSector, data, read.ended);
  }

  #ended(read: DirectRead, error: HoldfastError | null): void {
    const { slot, sector, data, end } = read;
    read.data = NO_DATA;
    read.end = ignore;
    this.#direct.give(read);
    const { members } = this.#context.core;
    if (error !== null) this.#rebuild(slot, sector, data, "exclusive", end);
    else if (trustedHolder(members, slot, sector, data.length / SECTOR_BYTES) !== null) end(null);
    // It left meanwhile, and may have answered after it lost its cache (law 3).
    else this.#rebuild(slot, sector, data, "shared", end);
  }

  /** @param mode exclusive: what cannot be read is written anew */
  #rebuild(slot: number, sector: number, data: Uint8Array, mode: RangeMode, end: BioEnd): void {
    const { core, geometry } = this.#context;
    const sectors = data.length / SECTOR_BYTES;
    core.locks.lock(sector, sectors, mode, (hold) => {
      const range = rangeAt(geometry, sector, sectors);
      inPieces(
        core.members,
        range,
        (piece, ended) => {
          const from = (piece.sector - sector) * SECTOR_BYTES;
          const here = data.subarray(from, from + piece.sectors * SECTOR_BYTES);
          this.#rebuildPiece(piece, slot, here, mode, ended);
        },
        (error) => {
          core.locks.release(hold);
          end(error);
        },
      );
    });
  }

  #rebuildPiece(
    piece: StripeRange,
    slot: number,
    data: Uint8Array,
    mode: RangeMode,
    end: PieceEnd,
  ): void {
    this.#load(piece, [slot], end, (load, loaded) => {
      data.set(load.blocks.get(slot)!);
      if (mode === "shared") loaded(null);
      else repairAll(this.#context, piece, load.failed, load.blocks, loaded);
    });
  }

  /** @param use has the blocks until it calls `loaded` */
  #load(
    piece: StripeRange,
    slots: readonly number[],
    end: PieceEnd,
    use: (load: StripeLoad, loaded: PieceEnd) => void,
  ): void {
    const buffers = new WorkBuffers(this.#context.core.parity());
    const finish: PieceEnd = (outcome) => {
      buffers.giveBack();
      end(outcome);
    };
    const load = new StripeLoad(this.#context, piece, slots, buffers, (outcome) => {
      if (outcome === null) use(load, finish);
      else finish(outcome);
    });
    load.start();
  }
}

/** @param blocks of the slots of all that failed */
export function repairAll(
  context: StripeContext,
  range: StripeRange,
  failed: readonly FailedRead[],
  blocks: ReadonlyMap<number, Uint8Array>,
  end: BioEnd,
): void {
  if (failed.length === 0) {
    end(null);
    return;
  }
  // The data is there: that a member could not be mended, or that it could not be recorded, is no error of the read.
  const ended = fanOut(failed.length, () => end(null));
  for (const { slot, member, why } of failed)
    repairBlock(context, member, range, blocks.get(slot)!, why, ended);
}
