/** Everything `examine --explain` tells about one set of members. Reads superblocks' bitmaps and bad-block logs, writes nothing. */
import { layoutName } from "../formats/md/layout-names.ts";
import { MD_OTHER_LEVEL_NAMES } from "../formats/md/superblock.ts";
import type { MdSuperblock } from "../formats/md/superblock.ts";
import { stripeUnit } from "./at-risk.ts";
import type { MdCandidate } from "./candidate.ts";
import { explainMembers } from "./explain-members.ts";
import { explainWays } from "./explain-ways.ts";
import type { ExplainedKernels, SetExplanation } from "./explanation.ts";
import { countRaid0Zones } from "./geometry/raid0.ts";
import type { KernelContext } from "./kernel-facts.ts";
import { explainKernels } from "./kernels.ts";
import { planAssembly } from "./plan.ts";
import type { AssemblyPlan } from "./plan.ts";
import { readSetBitmaps } from "./set-bitmaps.ts";
import type { SetBitmaps } from "./set-bitmaps.ts";
import { otherSide } from "./split-brain.ts";

/**
 * @param name the volume's name
 * @param set candidates with one array UUID, in the order given
 * @returns null when not one superblock is intact
 */
export async function explainSet(
  name: string,
  set: readonly MdCandidate[],
): Promise<SetExplanation | null> {
  const plan = planAssembly(set, { force: false, backupGiven: false });
  if (plan === null) return null;
  const { superblock } = plan;
  const { shape } = superblock;
  const bitmaps = await readSetBitmaps(set);
  const unit = stripeUnit(plan, bitmaps);
  return {
    name,
    uuid: superblock.arrayUuid,
    level: shape?.level ?? otherLevel(superblock),
    layout: shape === null ? "-" : layoutName(shape.level, shape.layout),
    raidDisks: shape?.raidDisks ?? plan.judged.length,
    metadata: superblock.version,
    stripeBytes: (unit?.memberBytes ?? 0) * (unit?.dataMembers ?? 0),
    stripes: unit?.count ?? 0,
    splitBrain: otherSide(plan).length > 0,
    members: await explainMembers(plan, bitmaps),
    ways: await explainWays({ set, plan }, bitmaps),
    kernels: kernelsOf(plan, bitmaps),
  };
}

function otherLevel({ levelNumber }: MdSuperblock): string {
  return MD_OTHER_LEVEL_NAMES.get(levelNumber) ?? `level ${levelNumber}`;
}

/** What is foreign does not count: it would not be given to a kernel. */
function kernelsOf(plan: AssemblyPlan, bitmaps: SetBitmaps): ExplainedKernels {
  const belonging = plan.judged.filter((one) => one.fate !== "foreign");
  const majors = belonging.flatMap(({ candidate }) => {
    const found = bitmaps.get(candidate);
    return found?.kind === "ok" ? [found.bitmap.major] : [];
  });
  const context: KernelContext = {
    superblock: plan.superblock,
    superblocks: belonging.map((one) => one.candidate.superblock),
    bitmapMajors: new Set(majors),
    raid0: raid0Zones(plan),
  };
  return explainKernels(context, {
    present: plan.slots.map(
      ({ member, replacement }) => member?.fate === "in-sync" || replacement?.fate === "in-sync",
    ),
    journalThere: plan.journal !== null,
  });
}

function raid0Zones(plan: AssemblyPlan): KernelContext["raid0"] {
  const { shape } = plan.superblock;
  if (shape?.level !== "raid0" || shape.chunkSectors === 0) return null;
  const sizes = plan.slots.flatMap(({ member }) =>
    member === null ? [] : [member.candidate.superblock.dataSectors],
  );
  const chunks = sizes.map((size) => Math.floor(size / shape.chunkSectors));
  const smallest = Math.min(...chunks);
  return {
    zones: countRaid0Zones(shape.chunkSectors, sizes),
    membersInSecond: chunks.filter((count) => count > smallest).length,
  };
}
