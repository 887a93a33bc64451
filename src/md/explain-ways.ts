/**
 * What each way to put a set together (attempts.ts) would do and cost. A verdict is what comes of the command shown; where
 * that does not start, nothing is read and nothing is at risk.
 */
import { shellWord } from "../base/shell.ts";
import { inSyncMembers, NO_RISK, riskOf } from "./at-risk.ts";
import type { MissedWrites } from "./at-risk.ts";
import type { Attempt, WaysContext } from "./attempts.ts";
import { attemptsFor, BACKUP_WORD, overlayOn } from "./attempts.ts";
import type { ExplainedWay } from "./explanation.ts";
import { planAssembly } from "./plan.ts";
import type { AssemblyPlan } from "./plan.ts";
import type { SetBitmaps } from "./set-bitmaps.ts";

function commandOf({ kind, set, options }: Attempt, forced: boolean): string {
  const words = ["holdfast", "open"];
  if (forced) words.push("--force");
  if (options.backupGiven) words.push("--backup-file", BACKUP_WORD);
  words.push(...set.map((one) => shellWord(one.path)));
  // Last, so that no path can be taken for the overlay's folder.
  if (kind === "overlay") words.push("--overlay");
  return words.join(" ");
}

/** Plans it, with --force where it is offered only so. */
function planOf(attempt: Attempt): { plan: AssemblyPlan; forced: boolean } | null {
  const plain = planAssembly(attempt.set, { ...attempt.options, force: false });
  if (plain === null) return null;
  const wantsForce = attempt.options.force || attempt.kind !== "as-it-is";
  if (!wantsForce || plain.verdict.kind !== "needs-force") return { plan: plain, forced: false };
  const plan = planAssembly(attempt.set, { ...attempt.options, force: true });
  return plan === null ? null : { plan, forced: true };
}

/** What members that --force took back have missed. */
function missedByForce(plan: AssemblyPlan, attempt: Attempt): MissedWrites[] {
  const plain = planAssembly(attempt.set, { ...attempt.options, force: false });
  if (plain === null) return [];
  const before = new Map(plain.judged.map((one) => [one.candidate, one.fate]));
  const back = plan.judged.filter(
    (one) => one.fate !== "stale" && before.get(one.candidate) === "stale",
  );
  if (back.length === 0) return [];
  const events = back.map((one) => one.candidate.superblock.events);
  return [
    {
      recorders: inSyncMembers(plain),
      leftAtEvents: Math.min(...events),
      members: back.length,
      what: "written since the members that are taken back left",
    },
  ];
}

function usedBy(plan: AssemblyPlan): string[] {
  const standing = plan.slots.flatMap((slot) => [slot.member, slot.replacement]);
  const paths = standing.flatMap((one) => (one === null ? [] : [one.candidate.path]));
  return plan.journal === null ? paths : [...paths, plan.journal.path];
}

/** Slots that nothing given claims. */
function absentSentences({ slots, judged, verdict }: AssemblyPlan): string[] {
  if (verdict.kind !== "can-start") return [];
  const absent = slots.flatMap((slot, number) => {
    const claimed = judged.some((one) => one.slot === number);
    return slot.member === null && slot.replacement === null && !claimed ? [number] : [];
  });
  if (absent.length === 0) return [];
  const numbers = absent.map((number) => `member ${number}`).join(", ");
  return [`${numbers} ${absent.length === 1 ? "is" : "are"} not among what was given`];
}

/** Logs that are replayed, over the members and not on them. */
function logSentences({ superblock, journal, verdict }: AssemblyPlan): string[] {
  if (verdict.kind !== "can-start") return [];
  if (journal !== null)
    return [`the journal on ${journal.path} is replayed in memory before anything is read`];
  if (superblock.ppl !== null && superblock.resyncOffsetSectors !== Infinity)
    return [
      "it was stopped in the middle of writes: the partial parity logs are replayed in memory, which makes its parity fit",
    ];
  return [];
}

async function explainAttempt(attempt: Attempt, bitmaps: SetBitmaps): Promise<ExplainedWay | null> {
  const planned = planOf(attempt);
  if (planned === null) return null;
  const { plan, forced } = planned;
  const { verdict } = plan;
  const degradedBy = verdict.kind === "can-start" ? verdict.degradedBy : null;
  const risk =
    degradedBy === null
      ? NO_RISK
      : await riskOf(
          {
            plan,
            degradedBy,
            missed: [...attempt.missed, ...missedByForce(plan, attempt)],
            backupGiven: attempt.options.backupGiven,
          },
          bitmaps,
        );
  const { sentences, ...counts } = risk;
  // Said already about the way that the overlay lies on.
  const more =
    attempt.kind === "overlay"
      ? []
      : [...absentSentences(plan), ...logSentences(plan), ...plan.forced, ...sentences];
  return {
    kind: attempt.kind,
    way: attempt.way,
    command: commandOf(attempt, forced),
    verdict,
    degradedBy,
    members: usedBy(plan),
    ...counts,
    consequences: [attempt.why, ...more],
  };
}

/** Every way that makes sense for the set; the first is "as it is". */
export async function explainWays(
  context: WaysContext,
  bitmaps: SetBitmaps,
): Promise<ExplainedWay[]> {
  const ways: ExplainedWay[] = [];
  let overlaid = false;
  const overlays: ExplainedWay[] = [];
  for (const attempt of attemptsFor(context)) {
    const way = await explainAttempt(attempt, bitmaps);
    if (way === null) continue;
    const starts = way.verdict.kind === "can-start";
    // Leaving a doubtful member out that the array cannot do without is no way.
    if (!starts && attempt.kind !== "as-it-is" && attempt.kind !== "backup-file") continue;
    ways.push(way);
    if (!starts || overlaid) continue;
    overlaid = true;
    const overlay = await explainAttempt(overlayOn(attempt), bitmaps);
    if (overlay !== null) overlays.push(overlay);
  }
  return [...ways, ...overlays];
}
