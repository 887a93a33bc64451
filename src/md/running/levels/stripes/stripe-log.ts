/**
 * StripeLog: the stage between 'parity computed' and 'members written', where a partial parity log or a journal makes a crash in the
 * middle of a stripe's writes harmless. Without one a crash leaves stripes whose parity is wrong, which a resync finds.
 */
import type { BioEnd } from "../../../../block/bio.ts";
import type { BlocksBySlot } from "../../../../parity/parity.ts";
import { WINDOW_SECTORS } from "./stripe.ts";
import type { StripeRange } from "./stripe.ts";

/** A stripe write as it is about to go to the members. Everything is lent until `written` of its log. */
export interface StripeWrite {
  readonly range: StripeRange;
  /** Data slots that are written, all of the range of each. */
  readonly written: readonly number[];
  /** New contents: of the written data, and of P and Q where somebody keeps them. P plus the written data makes the partial parity. */
  readonly blocks: BlocksBySlot;
}

export interface StripeLog {
  /** Data is written in whole blocks of so many sectors. */
  readonly blockSectors: number;
  /** No range is longer. */
  readonly maxSectors: number;
  /** All parity is made and logged, whether somebody keeps it or not. */
  readonly needsAllParity: boolean;
  /** `logged` when the stripe may be written to the members; an error ends its writes with it, and no member is written. */
  log(write: StripeWrite, logged: BioEnd): void;
  /** Every member write of a stripe that was logged has ended. */
  written(write: StripeWrite): void;
}

export const noStripeLog: StripeLog = {
  blockSectors: 1,
  maxSectors: WINDOW_SECTORS,
  needsAllParity: false,
  log: (_write, logged) => logged(null),
  written: () => {},
};
