/**
 * A device comes back to an array that runs: does what it holds still count? Decided on superblocks alone, as kernels decide it
 * (super_1_validate; docs/kernel/md-metadata.md, section 4.7), and stricter where theirs would let stale or foreign data in (law 3):
 *
 *   its events                                   array with bitmap    without
 *   more than the array's                        as new               as new     it was part of the array elsewhere
 *   as many                                      by bitmap            whole
 *   fewer, but no fewer than events_cleared      by bitmap            as new     what it missed is marked
 *   fewer                                        as new               as new
 *
 * And it comes as new if its own superblock knows of nobody in the place of a member of today: then the two may have been written apart
 * from each other, and no bitmap here tells what was written there. A member whose place was empty when the device left, and was
 * filled since, looks the same; that costs a whole recovery.
 */
import { HoldfastError } from "../../base/errors.ts";
import type { MdSuperblock } from "../../formats/md/superblock.ts";
import type { MdCandidate } from "../candidate.ts";
import { survival } from "../enough.ts";
import { describeRole, differsInShape, hasMemberAt } from "../judge.ts";
import { openMember } from "./assemble.ts";
import type { Member } from "./member.ts";
import type { JoinedArray } from "./new-member.ts";

export type Rejoin =
  /** It gets its slot again, and only what the bitmap says that it missed. */
  | { readonly kind: "by-bitmap"; readonly slot: number }
  /** It keeps its number; all of it is filled anew. */
  | { readonly kind: "whole"; readonly slot: number }
  /** It can only join as a new device does (new-member.ts). `why` is one sentence. */
  | { readonly kind: "as-new"; readonly why: string }
  /** It cannot join as what it is. `why` is one sentence. */
  | { readonly kind: "refused"; readonly why: string };

export interface RejoinRequest {
  readonly array: JoinedArray;
  /** Of the bitmap; null: the array has none. */
  readonly eventsCleared: number | null;
  readonly candidate: MdCandidate;
}

/** Decides only: nothing is read or written. */
export function judgeReturn(request: RejoinRequest): Rejoin {
  const { array, candidate } = request;
  const { name, members } = array;
  const { path, superblock } = candidate;
  const there = members.attached.find((one) => isSame(one, candidate));
  if (there !== undefined) {
    const why = `${path} is in ${name} already, as device ${there.number}; remove it there first.`;
    return { kind: "refused", why };
  }
  const speaker = members.attached.find((one) => one.isInSync);
  const shape = speaker?.superblock.shape ?? null;
  if (speaker === undefined || shape === null || !survival(shape, members.inSyncSlots).survives) {
    const why = `${name} has failed: as a spare ${path} could not help to repair it; stop the array, and assemble it by force.`;
    return { kind: "refused", why };
  }
  const foreign = whyForeign(superblock, speaker.superblock);
  if (foreign !== null) return asNew(path, foreign);
  const { role } = superblock;
  if (role.kind !== "active" || superblock.replacement) {
    const what = superblock.replacement ? "a replacement" : describeRole(role);
    return asNew(path, `its superblock calls it ${what}`);
  }
  const outdated = whyUseless(request, role.slot);
  if (outdated !== null) return asNew(path, outdated);
  const isFull = superblock.recoveryOffsetSectors === Infinity || superblock.recoveryByBitmap;
  const kind = isFull && request.eventsCleared !== null ? "by-bitmap" : "whole";
  return { kind, slot: role.slot };
}

/** The member that a device becomes which comes back, to be attached. Reads its superblock and its bad-block log. */
export async function rejoin(
  candidate: MdCandidate,
  { kind, slot }: Extract<Rejoin, { kind: "by-bitmap" | "whole" }>,
): Promise<Member> {
  const member = await openMember(candidate, { kind: "spare" });
  member.savedSlot = kind === "by-bitmap" ? slot : null;
  return member;
}

/**
 * A faulty member that was not removed is tried again (md's "re-add"), as a spare that comes back by bitmap; whoever calls this has it recorded.
 * @throws HoldfastError `busy` when it is not faulty, or what it holds counts for nothing
 */
export function revive(member: Member, hasBitmap: boolean): void {
  const { label } = member;
  if (!member.isFaulty) throw new HoldfastError("busy", `${label} is not faulty`);
  if (member.savedSlot === null) {
    const text = `${label} was not in sync when it failed; remove it, and add it as a new device`;
    throw new HoldfastError("busy", text);
  }
  if (!hasBitmap) member.savedSlot = null;
  member.standing = { kind: "spare" };
  member.isReplacement = false;
  member.wantsReplacement = false;
  member.hasWriteErrors = false;
}

function asNew(path: string, why: string): Rejoin {
  return { kind: "as-new", why: `What ${path} holds counts for nothing: ${why}.` };
}

function isSame(member: Member, { device, superblock }: MdCandidate): boolean {
  if (member.device === device) return true;
  const { deviceUuid, arrayUuid } = member.superblock;
  return (
    deviceUuid !== null &&
    deviceUuid === superblock.deviceUuid &&
    arrayUuid === superblock.arrayUuid &&
    member.number === superblock.deviceNumber
  );
}

function whyForeign(own: MdSuperblock, array: MdSuperblock): string | null {
  if (!own.checksumOk) return "its superblock is damaged";
  const isOther =
    own.arrayUuid !== array.arrayUuid ||
    own.createdSeconds !== array.createdSeconds ||
    own.version !== array.version;
  if (isOther) return "it belongs to another array";
  return differsInShape(own, array) || own.reshape !== null
    ? "the array had another level, size or layout when it left"
    : null;
}

/** Half a sentence: why what it holds is of no use in slot `slot`. */
function whyUseless(
  { array, candidate, eventsCleared }: RejoinRequest,
  slot: number,
): string | null {
  const { members, record } = array;
  const { superblock, device } = candidate;
  const { events, deviceNumber, dataOffsetSectors } = superblock;
  if (device.sectors < dataOffsetSectors + record.componentSectors) return "it is cut off";
  const holders = members.at(slot);
  const holder = holders.member ?? holders.replacement ?? members.withNumber(deviceNumber);
  if (holder !== null) return `its place has been taken by ${holder.label}`;
  if (events > record.events)
    return `its event count is ${events - record.events} ahead: it was part of the array elsewhere`;
  const stranger = members.inSyncSlots.findIndex(
    (there, at) => there && !hasMemberAt(superblock, at),
  );
  if (stranger >= 0)
    return `it knows of nobody in slot ${stranger}, and may have been written apart from the array`;
  if (events < (eventsCleared ?? record.events))
    return `its event count is ${record.events - events} behind, and what it missed is not known`;
  return null;
}
