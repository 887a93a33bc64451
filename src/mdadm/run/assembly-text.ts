/**
 * The sentence about an array that was put together: that it has been started, with what, or what keeps it from being. Its words are those
 * that scripts look for.
 */
import { MD_LEVEL_BY_NUMBER } from "../../formats/md/superblock.ts";
import type { AssembleOutcome } from "../../host/array-host.ts";
import { survival } from "../../md/enough.ts";
import type { ArrayView } from "../../md/view/array-view.ts";

export interface AssemblyText {
  readonly text: string;
  readonly isStarted: boolean;
}

/** What the superblocks say besides. */
export interface AssemblyFacts {
  /** It was not stopped cleanly, and no log makes up for that. */
  readonly isDirty: boolean;
  readonly noDegraded: boolean;
  /** By slot: a member that is up to date is there. */
  readonly present: readonly boolean[];
}

function drives(count: number): string {
  return `${count} drive${count === 1 ? "" : "s"}`;
}

/** "2 rebuilding", "1 spare", "1 journal", joined as mdadm joins them. */
function others({ rebuilding, spares, hasJournal }: AssembleOutcome, isStarted: boolean): string {
  const more = [spares, hasJournal && isStarted ? 1 : 0].some((count) => count > 0);
  const parts: string[] = [];
  if (rebuilding > 0) parts.push(`${more ? "," : " and"} ${rebuilding} rebuilding`);
  if (spares > 0) parts.push(` and ${spares} spare${spares === 1 ? "" : "s"}`);
  if (hasJournal && isStarted) parts.push(" and 1 journal");
  return parts.join("");
}

function startedText(name: string, outcome: AssembleOutcome): string {
  const { active, array } = outcome;
  const missing = active < array.raidDisks ? ` (out of ${array.raidDisks})` : "";
  return `${name} has been started with ${drives(active)}${missing}${others(outcome, true)}.`;
}

/** Could the level work with those? */
function survives(
  { level, layout, chunkBytes, raidDisks }: ArrayView,
  present: readonly boolean[],
): boolean {
  const name = MD_LEVEL_BY_NUMBER.get(level);
  if (name === undefined) return false;
  return survival({ level: name, layout, raidDisks, chunkSectors: chunkBytes / 512 }, present)
    .survives;
}

function whyNot(outcome: AssembleOutcome, facts: AssemblyFacts | null): string {
  const { array, active } = outcome;
  if (facts?.noDegraded === true) return ` (out of ${array.raidDisks}), but not started.`;
  if (facts === null || !survives(array, facts.present)) return " - not enough to start the array.";
  const isParity = [4, 5, 6].includes(array.level);
  if (facts.isDirty && isParity && active < array.raidDisks)
    return " - not enough to start the array while not clean - consider --force.";
  const needed = active < array.raidDisks ? `all ${array.raidDisks}` : String(array.raidDisks);
  return ` - need ${needed} to start it (use --run to insist).`;
}

export function assemblyText(
  name: string,
  outcome: AssembleOutcome,
  facts: AssemblyFacts | null,
): AssemblyText {
  if (outcome.kind === "started") return { text: startedText(name, outcome), isStarted: true };
  const assembled = `${name} assembled from ${drives(outcome.active)}${others(outcome, false)}`;
  return { text: `${assembled}${whyNot(outcome, facts)}`, isStarted: false };
}
