/**
 * Who is put where before a recovery, and who stands where after it.
 *
 * Facts: remove_and_add_spares in drivers/md/md.c, hot_add_disk of the levels; docs/kernel/md-metadata.md, section 4.2.
 */
import type { Member } from "./member.ts";
import type { Members } from "./members.ts";

/** Members that are being filled. */
export function recovering(members: Members): readonly Member[] {
  return members.attached.filter(({ standing }) => standing.kind === "recovering");
}

/** Where all of them are good. */
export function recoveredByAll(targets: readonly Member[]): number {
  return Math.min(...targets.map(({ goodEnd }) => goodEnd));
}

/** Where nobody but a replacement is left, it is no replacement any more. True if something changed. */
export function promoteReplacements(members: Members): boolean {
  let isChanged = false;
  for (let slot = 0; slot < members.slots; slot += 1) {
    const { member, replacement } = members.at(slot);
    if (member !== null || replacement === null) continue;
    replacement.isReplacement = false;
    isChanged = true;
  }
  return isChanged;
}

/** Puts spares into slots that are empty, or whose member is to be replaced. True if somebody was. */
export function fillSlots(members: Members): boolean {
  let isChanged = false;
  // The one that came last is the first that kernels take (bind_rdev_to_array): of a new raid5 the member that mdadm made a spare.
  const spares = members.attached.filter(({ standing }) => standing.kind === "spare").toReversed();
  // Who is meant for a place, or comes back to it and lacks little, gets it before others do.
  for (const spare of spares.toSorted((a, b) => Number(isFree(a)) - Number(isFree(b)))) {
    const place = placeFor(spare, members);
    if (place === null) continue;
    spare.standing = { kind: "recovering", slot: place.slot, recoveredSectors: 0 };
    spare.meantForSlot = null;
    spare.isReplacement = place.isReplacement;
    // The bitmap knows what it missed only if it comes back to where it was.
    if (place.isReplacement || spare.savedSlot !== place.slot) spare.savedSlot = null;
    isChanged = true;
  }
  return isChanged;
}

function isFree({ meantForSlot, savedSlot }: Member): boolean {
  return meantForSlot === null && savedSlot === null;
}

interface Place {
  readonly slot: number;
  readonly isReplacement: boolean;
}

/** Its own, else the first that is empty, else beside the first that is to be replaced. */
function placeFor(spare: Member, members: Members): Place | null {
  const slots = Array.from({ length: members.slots }, (_, slot) => slot);
  const empty = slots.filter((slot) => members.at(slot).member === null);
  const own = empty.find((slot) => slot === spare.savedSlot) ?? empty[0];
  if (own !== undefined) return { slot: own, isReplacement: false };
  const wanting = slots.filter((slot) => {
    const { member, replacement } = members.at(slot);
    return member?.wantsReplacement === true && replacement === null;
  });
  const wanted = wanting.find((slot) => slot === spare.meantForSlot) ?? wanting[0];
  return wanted === undefined ? null : { slot: wanted, isReplacement: true };
}

/** Whoever was filled to the end is in sync now, and who was replaced is faulty. */
export function activate(targets: readonly Member[], members: Members): void {
  for (const target of targets) {
    const { standing } = target;
    if (standing.kind !== "recovering" || standing.recoveredSectors !== Infinity) continue;
    if (target.isReplacement) {
      const { member } = members.at(standing.slot);
      if (member !== null) member.standing = { kind: "faulty" };
      target.isReplacement = false;
    }
    target.standing = { kind: "in-sync", slot: standing.slot };
    target.savedSlot = null;
  }
  if (members.degraded === 0) for (const member of members.attached) member.savedSlot = null;
}
