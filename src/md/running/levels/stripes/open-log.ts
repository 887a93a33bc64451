/** From a planned assembly to the log of its array: the one place to add a kind of log. */
import type { AssemblyPlan } from "../../../plan.ts";
import { openJournal } from "./journal/open.ts";
import { openPpl } from "./ppl/open-ppl.ts";
import type { FoundLog } from "./stripe-log.ts";

/** Reads what a crash left in the array's log; nothing is written. Null: the array has no log. */
export async function openLog(plan: AssemblyPlan): Promise<FoundLog | null> {
  const { superblock } = plan;
  // Of both kernels use the journal.
  if (superblock.hasJournal) return openJournal(plan);
  if (superblock.ppl !== null) return openPpl(plan);
  return null;
}
