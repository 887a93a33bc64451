/** Who is believed when an array starts. */
import type { MdSuperblock } from "../../formats/md/superblock.ts";
import { planAssembly } from "../../md/plan.ts";
import type { AssemblyPlan } from "../../md/plan.ts";
import type { Mutant } from "../mutant.ts";

/** As if their superblocks had said something else. */
function replanned(
  plan: AssemblyPlan,
  change: (superblock: MdSuperblock) => MdSuperblock,
): AssemblyPlan {
  const candidates = plan.judged.map(({ candidate }) => ({
    ...candidate,
    superblock: change(candidate.superblock),
  }));
  const again = planAssembly(candidates, { force: plan.forced.length > 0, backupGiven: false });
  return again?.verdict.kind === "can-start" ? again : plan;
}

export const ASSEMBLY_MUTANTS: readonly Mutant[] = [
  {
    name: "first-speaks",
    about: "the first member is taken for the freshest, whatever the event counts say",
    law: 3,
    origin: "dm-devel: device failure tolerance of dm-mirror",
    scenario: "phoenix",
    plan: (plan) => {
      const events = Math.max(...plan.judged.map(({ candidate }) => candidate.superblock.events));
      return replanned(plan, (superblock) => ({ ...superblock, events }));
    },
  },
  {
    name: "recovering-is-full",
    about: "a member that was being filled is in sync after a restart",
    law: 3,
    origin: "1a855a060665: re-adding of a partially recovered device",
    scenario: "recovery",
    plan: (plan) =>
      replanned(plan, (superblock) => ({
        ...superblock,
        recoveryOffsetSectors: Infinity,
        recoveryByBitmap: false,
      })),
  },
  {
    name: "bad-blocks-forgotten",
    about: "what the members' lists of bad blocks say is not read at a start",
    law: 3,
    origin: null,
    scenario: "bad-blocks",
    plan: (plan) =>
      replanned(plan, (superblock) => ({
        ...superblock,
        badBlockLog:
          superblock.badBlockLog === null ? null : { ...superblock.badBlockLog, inUse: false },
      })),
  },
  {
    name: "dirty-is-clean",
    about: "an array that was not stopped is taken for clean",
    law: 2,
    origin: null,
    scenario: "clean",
    plan: (plan) => ({
      ...plan,
      superblock: { ...plan.superblock, resyncOffsetSectors: Infinity },
    }),
  },
];
