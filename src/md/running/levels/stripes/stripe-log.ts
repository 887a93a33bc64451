/**
 * StripeLog: the stage between 'parity computed' and 'members written', where a partial parity log or a journal makes a crash in the
 * middle of a stripe's writes harmless. Without one a crash leaves stripes whose parity is wrong, which a resync finds.
 *
 *   opened with the array: read, nothing is written  -->  start: what a crash left goes to the members  -->  log, written ...  -->  settle
 *
 * Until `start` the members show what the log has for them (FoundLog.deviceOf): an array that stays read-only reads right, and keeps
 * every byte.
 */
import type { HoldfastError } from "../../../../base/errors.ts";
import type { BioEnd } from "../../../../block/bio.ts";
import type { BlockDevice } from "../../../../block/device.ts";
import type { BlocksBySlot } from "../../../../parity/parity.ts";
import type { MdCandidate } from "../../../candidate.ts";
import type { StripeGeometry } from "../../../geometry/raid456.ts";
import type { ArrayCore, JournalMode } from "../../core.ts";
import { PAGE_SECTORS } from "./stripe.ts";
import type { Member } from "../../member.ts";
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
  /** Of a journal. */
  readonly journalMode?: JournalMode;
  /** Stripe writes are made of whole pages of 4 KiB with all of their parity, whether somebody keeps that or not. */
  readonly needsPages?: boolean;
  /** Member sectors of one stripe write. */
  readonly maxSectors: number;
  /** The chunks that one stripe write changes follow each other in the array. */
  readonly needsRuns: boolean;
  /**
   * Before the first write of any kind: 1 what a crash left is written to the members, 2 flush, 3 the log is emptied. A crash
   * between them does it all again. Members that fail at it have left the array. Called again: does nothing.
   */
  start(started: () => void): void;
  /** Null, or why there is no log to write with; nothing: there always is. */
  whyReadOnly?(): HoldfastError | null;
  /** As RunningLevel.join: of logs that are on all members. */
  join?(member: Member, joined: BioEnd): void;
  /** Every stripe write comes by here. `logged` when it may go to the members; an error ends its writes with it, and no member is written. */
  log(write: StripeWrite, logged: BioEnd): void;
  /** Every member write of a stripe that was logged has ended. */
  written(write: StripeWrite): void;
  /** Every stripe that was logged is written, and no other comes: `settled` when nothing of the log's own is under way. */
  settle(settled: () => void): void;
}

export const noStripeLog: StripeLog = {
  maxSectors: Infinity,
  needsRuns: false,
  start: (started) => started(),
  log: (_write, logged) => logged(null),
  written: () => {},
  settle: (settled) => settled(),
};

/** Data is written in whole blocks of so many sectors. */
export function blockSectors({ needsPages }: StripeLog): number {
  return needsPages === true ? PAGE_SECTORS : 1;
}

/** An array's log as it was found, of which nothing is written yet. */
export interface FoundLog {
  /** With what it has for the members their parity is right everywhere, though the array was not stopped: no resync is due. */
  readonly isMended: boolean;
  /** The member as it is to be read and, from `start` on, written. */
  deviceOf(candidate: MdCandidate): BlockDevice;
  /** Called once. */
  make(core: ArrayCore, geometry: StripeGeometry): StripeLog;
}
