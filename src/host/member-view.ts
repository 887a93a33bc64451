/** What a member shows of itself. */
import { alignDown } from "../base/units.ts";
import type { MdSuperblock } from "../formats/md/superblock.ts";
import type { MdCandidate } from "../md/candidate.ts";
import type { Member } from "../md/running/member.ts";
import type { MemberView } from "../md/view/array-view.ts";
import type { HeldDevice } from "./device-registry.ts";

/** Of a spare nothing is good; in a slot as far as it was filled. */
function recoveryStart(member: Member): number | null {
  if (member.isInSync) return null;
  return member.standing.kind === "journal" ? member.journalTailSectors : member.goodEnd;
}

type Identity = Pick<
  MemberView,
  | "device"
  | "path"
  | "major"
  | "minor"
  | "dataOffsetSectors"
  | "newDataOffsetSectors"
  | "sizeKib"
  | "pplSector"
  | "pplSectors"
>;

function identityOf(
  { name, currentPath, major, minor }: HeldDevice,
  superblock: MdSuperblock,
): Identity {
  const { dataOffsetSectors, dataSectors, shape, ppl } = superblock;
  // raid0 takes whole chunks of each.
  const unit = shape?.level === "raid0" ? shape.chunkSectors : 1;
  return {
    device: name,
    path: currentPath,
    major,
    minor,
    dataOffsetSectors,
    newDataOffsetSectors: dataOffsetSectors,
    sizeKib: Math.floor(alignDown(dataSectors, unit) / 2),
    pplSector: ppl?.startSector ?? 0,
    pplSectors: ppl?.sectors ?? 0,
  };
}

export function memberView(held: HeldDevice, member: Member): MemberView {
  return {
    ...identityOf(held, member.superblock),
    number: member.number,
    slot: member.slot,
    inSync: member.isInSync,
    faulty: member.isFaulty,
    journal: member.standing.kind === "journal",
    replacement: member.isReplacement,
    wantReplacement: member.wantsReplacement,
    writeMostly: member.writeMostly,
    failFast: member.failFast,
    blocked: false,
    writeErrorSeen: member.hasWriteErrors,
    recoveryStartSectors: recoveryStart(member),
    correctedErrors: member.correctedSectors,
    badBlocks: member.badBlocks.ranges,
    unacknowledgedBadBlocks: [],
  };
}

/** Of an array that does not run: nobody stands anywhere yet. */
export function waitingView(held: HeldDevice, candidate: MdCandidate): MemberView {
  const { superblock } = candidate;
  return {
    ...identityOf(held, superblock),
    number: superblock.deviceNumber,
    slot: null,
    inSync: false,
    faulty: false,
    journal: superblock.role.kind === "journal",
    replacement: superblock.replacement,
    wantReplacement: false,
    writeMostly: superblock.writeMostly,
    failFast: superblock.failFast,
    blocked: false,
    writeErrorSeen: false,
    recoveryStartSectors: 0,
    correctedErrors: 0,
    badBlocks: [],
    unacknowledgedBadBlocks: [],
  };
}
