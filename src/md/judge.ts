/**
 * Which candidates belong into the array, and as what: mdadm's rules of assembly, on superblocks alone.
 *
 * 1. The freshest superblock of a member (most events) speaks for the array. Spares have no say: their event counts may
 *    lag or lead, and are not looked at.
 * 2. A member may be one event behind: a crash between two superblock writes leaves that. More is stale: it left
 *    the array and missed writes since. `--force` takes stale members back, freshest first, until there are enough.
 * 3. The freshest superblock's role table has the last word: a member it calls faulty is stale, even one event behind
 *    (kernel since 6.8). A member that itself calls the freshest one failed was on the other side of a split.
 * 4. Of two that claim a slot the fresher one has it; an exact copy is a duplicate. So with spares and device numbers: a spare that was gone may
 *    have left its number to another device (kernels refuse the second one that is given to them).
 * 5. Size, and the number of members of a raid1 or linear, are changed by writing all superblocks while nothing else is written. Who is one event
 *    behind such a change is in it: a crash in between must not leave two halves of an array (mdadm refuses both then).
 */
import { utcText } from "../base/dates.ts";
import type { MdRole, MdSuperblock } from "../formats/md/superblock.ts";
import type { CandidateFate, JudgedCandidate, MdCandidate } from "./candidate.ts";

/** How far behind the freshest a member's event count may be. */
const EVENT_MARGIN = 1;

const FAULTY: MdRole = { kind: "faulty" };

function roleOf(superblock: MdSuperblock, deviceNumber: number): MdRole {
  return superblock.roles[deviceNumber] ?? FAULTY;
}

/** The one that speaks for the array; null if none can be believed. The first given wins among equals. */
export function findFreshest(set: readonly MdCandidate[]): MdCandidate | null {
  let freshest: MdCandidate | null = null;
  for (const candidate of set) {
    if (!candidate.superblock.checksumOk) continue;
    if (freshest === null || isFresher(candidate.superblock, freshest.superblock))
      freshest = candidate;
  }
  return freshest;
}

/** A working member before spares and journals, whose copies of some fields lag; then by events. */
function isFresher(a: MdSuperblock, b: MdSuperblock): boolean {
  const isMember = a.role.kind === "active";
  if (isMember !== (b.role.kind === "active")) return isMember;
  return a.events > b.events;
}

/** Could the two be members of one array at one time? */
export function differsInShape(a: MdSuperblock, b: MdSuperblock): boolean {
  return (
    a.levelNumber !== b.levelNumber ||
    a.shape?.raidDisks !== b.shape?.raidDisks ||
    a.shape?.layout !== b.shape?.layout ||
    a.shape?.chunkSectors !== b.shape?.chunkSectors ||
    a.componentSectors !== b.componentSectors
  );
}

/** The fresher one was written by a change that this one, a single event older, is still to be told of. */
function isBeforeChange(own: MdSuperblock, freshest: MdSuperblock): boolean {
  const [before, after] = [own.shape, freshest.shape];
  if (own.events + EVENT_MARGIN !== freshest.events || before === null || after === null)
    return false;
  if (own.reshape !== null || freshest.reshape !== null) return false;
  const { level, layout, chunkSectors, raidDisks } = after;
  const isLonger = level === "raid1" || level === "linear";
  return (
    (before.raidDisks === raidDisks || isLonger) &&
    before.level === level &&
    before.layout === layout &&
    before.chunkSectors === chunkSectors
  );
}

function behind(superblock: MdSuperblock, freshest: MdSuperblock): string {
  const events = freshest.events - superblock.events;
  const since = utcText(superblock.updatedSeconds);
  return `its event count is ${events} behind: it left the array after ${since} and missed the writes since`;
}

type Judgement = Pick<JudgedCandidate, "fate" | "slot" | "replacement" | "note">;

function outside(fate: CandidateFate, note: string | null): Judgement {
  return { fate, slot: null, replacement: false, note };
}

function judgeActive(own: MdSuperblock, slot: number, freshest: MdSuperblock): Judgement {
  const given = roleOf(freshest, own.deviceNumber);
  const { replacement } = own;
  const isMoved = own.shape?.raidDisks !== freshest.shape?.raidDisks;
  if (given.kind !== "active" || (given.slot !== slot && !isMoved)) {
    const note = `the freshest superblock lists this device as ${describeRole(given)}`;
    return { fate: "stale", slot, replacement, note };
  }
  if (!isMoved && isApartFrom(own, freshest)) {
    const note =
      "it reports the freshest member as failed: the two were written apart from each other (split brain)";
    return { fate: "stale", slot, replacement, note };
  }
  const recovering = own.recoveryOffsetSectors !== Infinity;
  return {
    fate: recovering ? "recovering" : "in-sync",
    slot: given.slot,
    replacement,
    note: null,
  };
}

/**
 * One that is still being filled cannot have been written apart from those who fill it: it has just joined, and the power failed before the
 * others' superblocks told of it. (mdadm refuses those others then, and so the array.)
 */
