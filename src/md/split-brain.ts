/**
 * Did a set fall into two sides that were each written without the other?
 *
 * A member that merely left early still believes in the others. One that was on the other side of a split holds all of the
 * fresh members' places for empty: its side went on without a single one of them.
 */
import type { MdSuperblock } from "../formats/md/superblock.ts";
import type { MdCandidate } from "./candidate.ts";
import type { AssemblyPlan } from "./plan.ts";

function slotIsEmpty(superblock: MdSuperblock, slot: number): boolean {
  return !superblock.roles.some((role) => role.kind === "active" && role.slot === slot);
}

/** Members left out of the plan that went on by themselves; empty when there was no split. */
export function otherSide(plan: AssemblyPlan): MdCandidate[] {
  const freshSlots = plan.slots.flatMap((slot, number) =>
    slot.member?.fate === "in-sync" || slot.replacement?.fate === "in-sync" ? [number] : [],
  );
  return plan.judged.flatMap(({ fate, slot, candidate }) => {
    if (fate !== "stale" || slot === null || freshSlots.length === 0) return [];
    const alone = freshSlots.every((number) => slotIsEmpty(candidate.superblock, number));
    return alone ? [candidate] : [];
  });
}
