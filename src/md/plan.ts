/**
 * The plan of an assembly: who stands in which slot, and whether the array may be started. Pure: superblocks in,
 * plan out; nothing is opened or written.
 *
 * `--force` follows mdadm: it takes stale members back, the freshest first, only until there are enough, and none whose
 * data would lie elsewhere (another shape, another point of a reshape) or that was not complete; it starts a dirty
 * and degraded raid4/5/6, and one whose journal is missing. It never makes up for members that are not there.
 */
import { MD_OTHER_LEVEL_NAMES } from "../formats/md/superblock.ts";
import type { MdShape, MdSuperblock } from "../formats/md/superblock.ts";
import type { JudgedCandidate, MdCandidate } from "./candidate.ts";
import { dataDisks, needsBackup } from "./critical-section.ts";
import { holdsOnlyParity, survival } from "./enough.ts";
import type { Raid0Layout } from "./geometry/raid0.ts";
import { differsInShape, findFreshest, judgeCandidates } from "./judge.ts";
import { reshapeProblem } from "./reshape-check.ts";
import type { SetVerdict } from "./verdict.ts";

export interface PlannedSlot {
  readonly member: JudgedCandidate | null;
  readonly replacement: JudgedCandidate | null;
}

export interface PlanOptions {
  readonly force: boolean;
  /** Somebody insists on what there is: it is started for reading where its journal is missing. */
  readonly withoutJournal?: boolean;
  /** mdadm's backup file of a reshape is at hand. */
  readonly backupGiven: boolean;
  /** How a raid0 of unequal members is laid out, where its superblocks do not say. */
  readonly raid0Layout?: Raid0Layout;
}

export interface AssemblyPlan {
  /** The one that speaks for the array. */
  readonly freshest: MdCandidate;
  readonly superblock: MdSuperblock;
  /** Every candidate with its fate, in the order given. */
  readonly judged: readonly JudgedCandidate[];
  /** By slot number; empty when the array cannot be understood. */
  readonly slots: readonly PlannedSlot[];
  readonly journal: MdCandidate | null;
  readonly verdict: SetVerdict;
  /** What --force did, a sentence each. */
  readonly forced: readonly string[];
  /** Devices that are no part of the array any more, and not among the candidates, may have this event count. */
  readonly goneEvents?: number;
}

/** Plans the assembly of the candidates of one array; null if not one superblock is intact. */
export function planAssembly(
  set: readonly MdCandidate[],
  options: PlanOptions,
): AssemblyPlan | null {
  const freshest = findFreshest(set);
  if (freshest === null) return null;
  const superblock = withLayout(freshest.superblock, options.raid0Layout ?? null);
  const judged = judgeCandidates(set, freshest);
  const common = { freshest, superblock };

  const misfit = whyNotServed(superblock);
  if (misfit !== null || superblock.shape === null) {
    return { ...common, judged, slots: [], journal: null, verdict: misfit!, forced: [] };
  }
  const slotCount = slotsOf(superblock, superblock.shape);
  const plain = decide({ superblock, slotCount, options }, judged);
  if (!options.force || plain.verdict.kind === "can-start") {
    const verdict = plain.verdict.kind === "cannot-start" ? offerForce(plain) : plain.verdict;
    return { ...common, ...plain.arrangement, judged, verdict, forced: [] };
  }
  return { ...common, ...force(plain) };
}

/** A copy describes all of its fields: none is made for nothing. */
function withLayout(superblock: MdSuperblock, raid0Layout: Raid0Layout | null): MdSuperblock {
  const isGiven = superblock.raid0Layout === null && raid0Layout !== null;
  return isGiven ? { ...superblock, raid0Layout } : superblock;
}

/** The highest slot number in use is one less than this: both shapes of a reshape count. */
function slotsOf(superblock: MdSuperblock, shape: MdShape): number {
  const { reshape } = superblock;
  if (reshape === null) return shape.raidDisks;
  return Math.max(shape.raidDisks, reshape.before.raidDisks, reshape.after.raidDisks);
}