function isApartFrom(own: MdSuperblock, { role, recoveryOffsetSectors }: MdSuperblock): boolean {
  if (role.kind !== "active" || recoveryOffsetSectors !== Infinity) return false;
  return !hasMemberAt(own, role.slot);
}

/** Whoever it is: a device that took over the slot since counts as well. */
export function hasMemberAt(superblock: MdSuperblock, slot: number): boolean {
  return superblock.roles.some((role) => role.kind === "active" && role.slot === slot);
}

export function describeRole(role: MdRole): string {
  return role.kind === "active" ? `member ${role.slot}` : role.kind;
}

function judgeOne(own: MdSuperblock, freshest: MdSuperblock): Judgement {
  if (!own.checksumOk) return outside("foreign", "its superblock is damaged (wrong checksum)");
  if (own.createdSeconds !== freshest.createdSeconds) {
    return outside("foreign", "same UUID but created at another time: it belongs to another array");
  }
  if (own.version !== freshest.version) {
    return outside(
      "foreign",
      `its superblock is version ${own.version}, the others' ${freshest.version}`,
    );
  }
  const role = own.role;
  if (role.kind === "spare") return outside("spare", null);
  if (own.events + EVENT_MARGIN < freshest.events) {
    const slot = role.kind === "active" ? role.slot : null;
    return { fate: "stale", slot, replacement: own.replacement, note: behind(own, freshest) };
  }
  if (differsInShape(own, freshest) && !isBeforeChange(own, freshest)) {
    return outside("foreign", "same UUID and age but another level, size or layout");
  }
  switch (role.kind) {
    case "active":
      return judgeActive(own, role.slot, freshest);
    case "journal":
      return freshest.hasJournal
        ? outside("journal", null)
        : outside("foreign", "it is the journal of an array that has none any more");
    case "faulty":
      return outside("faulty", null);
  }
}

function sameDevice(a: MdSuperblock, b: MdSuperblock): boolean {
  return a.deviceUuid === b.deviceUuid && a.deviceNumber === b.deviceNumber;
}

/**
 * Judges every candidate of one array.
 * @param set candidates with one array UUID, in the order given
 */
export function judgeCandidates(
  set: readonly MdCandidate[],
  freshest: MdCandidate,
): JudgedCandidate[] {
  const judged: JudgedCandidate[] = [];
  for (const candidate of set) {
    const verdict = judgeOne(candidate.superblock, freshest.superblock);
    const rivalIndex = judged.findIndex(
      (other) =>
        other.slot !== null &&
        other.slot === verdict.slot &&
        other.replacement === verdict.replacement &&
        usable(other.fate) &&
        usable(verdict.fate),
    );
    const rival = judged[rivalIndex];
    if (rival === undefined) {
      judged.push({ candidate, ...verdict });
    } else if (candidate.superblock.events > rival.candidate.superblock.events) {
      judged[rivalIndex] = { ...rival, ...loser(rival.candidate, candidate) };
      judged.push({ candidate, ...verdict });
    } else {
      judged.push({ candidate, ...verdict, ...loser(candidate, rival.candidate) });
    }
  }
  return freshest.superblock.version === "0.90" ? judged : withOneOfANumber(judged);
}

/**
 * The role table has one entry for a device number: two devices with one number that were filled would take each other's place at the next
 * start. In 0.90 numbers follow from the places, and are given anew.
 */
function withOneOfANumber(judged: readonly JudgedCandidate[]): JudgedCandidate[] {
  const holders = new Map<number, JudgedCandidate>();
  for (const one of judged) {
    const { deviceNumber } = one.candidate.superblock;
    const holder = holders.get(deviceNumber);
    const isTaken = usable(one.fate) || one.fate === "journal" || one.fate === "spare";
    if (isTaken && (holder === undefined || isBetterClaim(one, holder)))
      holders.set(deviceNumber, one);
  }
  return judged.map((one) => {
    const holder = holders.get(one.candidate.superblock.deviceNumber);
    if (one.fate !== "spare" || holder === undefined || holder === one) return one;
    return { ...one, ...loser(one.candidate, holder.candidate, "device number") };
  });
}

function isBetterClaim(a: JudgedCandidate, b: JudgedCandidate): boolean {
  if ((a.fate === "spare") !== (b.fate === "spare")) return b.fate === "spare";
  return a.candidate.superblock.events > b.candidate.superblock.events;
}

function usable(fate: CandidateFate): boolean {
  return fate === "in-sync" || fate === "recovering";
}

function loser(
  candidate: MdCandidate,
  winner: MdCandidate,
  claimed = "place in the array",
): Pick<JudgedCandidate, "fate" | "note"> {
  const copy = sameDevice(candidate.superblock, winner.superblock);
  return {
    fate: "duplicate",
    note: copy
      ? `a copy of ${winner.path}, which is used`
      : `${winner.path} claims the same ${claimed} and is used`,
  };
}
