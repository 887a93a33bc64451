/**
 * Writing a range of a stripe, of which each data block is written as a whole or not at all. The stripe is locked, and its region dirty.
 *
 *   1 old contents are read, as the plan says   2 new parity   3 the log   4 data and parity, at a time   5 failures are recorded
 *
 * A crash inside 4 leaves a parity that is wrong, which the log mends or a resync finds; while a member is missing and there is no log,
 * that can cost blocks of the missing member that nobody wrote (the write hole).
 */
import type { HoldfastError } from "../../../../base/errors.ts";
import { SECTOR_BYTES } from "../../../../base/units.ts";
import { WorkBuffers } from "../../../../parity/engine.ts";
import { isParityEnough, lostSlots, tooMuchLost } from "./holders.ts";
import { StripeLoad } from "./load.ts";
import type { Segment } from "./parts.ts";
import type { PieceEnd, PieceOutcome } from "./pieces.ts";
import { planWrite } from "./plan.ts";
import type { WritePlan } from "./plan.ts";
import { StripeStore } from "./store.ts";
import { parityBlocks } from "./stripe.ts";
import type { StripeContext, StripeRange } from "./stripe.ts";
import { blockSectors } from "./stripe-log.ts";
import type { StripeWrite } from "./stripe-log.ts";

/** The new contents of a data slot, lent until the end. @param old what was there, of slots that are written in part */
export type NewContents = (
  slot: number,
  range: StripeRange,
  old: Uint8Array | null,
  buffers: WorkBuffers,
) => Uint8Array;

/** @param isEverywhere nobody missed anything */
export type SegmentEnd = (outcome: PieceOutcome, isEverywhere: boolean) => void;

export class SegmentWrite {
  readonly #context: StripeContext;
  readonly #range: StripeRange;
  readonly #written: ReadonlySet<number>;
  readonly #partial: ReadonlySet<number>;
  readonly #contents: NewContents;
  readonly #flags: number;
  readonly #end: SegmentEnd;
  readonly #buffers: WorkBuffers;
  readonly #store: StripeStore;
  readonly #kept: readonly number[];

  /** @param segment around the range @param flags BioFlags for data and parity */
  constructor(
    context: StripeContext,
    range: StripeRange,
    { written, partial }: Pick<Segment, "written" | "partial">,
    contents: NewContents,
    flags: number,
    end: SegmentEnd,
  ) {
    this.#context = context;
    this.#range = range;
    this.#written = written;
    this.#partial = partial;
    this.#contents = contents;
    this.#flags = flags;
    this.#end = end;
    this.#buffers = new WorkBuffers(context.core.parity());
    const { layout } = range;
    const parity = layout.q === null ? [layout.p] : [layout.p, layout.q];
    this.#store = new StripeStore(context, range, [...written, ...parity]);
    this.#kept = parity.filter((slot) => context.log.needsPages === true || this.#store.has(slot));
  }

  start(): void {
    const { layout, sector, sectors } = this.#range;
    const { record, members } = this.#context.core;
    const lost = lostSlots(members, this.#range);
    const isParityRight = sector + sectors <= record.resyncOffsetSectors;
    const plan = planWrite({
      layout,
      written: this.#written,
      partial: this.#partial,
      lost,
      kept: this.#kept,
      isParityRight,
    });
    if (plan === null || !this.#canBeKept(lost)) {
      this.#finish(this.#tooMuchLost(), false);
      return;
    }
    const loaded: PieceEnd = (outcome) => {
      if (outcome === null) this.#loaded(plan, load.blocks);
      else this.#finish(outcome, false);
    };
    const context = this.#context;
    const load = new StripeLoad(
      context,
      this.#range,
      plan.old,
      this.#buffers,
      loaded,
      blockSectors(context.log),
    );
    load.start();
  }

  /** When all is written no more is missing than parity makes up for. */
  #canBeKept(lost: ReadonlySet<number>): boolean {
    const { layout } = this.#range;
    const isWritten = (slot: number): boolean =>
      this.#written.has(slot) || slot === layout.p || slot === layout.q;
    const missing = layout.slots.filter((slot) =>
      isWritten(slot) ? !this.#store.willHold(slot) : lost.has(slot),
    );
    return missing.length <= parityBlocks(layout);
  }

  #tooMuchLost(): HoldfastError {
    return tooMuchLost(this.#context.core, this.#range);
  }

  #loaded({ kind }: WritePlan, old: ReadonlyMap<number, Uint8Array>): void {
    const blocks = new Map<number, Uint8Array>();
    for (const slot of this.#written) {
      const before = this.#partial.has(slot) ? old.get(slot)! : null;
      blocks.set(slot, this.#contents(slot, this.#range, before, this.#buffers));
    }
    if (kind === "reconstruct") this.#reconstruct(old, blocks);
    else if (kind === "read-modify") this.#modify(old, blocks);
    const write: StripeWrite = { range: this.#range, written: [...this.#written], blocks };
    // Also what has no parity: a partial parity log lets it pass once nobody will believe the parity that is not written.
    this.#context.log.log(write, (error) => {
      if (error !== null) this.#finish(error, false);
      else this.#writeMembers(blocks, () => this.#context.log.written(write));
    });
  }

  #writeMembers(blocks: ReadonlyMap<number, Uint8Array>, written: () => void): void {
    this.#store.write(blocks, this.#flags, (error, isEverywhere) => {
      written();
      const isKept = isEverywhere || isParityEnough(this.#context.core.members, this.#range);
      this.#finish(error ?? (isKept ? null : this.#tooMuchLost()), isEverywhere);
    });
  }

  #finish(outcome: PieceOutcome, isEverywhere: boolean): void {
    this.#buffers.giveBack();
    this.#end(outcome, isEverywhere);
  }

  #reconstruct(old: ReadonlyMap<number, Uint8Array>, blocks: Map<number, Uint8Array>): void {
    const { layout } = this.#range;
    const { kernels } = this.#context.core.parity();
    const data = layout.data.map((slot) => blocks.get(slot) ?? old.get(slot)!);
    const p = this.#parityBlock(layout.p, blocks);
    const q = layout.q === null ? null : this.#parityBlock(layout.q, blocks);
    if (q !== null) kernels.pq(p, q, data, layout.coefficients);
    else if (p !== null) kernels.xor(p, data);
  }

  #parityBlock(slot: number, blocks: Map<number, Uint8Array>): Uint8Array | null {
    if (!this.#kept.includes(slot)) return null;
    const block = this.#buffers.take(this.#range.sectors * SECTOR_BYTES);
    blocks.set(slot, block);
    return block;
  }

  /** P and Q change by what each block changes. The old contents are used up. */
  #modify(old: ReadonlyMap<number, Uint8Array>, blocks: Map<number, Uint8Array>): void {
    const { layout } = this.#range;
    const { kernels } = this.#context.core.parity();
    const changes: Uint8Array[] = [];
    const coefficients: number[] = [];
    for (const [index, slot] of layout.data.entries()) {
      if (!this.#written.has(slot)) continue;
      const change = old.get(slot)!;
      kernels.xor(change, [change, blocks.get(slot)!]);
      changes.push(change);
      coefficients.push(layout.coefficients[index] ?? 0);
    }
    for (const slot of this.#kept) {
      const parity = old.get(slot)!;
      blocks.set(slot, parity);
      if (slot === layout.p) kernels.xor(parity, [parity, ...changes]);
      else {
        const change = this.#buffers.take(parity.length);
        kernels.pq(null, change, changes, coefficients);
        kernels.xor(parity, [parity, change]);
      }
    }
  }
}
