/**
 * Reading: where a member can be believed it is read, without a lock, since a sector that is being written may be read either way. What
 * is missing is rebuilt under the stripe's lock, since data and parity of a stripe that is being written do not fit together. A
 * member that cannot read what it should have is written anew (repairBlock).
 */
import { SECTOR_BYTES } from "../../../../base/units.ts";
import type { HoldfastError } from "../../../../base/errors.ts";
import type { BioEnd } from "../../../../block/bio.ts";
import { fanOut } from "../../../../block/fan-out.ts";
import { Pool } from "../../../../block/pool.ts";
import type { Pooled } from "../../../../block/pool.ts";
import type { RangeMode } from "../../../../block/range-lock.ts";
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

const NO_DATA = new Uint8Array(0);

class DirectRead implements Pooled {
  isSpare = false;
  slot = 0;
  sector = 0;
  data: Uint8Array = NO_DATA;
  end: BioEnd = ignore;
  readonly ended: BioEnd;

  constructor(ended: (read: DirectRead, error: HoldfastError | null) => void) {
    this.ended = (error) => ended(this, error);
  }
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
    if (error === null) end(null);
    else this.#rebuild(slot, sector, data, "exclusive", end);
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
    const buffers = new WorkBuffers(this.#context.core.parity());
    const finish: PieceEnd = (outcome) => {
      buffers.giveBack();
      end(outcome);
    };
    const load = new StripeLoad(this.#context, piece, [slot], buffers, (outcome) => {
      if (outcome !== null) {
        finish(outcome);
        return;
      }
      data.set(load.blocks.get(slot)!);
      if (mode === "shared") finish(null);
      else repairAll(this.#context, piece, load.failed, load.blocks, finish);
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
  for (const { slot, member } of failed)
    repairBlock(context, member, range, blocks.get(slot)!, ended);
}

function ignore(): void {}
