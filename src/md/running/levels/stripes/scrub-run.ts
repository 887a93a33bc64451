/**
 * Finding out whether the parity of a run of rows is right, where nobody is missing anything: one read of each member for all of its rows, and
 * one comparison a row. Nothing is written, listed or repaired: whatever is out of the ordinary is scrubPiece's to look at, from the start.
 */
import { SECTOR_BYTES } from "../../../../base/units.ts";
import type { HoldfastError } from "../../../../base/errors.ts";
import { NO_DATA } from "../../../../base/nothing.ts";
import type { BioEnd } from "../../../../block/bio.ts";
import { Pool } from "../../../../block/pool.ts";
import type { Pooled } from "../../../../block/pool.ts";
import { WorkBuffers } from "../../../../parity/engine.ts";
import type { Member } from "../../member.ts";
import { findHolders } from "./holders.ts";
import { rangeAt } from "./stripe.ts";
import type { StripeContext } from "./stripe.ts";

/** @param isRight false: it is not, or that cannot be told here */
export type ScrubRunEnd = (isRight: boolean) => void;

function ignore(): void {}

class ScrubRun implements Pooled {
  isSpare = false;
  sector = 0;
  sectors = 0;
  /** By slot. */
  readonly holders: Member[] = [];
  /** By slot: all of the run. */
  readonly blocks: Uint8Array[] = [];
  readonly buffers: WorkBuffers;
  /** Data of one row. */
  readonly data: Uint8Array[] = [];
  /** Reads not ended, and one for whoever starts them. */
  pending = 0;
  hasFailed = false;
  end: ScrubRunEnd = ignore;
  readonly read: BioEnd;

  constructor(runs: ScrubRuns, buffers: WorkBuffers) {
    this.buffers = buffers;
    this.read = (error) => runs.read(this, error);
  }
}

export class ScrubRuns {
  readonly #context: StripeContext;
  readonly #runs: Pool<ScrubRun>;

  constructor(context: StripeContext) {
    this.#context = context;
    this.#runs = new Pool(() => new ScrubRun(this, new WorkBuffers(context.core.parity())));
  }

  /** The run is locked. False: somebody is missing something, and nothing was begun. */
  start(sector: number, sectors: number, end: ScrubRunEnd): boolean {
    const { core, io } = this.#context;
    const run = this.#runs.take();
    const { holders, blocks, buffers } = run;
    if (!findHolders(core.members, holders)) {
      this.#runs.give(run);
      return false;
    }
    run.sector = sector;
    run.sectors = sectors;
    run.end = end;
    run.hasFailed = false;
    const slots = core.members.slots;
    for (let slot = 0; slot < slots; slot += 1) blocks[slot] = buffers.take(sectors * SECTOR_BYTES);
    run.pending = slots + 1;
    for (let slot = 0; slot < slots; slot += 1)
      io.read(holders[slot]!, sector, blocks[slot]!, run.read);
    this.read(run, null);
    return true;
  }

  read(run: ScrubRun, error: HoldfastError | null): void {
    if (error !== null) run.hasFailed = true;
    run.pending -= 1;
    if (run.pending > 0) return;
    const isRight = !run.hasFailed && this.#areStillThere(run) && this.#isRight(run);
    const { end } = run;
    run.buffers.giveBack();
    run.blocks.fill(NO_DATA);
    run.end = ignore;
    this.#runs.give(run);
    end(isRight);
  }

  #areStillThere({ holders }: ScrubRun): boolean {
    const { members } = this.#context.core;
    for (let slot = 0; slot < members.slots; slot += 1) if (!holders[slot]!.isInSync) return false;
    return true;
  }

  #isRight({ sector, sectors, blocks, data }: ScrubRun): boolean {
    const { core, geometry } = this.#context;
    const { kernels } = core.parity();
    for (let at = 0; at < sectors;) {
      const { layout, sectors: length } = rangeAt(geometry, sector + at, sectors - at);
      const from = at * SECTOR_BYTES;
      const to = from + length * SECTOR_BYTES;
      data.length = 0;
      for (const slot of layout.data) data.push(blocks[slot]!.subarray(from, to));
      const p = blocks[layout.p]!.subarray(from, to);
      const q = layout.q === null ? null : blocks[layout.q]!.subarray(from, to);
      const found = kernels.check(p, q, data, layout.coefficients);
      if (found.p !== null || found.q !== null) return false;
      at += length;
    }
    return true;
  }
}
