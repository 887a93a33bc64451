/**
 * Starts a planned array for reading: opens nothing and writes nothing to the members.
 *
 * What a kernel would put on the members before the first read (a journal, a partial parity log) is put over them in memory
 * instead, so the volume reads right and the members keep their bytes. The order is the kernel's: logs first, then geometry.
 */
import { HoldfastError } from "../base/errors.ts";
import { SECTOR_BYTES } from "../base/units.ts";
import type { SectorRange } from "../base/units.ts";
import type { BlockDevice } from "../block/device.ts";
import type { MdReshape, MdShape } from "../formats/md/superblock.ts";
import { plainEngine } from "../parity/engine.ts";
import type { ParityEngine } from "../parity/engine.ts";
import { MdArray } from "./array.ts";
import type { ArrayRegion } from "./array.ts";
import type { JudgedCandidate, MdCandidate } from "./candidate.ts";
import { makePersonality } from "./personalities/make.ts";
import type { AssemblyPlan } from "./plan.ts";
import { geometryOf, reshapeGeometries } from "./planned-geometry.ts";
import { readBadBlocks } from "./probe.ts";
import { replayLogs } from "./replay/replay.ts";
import type { ReplayResult } from "./replay/replay.ts";
import { Slot, fixedView } from "./slot.ts";
import type { MemberView } from "./slot.ts";

export interface StartOptions {
  readonly name: string;
  /** mdadm's backup file of a reshape in place. */
  readonly backup: BlockDevice | null;
  /** Bytes of replayed log that may be held in memory. */
  readonly replayLimitBytes: number;
  /** What to rebuild with, asked for when it is needed; the plain one unless given. */
  readonly parityEngine?: () => ParityEngine;
}

export interface StartedArray {
  readonly device: BlockDevice;
  /** Sentences about what was done and noticed. */
  readonly notes: readonly string[];
}

/** Which shape of a reshape a geometry belongs to; at rest there is only "after". */
type Side = "before" | "after";

/** A member about to be read: its device may have a replayed log over it. */
interface Member {
  readonly judged: JudgedCandidate;
  readonly device: BlockDevice;
  readonly badBlocks: readonly SectorRange[];
}

export async function startArray(plan: AssemblyPlan, options: StartOptions): Promise<StartedArray> {
  const { superblock } = plan;
  const shape = superblock.shape;
  if (shape === null || plan.verdict.kind !== "can-start") {
    throw new HoldfastError("cannot-start", `${options.name} cannot be started`);
  }
  const replayed = await replayLogs(plan, options);
  const members = await gatherMembers(plan, replayed);
  const notes = [...plan.forced, ...replayed.notes];
  for (const member of members.values()) notes.push(...cutOffNote(member));

  const parityEngine = options.parityEngine ?? (() => plainEngine);
  const sides =
    replayed.reshape === null
      ? restRegion(plan, shape, members, parityEngine)
      : reshapeRegions(plan, replayed.reshape, members, parityEngine);
  const array = new MdArray({
    name: options.name,
    sectors: sides.sectors,
    regions: sides.regions,
    optimalIoBytes: stripeBytes(shape),
    logicalBlockBytes: superblock.logicalBlockBytes ?? 512,
  });
  return { device: await replayed.overVolume(array), notes };
}

/** Every member that stands in a slot, by the candidate's path. */
async function gatherMembers(
  plan: AssemblyPlan,
  replayed: ReplayResult,
): Promise<Map<MdCandidate, Member>> {
  const members = new Map<MdCandidate, Member>();
  for (const slot of plan.slots) {
    for (const judged of [slot.member, slot.replacement]) {
      if (judged === null) continue;
      const { candidate } = judged;
      members.set(candidate, {
        judged,
        device: replayed.deviceOf(candidate),
        badBlocks: await badBlocksOf(candidate),
      });
    }
  }
  return members;
}

async function badBlocksOf(candidate: MdCandidate): Promise<readonly SectorRange[]> {
  const advice = "leave this member out to open the array without it";
  try {
    const decoded = await readBadBlocks(candidate.device, candidate.superblock);
    if (decoded.kind === "ok") return decoded.ranges;
    throw new HoldfastError(
      "bad-metadata",
      `the bad-block log of ${candidate.path} cannot be right: ${decoded.reason}; ${advice}`,
    );
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.code === "bad-metadata") throw error;
    const text = `the bad-block log of ${candidate.path} cannot be read (${error.message}); ${advice}`;
    throw new HoldfastError(error.code, text, { cause: error });
  }
}

