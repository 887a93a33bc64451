/**
 * How a write of a stripe comes to its new parity.
 *
 *   read-modify-write    what is written and the parity are read: the parity changes by what the data changes
 *   reconstruct-write    the data that is not written is read (or rebuilt), and parity made of all of it
 *
 * Whichever reads less; of equals the second, as kernels choose. Nothing is read where all data of the stripe is written, and the first way
 * is out of the question where the parity is not known to be right: it would stay wrong, and be believed from then on.
 */
import type { RowLayout } from "../../../geometry/stripe-layouts.ts";
import { sourcesFor } from "../../../personalities/row-reads.ts";

export interface WriteSituation {
  readonly layout: RowLayout;
  /** Data slots, written over all of the range. */
  readonly written: ReadonlySet<number>;
  /** Of these, slots of which a part is kept. */
  readonly partial: ReadonlySet<number>;
  /** Slots that cannot be read. */
  readonly lost: ReadonlySet<number>;
  /** Parity slots that somebody keeps, so that they must be made. */
  readonly kept: readonly number[];
  /** The parity on the members is what the data makes. */
  readonly isParityRight: boolean;
}

export interface WritePlan {
  readonly kind: "no-parity" | "read-modify" | "reconstruct";
  /** Slots whose old contents are needed, read or rebuilt. */
  readonly old: readonly number[];
}

/** Null: the stripe has lost too much to be written. */
export function planWrite(situation: WriteSituation): WritePlan | null {
  const { layout, written, partial, lost, kept, isParityRight } = situation;
  if (kept.length === 0) return { kind: "no-parity", old: [...partial] };
  const others = layout.data.filter((slot) => !written.has(slot) || partial.has(slot));
  const reconstruct: WritePlan = { kind: "reconstruct", old: others };
  const modify: WritePlan = { kind: "read-modify", old: [...written, ...kept] };
  const canModify = modify.old.every((slot) => !lost.has(slot));
  const canReadOthers = others.every((slot) => !lost.has(slot));
  if (canReadOthers) {
    const isCheaper = modify.old.length < others.length;
    return canModify && isParityRight && isCheaper ? modify : reconstruct;
  }
  // A lost block that is not written lives on in the parity alone: modified, or made again after that block was rebuilt.
  const sources = sourcesFor(layout, lost);
  if (!canModify) return sources === null ? null : reconstruct;
  return sources === null || modify.old.length < sources.length ? modify : reconstruct;
}