function whyNotServed(superblock: MdSuperblock): SetVerdict | null {
  if (superblock.unknownFeatures !== 0) {
    return {
      kind: "cannot-start",
      reason: `its superblocks use feature bits 0x${superblock.unknownFeatures.toString(16)}, which this version does not know`,
      remedy: "a newer version, or the kernel that made the array, can open it",
    };
  }
  if (superblock.shape === null) {
    const name = MD_OTHER_LEVEL_NAMES.get(superblock.levelNumber) ?? `${superblock.levelNumber}`;
    return {
      kind: "cannot-start",
      reason: `its level is ${name}, which is not served`,
      remedy: "the members hold no striped or mirrored data of their own; look inside them",
    };
  }
  const reshape = reshapeProblem(superblock);
  if (reshape !== null) {
    return {
      kind: "cannot-start",
      reason: `its superblocks tell of a reshape ${reshape}`,
      remedy: "compare the superblocks of all members with 'holdfast examine'; this one is damaged",
    };
  }
  return null;
}

interface Arrangement {
  readonly slots: readonly PlannedSlot[];
  readonly journal: MdCandidate | null;
}

/** What stays the same while different members are tried. */
interface Frame {
  readonly superblock: MdSuperblock;
  readonly slotCount: number;
  readonly options: PlanOptions;
}

interface Decision extends Frame {
  readonly judged: readonly JudgedCandidate[];
  readonly arrangement: Arrangement;
  readonly verdict: SetVerdict;
}

function arrange(judged: readonly JudgedCandidate[], slotCount: number): Arrangement {
  const placed = judged.filter((one) => one.fate === "in-sync" || one.fate === "recovering");
  const at = (slot: number, replacement: boolean): JudgedCandidate | null =>
    placed.find((one) => one.slot === slot && one.replacement === replacement) ?? null;
  const slots = Array.from({ length: slotCount }, (_unused, slot) => ({
    member: at(slot, false),
    replacement: at(slot, true),
  }));
  const journal = judged.find((one) => one.fate === "journal")?.candidate ?? null;
  return { slots, journal };
}

/** May the slot be counted on over its whole length, in a shape that a reshape leaves (`old`) or makes? */
function counted(slot: PlannedSlot, growing: boolean): boolean {
  if (slot.member?.fate === "in-sync" || slot.replacement?.fate === "in-sync") return true;
  // Disks that a growing reshape adds are filled by it: good as far as the new shape reaches.
  return growing && slot.member !== null;
}

function decide(frame: Frame, judged: readonly JudgedCandidate[]): Decision {
  const arrangement = arrange(judged, frame.slotCount);
  return { ...frame, judged, arrangement, verdict: decideArranged(frame, arrangement) };
}

function decideArranged(frame: Frame, arrangement: Arrangement): SetVerdict {
  const { superblock } = frame;
  const { reshape } = superblock;
  const shapes =
    reshape === null
      ? [{ shape: superblock.shape!, growing: false }]
      : [
          { shape: reshape.before, growing: false },
          { shape: reshape.after, growing: reshape.deltaDisks > 0 },
        ];
  let degradedBy = 0;
  for (const { shape, growing } of shapes) {
    const present = arrangement.slots
      .slice(0, shape.raidDisks)
      .map((slot) => counted(slot, growing));
    const { survives, missing, needed } = survival(shape, present);
    if (!survives) {
      return {
        kind: "cannot-start",
        reason: `${shape.raidDisks - missing.length} of ${shape.raidDisks} members are usable and ${shape.level} needs ${needed}; not there: ${listSlots(missing)}`,
        remedy: "find the missing disks, or images of them, and give them too",
      };
    }
    degradedBy = Math.max(degradedBy, missing.length);
  }
  return judgeStart(frame, arrangement, degradedBy);
}

function listSlots(slots: readonly number[]): string {
  return slots.map((slot) => `member ${slot}`).join(", ");
}

function hasParity(shape: MdShape): boolean {
  return shape.level === "raid4" || shape.level === "raid5" || shape.level === "raid6";
}

/**
 * Members that are being filled with parity only, where reading needs none of it: the disk for Q that a raid5 gets on its
 * way to raid6. The kernel, too, does not count them when it looks for a dirty and degraded array (raid5_run).
 */
function fillingParity(superblock: MdSuperblock, { slots }: Arrangement): number {
  const { reshape, shape } = superblock;
  const before = reshape?.before ?? shape!;
  return slots.filter(({ member, replacement }, slot) => {
    if (member?.fate !== "recovering" || replacement?.fate === "in-sync") return false;
    if (!holdsOnlyParity(before, slot)) return false;
    if (reshape === null || holdsOnlyParity(reshape.after, slot)) return true;
    // What lies in the new shape must be filled as far as the reshape got.
    const reached = Math.floor(reshape.positionSectors / dataDisks(reshape.after));
    return member.candidate.superblock.recoveryOffsetSectors >= reached;
  }).length;
}

