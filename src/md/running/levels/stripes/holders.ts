/** Who holds what of a stripe, and how far each is to be believed. Sectors are member sectors. */
import { HoldfastError } from "../../../../base/errors.ts";
import type { ArrayCore } from "../../core.ts";
import type { Member } from "../../member.ts";
import type { Members } from "../../members.ts";
import { parityBlocks } from "./stripe.ts";
import type { StripeRange } from "./stripe.ts";

/** All of the range can be read from it, as far as anybody knows. */
export function isTrusted(member: Member, sector: number, sectors: number): boolean {
  return sector + sectors <= member.goodEnd && !hasBadSectors(member, sector, sectors);
}

export function hasBadSectors(member: Member, sector: number, sectors: number): boolean {
  const { badBlocks } = member;
  return !badBlocks.isEmpty && badBlocks.run(member.dataOffset + sector, sectors) < sectors;
}

/** Sectors known bad are left alone once a write to the member has failed; before, a write may mend them. */
export function isWritable(member: Member, { sector, sectors }: StripeRange): boolean {
  return !member.hasWriteErrors || !hasBadSectors(member, sector, sectors);
}

/** The first in the slot that can be believed over the whole range and is not among those that failed just now. */
export function trustedHolder(
  members: Members,
  slot: number,
  sector: number,
  sectors: number,
  failed: ReadonlySet<Member> | null = null,
): Member | null {
  for (const member of members.attached) {
    if (member.slot !== slot || failed?.has(member) === true) continue;
    if (isTrusted(member, sector, sectors)) return member;
  }
  return null;
}

/** Finds who holds each slot. False: somebody is missing something, or somebody else is to be written too. */
export function findHolders(members: Members, bySlot: Member[]): boolean {
  let count = 0;
  for (const member of members.attached) {
    const { standing } = member;
    if (standing.kind === "recovering" || member.isReplacement) return false;
    if (standing.kind !== "in-sync") continue;
    if (!member.badBlocks.isEmpty || member.hasWriteErrors) return false;
    bySlot[standing.slot] = member;
    count += 1;
  }
  return count === members.slots;
}

/** Slots of which nobody can be believed who is not among those that failed just now. */
export function lostSlots(
  members: Members,
  { layout, sector, sectors }: StripeRange,
  failed: ReadonlySet<Member> | null = null,
): Set<number> {
  const lost = new Set<number>();
  for (const slot of layout.slots)
    if (trustedHolder(members, slot, sector, sectors, failed) === null) lost.add(slot);
  return lost;
}

/** Slots of which a member and its replacement can both be believed. */
export function doubledSlots(
  members: Members,
  { layout, sector, sectors }: StripeRange,
): readonly number[] {
  return layout.slots.filter((slot) => {
    const holders = members.attached.filter((member) => member.slot === slot);
    return holders.length > 1 && holders.every((member) => isTrusted(member, sector, sectors));
  });
}

/** No more is missing than parity makes up for. */
export function isParityEnough(members: Members, range: StripeRange): boolean {
  return lostSlots(members, range).size <= parityBlocks(range.layout);
}

/** Why nothing can be written there. */
export function tooMuchLost(
  { name }: Pick<ArrayCore, "name">,
  { sector, sectors }: StripeRange,
): HoldfastError {
  const text = `${name} has lost too many members or sectors to be written at member sectors ${sector} to ${sector + sectors}.`;
  return new HoldfastError("io", text);
}

/** From `sector` on, at most `max`: over how many sectors each member is believed or not, and listed bad or not, throughout. */
export function evenRun(members: Members, sector: number, max: number): number {
  let run = max;
  for (const member of members.attached) {
    if (member.slot === null) continue;
    const { goodEnd, badBlocks } = member;
    if (goodEnd > sector) run = Math.min(run, goodEnd - sector);
    if (!badBlocks.isEmpty) run = Math.abs(badBlocks.run(member.dataOffset + sector, run));
  }
  return run;
}

/** Members that are missing from the array's slots altogether. */
export function hasEmptySlot(members: Members): boolean {
  for (let slot = 0; slot < members.slots; slot += 1)
    if (!members.attached.some((member) => member.slot === slot)) return true;
  return false;
}
