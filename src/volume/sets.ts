/** From opened devices to named sets of members that belong together, each with its plan. */
import type { BlockDevice } from "../block/device.ts";
import { groupByArray } from "../md/candidate.ts";
import type { MdCandidate } from "../md/candidate.ts";
import { planAssembly } from "../md/plan.ts";
import type { AssemblyPlan, PlanOptions } from "../md/plan.ts";
import { probeMdSuperblocks } from "../md/probe.ts";
import { arrayName, uniqueNames } from "./names.ts";

/** A device as the user knows it. */
export interface NamedDevice {
  readonly path: string;
  readonly device: BlockDevice;
}

/** Why a device that may be a member was left out; one sentence with its path. */
export type ProbeProblem = string;

export interface FoundCandidates {
  readonly candidates: readonly MdCandidate[];
  readonly problems: readonly ProbeProblem[];
}

/** The md members among the devices. A device that cannot be read is a problem, not the end. */
export async function findCandidates(devices: readonly NamedDevice[]): Promise<FoundCandidates> {
  const candidates: MdCandidate[] = [];
  const problems: ProbeProblem[] = [];
  for (const { path, device } of devices) {
    try {
      const { primary, bad } = await probeMdSuperblocks(device);
      if (primary !== null) candidates.push({ path, device, superblock: primary });
      else problems.push(...bad.map((one) => `${path}: ${one.reason}`));
    } catch (error) {
      problems.push(`${path}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return { candidates, problems };
}

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
