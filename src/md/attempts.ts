/**
 * The ways to put a set together that make sense:
 *
 *   as it is        always
 *   --backup-file   a reshape that needs its backup
 *   without X       X is in use, but doubtful: an event behind, half rebuilt, being replaced or replacing
 *   --force         the set starts only so
 *   only Y          Y were left behind: the other side of a split brain, or the array as it was when they left
 *   --overlay       on top of the first of these that starts
 */
import { utcText } from "../base/dates.ts";
import { inSyncMembers } from "./at-risk.ts";
import type { MissedWrites } from "./at-risk.ts";
import type { JudgedCandidate, MdCandidate } from "./candidate.ts";
import { needsBackup } from "./critical-section.ts";
import type { WayKind } from "./explanation.ts";
import { planAssembly } from "./plan.ts";
import type { AssemblyPlan, PlanOptions } from "./plan.ts";
import { otherSide } from "./split-brain.ts";

/** Stands in commands for a file that only the user can name. */
export const BACKUP_WORD = "BACKUP_FILE";

/** A way before anything is counted. */
export interface Attempt {
  readonly kind: WayKind;
  readonly way: string;
  readonly set: readonly MdCandidate[];
  readonly options: PlanOptions;
  /** The first of its sentences. */
  readonly why: string;
  /** Writes that its members lack, apart from those of members that --force takes back. */
  readonly missed: readonly MissedWrites[];
}

export interface WaysContext {
  readonly set: readonly MdCandidate[];
  /** As it is. */
  readonly plan: AssemblyPlan;
}

const PLAIN: PlanOptions = { force: false, backupGiven: false };

function listed(candidates: readonly MdCandidate[]): string {
  return candidates.map((one) => one.path).join(", ");
}

function asItIs({ set, plan }: WaysContext): Attempt {
  const split = otherSide(plan);
  const stale = plan.judged.filter((one) => one.fate === "stale");
  let why = "every member that was given is used as its superblock says";
  if (plan.verdict.kind !== "can-start") {
    why = "nothing is started, and nothing read";
  } else if (split.length > 0) {
    why = `split brain: ${listed(split)} went on without the members used here, and what was written there is not in it`;
  } else if (stale.length > 0) {
    const left = listed(stale.map((one) => one.candidate));
    why = `the freshest members are used; ${left} ${stale.length === 1 ? "is" : "are"} left out as out of date`;
  }
  const missed =
    split.length === 0
      ? []
      : [
          {
            recorders: split,
            leftAtEvents: Infinity,
            members: null,
            what: "written on the other side",
          },
        ];
  return { kind: "as-it-is", way: "as it is", set, options: PLAIN, why, missed };
}

function withBackup({ set, plan }: WaysContext): Attempt[] {
  const { reshape } = plan.superblock;
  if (reshape === null || !needsBackup(reshape)) return [];
  return [
    {
      kind: "backup-file",
      way: "with --backup-file",
      set,
      options: { force: false, backupGiven: true },
      why: `the stripes at the reshape position are taken from the file that mdadm --grow wrote; put its path for ${BACKUP_WORD}`,
      missed: [],
    },
  ];
}

/** Why a member in use might better be left out; null when nothing speaks against it. */
function doubtAbout(one: JudgedCandidate, plan: AssemblyPlan): string | null {
  if (one.slot === null || (one.fate !== "in-sync" && one.fate !== "recovering")) return null;
  const { path, superblock } = one.candidate;
  const slot = plan.slots[one.slot];
  if (superblock.events < plan.superblock.events)
    return `${path} is one event behind: usually a crash between two superblock writes, and harmless; if not, it missed the last writes`;
  if (one.replacement)
    return `${path} was to replace ${slot?.member?.candidate.path ?? "a member"}; without it the original alone is read`;
  // A growing reshape fills the disks it adds itself.
  if (one.fate === "recovering" && plan.superblock.reshape === null)
    return `${path} is only rebuilt up to sector ${superblock.recoveryOffsetSectors}; without it everything is computed from the others`;
  if (slot?.replacement !== null && slot?.replacement !== undefined)
    return `${path} is being replaced by ${slot.replacement.candidate.path}, which is enough if the original fails while it is read`;
  return null;
}

function withoutDoubtful({ set, plan }: WaysContext): Attempt[] {
  return plan.judged.flatMap((one): Attempt[] => {
    const why = doubtAbout(one, plan);
    if (why === null) return [];
    const rest = set.filter((candidate) => candidate !== one.candidate);
    const way = `without ${one.candidate.path}`;
    return [{ kind: "without", way, set: rest, options: PLAIN, why, missed: [] }];
  });
}

function withForce({ set, plan }: WaysContext): Attempt[] {
  if (plan.verdict.kind !== "needs-force") return [];
  return [
    {
      kind: "force",
      way: "with --force",
      set,
      options: { force: true, backupGiven: false },
      why: "the set starts only so; what is done are the rules of mdadm --assemble --force",
      missed: [],
    },
  ];
}

/** The members that were left behind, together as far as they agree; then those that they leave behind. */
function onlyOthers({ plan }: WaysContext): Attempt[] {
  const attempts: Attempt[] = [];
  const split = new Set(otherSide(plan));
  let recorders = inSyncMembers(plan);
  let rest = staleOf(plan);
  while (rest.length > 0) {
    const next = planAssembly(rest, PLAIN);
    if (next === null) break;
    const used = inSyncMembers(next);
    if (next.verdict.kind !== "cannot-start" && used.length > 0)
      attempts.push(half(used, recorders, split.has(used[0]!)));
    recorders = [...recorders, ...used];
    // The freshest is always judged itself, so this ends.
    rest = staleOf(next).filter((one) => !used.includes(one));
    if (used.length === 0) break;
  }
  return attempts;
}

function staleOf(plan: AssemblyPlan): MdCandidate[] {
  return plan.judged.filter((one) => one.fate === "stale").map((one) => one.candidate);
}

function half(
  used: readonly MdCandidate[],
  recorders: readonly MdCandidate[],
  isSplit: boolean,
): Attempt {
  const until = utcText(Math.max(...used.map((one) => one.superblock.updatedSeconds)));
  const why = isSplit
    ? `the other side of the split brain, as it was at ${until}; what was written to ${listed(recorders)} since the split is not in it`
    : `the array as it was about ${until}, when ${used.length === 1 ? "this member" : "these members"} left it; later writes are not in it`;
  return {
    kind: "other-half",
    way: `only ${listed(used)}`,
    set: used,
    options: PLAIN,
    why,
    missed: [
      {
        recorders,
        leftAtEvents: Math.max(...used.map((one) => one.superblock.events)),
        members: null,
        what: isSplit ? "written on the other side" : "written since",
      },
    ],
  };
}

/** On top of the first way that starts. */
export function overlayOn(attempt: Attempt): Attempt {
  return {
    ...attempt,
    kind: "overlay",
    way: attempt.kind === "as-it-is" ? "with --overlay" : `with --overlay, ${attempt.way}`,
    why: "the volume can be written, and the writes are kept apart: a file system check, or a repair, can be tried without changing a disk",
  };
}

/** In the order in which they are told. */
export function attemptsFor(context: WaysContext): Attempt[] {
  return [
    asItIs(context),
    ...withBackup(context),
    ...withoutDoubtful(context),
    ...withForce(context),
    ...onlyOthers(context),
  ];
}