function cutOffNote(member: Member): string[] {
  const { candidate } = member.judged;
  const { superblock, device, path } = candidate;
  const end =
    superblock.dataOffsetSectors + (superblock.componentSectors || superblock.dataSectors);
  if (device.sectors >= end) return [];
  return [
    `${path} is cut off: it has ${device.sectors} sectors and its data should reach sector ${end}; what is behind is rebuilt where it can be`,
  ];
}

function viewOf(member: Member, side: Side): MemberView {
  const { judged, device, badBlocks } = member;
  const { superblock, path } = judged.candidate;
  const delta = side === "after" ? (superblock.reshape?.newOffsetDeltaSectors ?? 0) : 0;
  const recovered = judged.fate === "recovering" ? superblock.recoveryOffsetSectors : Infinity;
  return fixedView(path, device, superblock.dataOffsetSectors + delta, recovered, badBlocks);
}

function slotsFor(
  plan: AssemblyPlan,
  shape: MdShape,
  members: ReadonlyMap<MdCandidate, Member>,
  side: Side,
): Slot[] {
  return plan.slots.slice(0, shape.raidDisks).map((planned, number) => {
    const standing = [planned.member, planned.replacement].flatMap((judged) =>
      judged === null ? [] : [members.get(judged.candidate)!],
    );
    const writeMostly = planned.member?.candidate.superblock.writeMostly ?? false;
    return new Slot(
      number,
      standing.map((member) => viewOf(member, side)),
      writeMostly,
    );
  });
}

interface Regions {
  readonly sectors: number;
  readonly regions: readonly ArrayRegion[];
}

function restRegion(
  plan: AssemblyPlan,
  shape: MdShape,
  members: ReadonlyMap<MdCandidate, Member>,
  parityEngine: () => ParityEngine,
): Regions {
  const geometry = geometryOf(plan, shape, plan.superblock.componentSectors);
  const personality = makePersonality(
    geometry,
    slotsFor(plan, shape, members, "after"),
    parityEngine,
    alikeSectors(plan),
  );
  const sectors = geometry.arraySectors;
  return { sectors, regions: [{ endSector: sectors, personality }] };
}

/** How far the copies of a mirror are known to be alike: as far as all say, if none was taken in that may be behind. */
function alikeSectors(plan: AssemblyPlan): number {
  if (plan.forced.length > 0) return 0;
  const standing = plan.slots.flatMap(({ member, replacement }) => [member, replacement]);
  return Math.min(
    ...standing.map((one) => one?.candidate.superblock.resyncOffsetSectors ?? Infinity),
  );
}

function reshapeRegions(
  plan: AssemblyPlan,
  reshape: MdReshape,
  members: ReadonlyMap<MdCandidate, Member>,
  parityEngine: () => ParityEngine,
): Regions {
  const { before, after, sectors } = reshapeGeometries(plan, reshape);
  const old = makePersonality(
    before,
    slotsFor(plan, reshape.before, members, "before"),
    parityEngine,
  );
  const young = makePersonality(
    after,
    slotsFor(plan, reshape.after, members, "after"),
    parityEngine,
  );
  // Forwards the start of the volume is in the new shape already, backwards its end.
  const [first, second] = reshape.backwards ? [old, young] : [young, old];
  const position = Math.min(reshape.positionSectors, sectors);
  const regions = [
    { endSector: position, personality: first },
    { endSector: sectors, personality: second },
  ];
  return {
    sectors,
    regions: regions.filter((region, i) => region.endSector > (regions[i - 1]?.endSector ?? 0)),
  };
}

/** A full stripe of data, the size in which writing and reading goes best; 0 where there are no chunks. */
export function stripeBytes(shape: MdShape): number {
  const chunk = shape.chunkSectors * SECTOR_BYTES;
  switch (shape.level) {
    case "linear":
    case "raid1":
      return 0;
    case "raid0":
    case "raid10":
      return chunk * shape.raidDisks;
    case "raid4":
    case "raid5":
      return chunk * (shape.raidDisks - 1);
    case "raid6":
      return chunk * (shape.raidDisks - 2);
  }
}
