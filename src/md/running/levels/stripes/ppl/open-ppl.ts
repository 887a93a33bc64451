/** Opening the partial parity log of an array: what a crash left is read, and nothing is written. */
import { HoldfastError } from "../../../../../base/errors.ts";
import { arrayUuidBytes } from "../../../../../formats/md/superblock.ts";
import type { MdCandidate } from "../../../../candidate.ts";
import type { AssemblyPlan } from "../../../../plan.ts";
import { recoverPpl } from "../../../../replay/ppl.ts";
import { ReplayedMembers } from "../replayed-members.ts";
import type { FoundLog } from "../stripe-log.ts";
import { PplArray } from "./ppl-array.ts";
import { PplLog } from "./ppl-log.ts";

/** Room that is kept for a superblock. */
const SUPERBLOCK_SECTORS = 8;

/** @throws HoldfastError for a log that must not be written where the superblocks say it is */
export async function openPpl(plan: AssemblyPlan): Promise<FoundLog> {
  const { superblock } = plan;
  if (superblock.shape?.level !== "raid5") {
    const text = "only a raid5 can have a partial parity log; the array can be opened for reading";
    throw new HoldfastError("unsupported", text);
  }
  for (const { member, replacement } of plan.slots) {
    if (member !== null) checkArea(member.candidate);
    if (replacement !== null) checkArea(replacement.candidate);
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

/** The area is going to be zeroed. */
function checkArea({ path, superblock }: MdCandidate): void {
  const { ppl, superSector, dataOffsetSectors, dataSectors, componentSectors } = superblock;
  if (ppl === null) refuse(`${path} has no room for a partial parity log`);
  const end = ppl.startSector + ppl.sectors;
  const overlaps = (sector: number, sectors: number): boolean =>
    ppl.startSector < sector + sectors && sector < end;
  if (overlaps(superSector, SUPERBLOCK_SECTORS))
    refuse(`the partial parity log of ${path} lies over its superblock`);
  if (overlaps(dataOffsetSectors, Math.max(dataSectors, componentSectors)))
    refuse(`the partial parity log of ${path} lies over its data`);
}

function refuse(what: string): never {
  throw new HoldfastError("bad-metadata", `${what}; leave it out`);
}