/** Enough members are there; is it safe to start with them? */
function judgeStart(frame: Frame, arrangement: Arrangement, degradedBy: number): SetVerdict {
  const { superblock, options } = frame;
  if (superblock.hasJournal && arrangement.journal === null && options.withoutJournal !== true) {
    return {
      kind: "needs-force",
      reason: "its write journal is missing",
      risk: "writes that were only in the journal are lost, and stripes being written may hold wrong parity",
    };
  }
  const dirty = superblock.resyncOffsetSectors !== Infinity;
  const inDoubt = degradedBy - fillingParity(superblock, arrangement);
  if (hasParity(superblock.shape!) && dirty && inDoubt > 0 && superblock.ppl === null) {
    return {
      kind: "needs-force",
      reason: `it was not stopped cleanly and ${degradedBy === 1 ? "a member is" : `${degradedBy} members are`} missing`,
      risk: "in stripes that were being written when it stopped, the missing member's data is rebuilt from parity that may not fit",
    };
  }
  const { reshape } = superblock;
  // A reshape that adds disks may have its backup on them; starting it finds out.
  if (reshape !== null && reshape.deltaDisks <= 0 && !options.backupGiven && needsBackup(reshape)) {
    return {
      kind: "needs-force",
      reason:
        "a reshape in place was interrupted, and the stripes it was at are in mdadm's backup file: give that with --backup-file",
      risk: "the stripes right at the reshape position may be read half in the old and half in the new shape",
    };
  }
  return { kind: "can-start", degradedBy };
}

/** Would --force start it? Then say so instead of "cannot". */
function offerForce(plain: Decision): SetVerdict {
  if (plain.verdict.kind !== "cannot-start") return plain.verdict;
  const forced = force(plain);
  if (forced.verdict.kind !== "can-start") return plain.verdict;
  return {
    kind: "needs-force",
    reason: plain.verdict.reason,
    risk: forced.forced.join("; "),
  };
}

function force(plain: Decision): Omit<AssemblyPlan, "freshest" | "superblock"> {
  const forced: string[] = [];
  let decision = plain;
  while (decision.verdict.kind === "cannot-start") {
    const returned = takeBackFreshest(decision);
    if (returned === null) break;
    forced.push(...returned.sentences);
    decision = decide(decision, returned.judged);
  }
  let { verdict } = decision;
  if (verdict.kind === "needs-force") {
    forced.push(`started although ${verdict.reason}: ${verdict.risk}`);
    verdict = { kind: "can-start", degradedBy: missingSlots(decision.arrangement) };
  }
  return { judged: decision.judged, ...decision.arrangement, verdict, forced };
}

function missingSlots(arrangement: Arrangement): number {
  return arrangement.slots.filter((slot) => !counted(slot, false)).length;
}

/**
 * The stale members with the highest event count among those whose slot is empty become members again, one a slot. As with
 * mdadm, not those that were still being rebuilt: there is nothing behind where that got to.
 */
function takeBackFreshest(
  decision: Decision,
): { judged: JudgedCandidate[]; sentences: string[] } | null {
  const returning = decision.judged.filter((one) => canReturn(decision, one));
  const events = Math.max(-1, ...returning.map((one) => one.candidate.superblock.events));
  if (events < 0) return null;
  const sentences: string[] = [];
  const taken = new Set<number>();
  const judged = decision.judged.map((one): JudgedCandidate => {
    if (!returning.includes(one) || one.candidate.superblock.events !== events) return one;
    if (taken.has(one.slot!)) return one;
    taken.add(one.slot!);
    const behind = decision.superblock.events - events;
    const note = `taken back by force, ${behind} events behind: where the array was written since, its data is old`;
    sentences.push(`${one.candidate.path} is ${note}`);
    return { ...one, fate: "in-sync", note };
  });
  return { judged, sentences };
}

function canReturn({ superblock, arrangement }: Decision, one: JudgedCandidate): boolean {
  if (one.fate !== "stale" || one.slot === null || one.replacement) return false;
  const own = one.candidate.superblock;
  return (
    arrangement.slots[one.slot]?.member === null &&
    own.createdSeconds === superblock.createdSeconds &&
    own.recoveryOffsetSectors === Infinity &&
    // In another shape, or at another point of a reshape, its data are not old but in another place.
    !differsInShape(own, superblock) &&
    own.reshape?.positionSectors === superblock.reshape?.positionSectors
  );
}
