/** A change of superblocks (exchange.ts) that a crash has stopped half-way is ended before the array is started. */
import { BioFlags } from "../block/bio.ts";
import { writeSectors } from "../block/promises.ts";
import {
  deviceNumbers,
  superblockPart,
  updateSuperblock,
} from "../formats/md/superblock-update.ts";
import type { ArrayImage } from "../formats/md/superblock-update.ts";
import type { MdSuperblock } from "../formats/md/superblock.ts";
import { differsInShape } from "../md/judge.ts";
import type { AssemblyPlan } from "../md/plan.ts";
import { openMember, standingOf } from "../md/running/assemble.ts";
import type { Member } from "../md/running/member.ts";
import { deviceImage } from "../md/running/member-images.ts";

/** What it says of the array is older than a change that the freshest one tells of. */
function isUntold({ superblock: own }: Member, freshest: MdSuperblock): boolean {
  if (own.events + 1 !== freshest.events) return false;
  return (
    differsInShape(own, freshest) ||
    (own.bitmapSector === null) !== (freshest.bitmapSector === null) ||
    (own.ppl === null) !== (freshest.ppl === null)
  );
}

/**
 * Those that are one event behind are told what the freshest superblock says, with its event count: a crash in between changes nothing for the
 * next start. What their superblocks point at is there already.
 * @returns whether superblocks were written
 */
export async function finishChange(plan: AssemblyPlan): Promise<boolean> {
  const { superblock, judged } = plan;
  if (superblock.shape === null || plan.verdict.kind !== "can-start") return false;
  const members: Member[] = [];
  for (const one of judged) {
    const standing = standingOf(one);
    if (standing !== null) members.push(await openMember(one.candidate, standing));
  }
  const untold = members.filter((member) => isUntold(member, superblock));
  if (untold.length === 0) return false;
  const image = imageOf(superblock, members);
  for (const member of untold) {
    const own = image.devices[members.indexOf(member)]!;
    const bytes = updateSuperblock(member.superblock, member.image, image, own);
    const part = superblockPart(member.superblock, bytes);
    await writeSectors(member.device, member.superblock.superSector, part, BioFlags.fua);
  }
  return true;
}

function imageOf(superblock: MdSuperblock, members: readonly Member[]): ArrayImage {
  const { events, updatedSeconds, componentSectors, resyncOffsetSectors, bitmapSector, ppl } =
    superblock;
  const { raidDisks } = superblock.shape!;
  const images = members.map(deviceImage);
  const numbers = deviceNumbers(superblock, raidDisks, images);
  return {
    events,
    updatedSeconds,
    raidDisks,
    componentSectors,
    isClean: true,
    resyncOffsetSectors,
    hasBitmap: bitmapSector !== null,
    hasPpl: ppl !== null,
    devices: images.map((one, at) => ({ ...one, number: numbers[at]! })),
  };
}
