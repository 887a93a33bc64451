/**
 * Filling recovering members and replacements with what belongs there: from whoever else holds it, or rebuilt from the rest of the row.
 * The superblock that says how far a member is filled is written after a flush of it, by whoever keeps the sync's position (law 1).
 */
import type { HoldfastError } from "../../../../base/errors.ts";
import { fanOut } from "../../../../block/fan-out.ts";
import { WorkBuffers } from "../../../../parity/engine.ts";
import type { Member } from "../../member.ts";
import { isTrusted } from "./holders.ts";
import { StripeLoad } from "./load.ts";
import type { PieceEnd } from "./pieces.ts";
import { repairAll } from "./reads.ts";
import { StripeStore } from "./store.ts";
import type { StripeContext, StripeRange } from "./stripe.ts";

export function isBeingFilled({ standing }: Member): boolean {
  return standing.kind === "recovering";
}

/** The stripe is locked. */
export function recoverPiece(context: StripeContext, piece: StripeRange, end: PieceEnd): void {
  const { core } = context;
  const isTarget = (member: Member): boolean =>
    isBeingFilled(member) && !isTrusted(member, piece.sector, piece.sectors);
  const targets = core.members.attached.filter(isTarget);
  if (targets.length === 0) {
    end(null);
    return;
  }
  const slots = new Set(targets.map((member) => member.slot!));
  const buffers = new WorkBuffers(core.parity());
  const finish: PieceEnd = (outcome) => {
    buffers.giveBack();
    end(outcome);
  };
  /** A target that has left takes the pass with it: the array decides what is to be filled next. */
  const stored = (error: HoldfastError | null, cause: HoldfastError | null): void => {
    const hasLeft = targets.some((member) => member.slot === null);
    finish(error ?? (hasLeft ? cause : null));
  };
  const load = new StripeLoad(context, piece, slots, buffers, (outcome) => {
    if (outcome === "split") finish("split");
    else if (outcome === null) {
      const store = new StripeStore(context, piece, slots, isTarget);
      repairAll(context, piece, load.failed, load.blocks, () =>
        store.write(load.blocks, 0, (error) => stored(error, store.firstError)),
      );
    } else giveUp(context, piece, targets, outcome, (error) => stored(error, outcome));
  });
  load.start();
}

/** Nobody has it any more: the targets do not either, and say so. */
function giveUp(
  { core }: StripeContext,
  piece: StripeRange,
  targets: readonly Member[],
  why: HoldfastError,
  end: (error: HoldfastError | null) => void,
): void {
  const recorded = fanOut(targets.length, end);
  for (const member of targets) {
    const sector = member.dataOffset + piece.sector;
    core.blocksFailed(member, sector, piece.sectors, why, recorded);
  }
}
