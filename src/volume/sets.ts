/** From md members to named sets that belong together, each with its plan. */
import { groupByArray } from "../md/candidate.ts";
import type { MdCandidate } from "../md/candidate.ts";
import { planAssembly } from "../md/plan.ts";
import type { AssemblyPlan, PlanOptions } from "../md/plan.ts";
import { arrayName, uniqueNames } from "./names.ts";

export interface PlannedSet {
  readonly name: string;
  readonly plan: AssemblyPlan;
}

/** One plan an array, in the order in which its first member was given. Sets without one intact superblock are left out. */
export function planSets(candidates: readonly MdCandidate[], options: PlanOptions): PlannedSet[] {
  const plans = [...groupByArray(candidates).values()].flatMap((set) => {
    const plan = planAssembly(set, options);
    return plan === null ? [] : [plan];
  });
  const names = uniqueNames(plans.map((plan) => arrayName(plan.superblock)));
  return plans.map((plan, i) => ({ name: names[i]!, plan }));
}
