/** Opening the partial parity log of an array: what a crash left is read, and nothing is written. */
import { HoldfastError } from "../../../../../base/errors.ts";
import { arrayUuidBytes } from "../../../../../formats/md/superblock.ts";
import type { AssemblyPlan } from "../../../../plan.ts";
import { recoverPpl } from "../../../../replay/ppl.ts";
import { ReplayedMembers } from "../replayed-members.ts";
import type { FoundLog } from "../stripe-log.ts";
import { pplAreaProblem } from "./area-problem.ts";
import { PplArray } from "./ppl-array.ts";
import { PplLog } from "./ppl-log.ts";

/** @throws HoldfastError for a log that must not be written where the superblocks say it is */
export async function openPpl(plan: AssemblyPlan): Promise<FoundLog> {
  const { superblock } = plan;
  if (superblock.shape?.level !== "raid5") {
    const text = "only a raid5 can have a partial parity log; the array can be opened for reading";
    throw new HoldfastError("unsupported", text);
  }
  for (const { member, replacement } of plan.slots) {
    for (const judged of [member, replacement]) {
      if (judged === null) continue;
      const { path, superblock: own } = judged.candidate;
      const problem = pplAreaProblem(own);
      if (problem !== null) refuse(`${path} ${problem}`);
    }
  }
  const { replay, isMended } = await recoverPpl(plan);
  const replayed = await ReplayedMembers.over(replay.members);
  return {
    isMended,
    deviceOf: (candidate) => replayed.deviceOf(candidate),
    make: (core, geometry) =>
      new PplLog(new PplArray(core, geometry, arrayUuidBytes(superblock)), replayed),
  };
}

function refuse(what: string): never {
  throw new HoldfastError("bad-metadata", `${what}; leave it out`);
}
