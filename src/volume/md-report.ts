/** An assembly plan as a report for people and programs. */
import { utcText } from "../base/dates.ts";
import { SECTOR_BYTES } from "../base/units.ts";
import { layoutName } from "../formats/md/layout-names.ts";
import type { MdSuperblock } from "../formats/md/superblock.ts";
import type { JudgedCandidate } from "../md/candidate.ts";
import type { AssemblyPlan } from "../md/plan.ts";
import { plannedSectors } from "../md/planned-geometry.ts";
import type { Finding, MemberReport, VolumeReport } from "./report.ts";

export interface ReportExtras {
  readonly notes: readonly string[];
  readonly content: readonly Finding[] | null;
}

export function reportOf(name: string, plan: AssemblyPlan, extras: ReportExtras): VolumeReport {
  const { superblock, verdict } = plan;
  const { shape } = superblock;
  return {
    name,
    kind: "md",
    uuid: superblock.arrayUuid,
    level: shape?.level ?? `level ${superblock.levelNumber}`,
    layout: shape === null ? "-" : layoutName(shape.level, shape.layout),
    chunkBytes: (shape?.chunkSectors ?? 0) * SECTOR_BYTES,
    raidDisks: shape?.raidDisks ?? plan.judged.length,
    sizeBytes: (plannedSectors(plan) ?? 0) * SECTOR_BYTES,
    metadata: superblock.version,
    state: stateOf(plan),
    members: membersOf(plan),
    verdict,
    notes: extras.notes,
    content: extras.content,
  };
}

function memberReport(judged: JudgedCandidate): MemberReport {
  const { superblock, path } = judged.candidate;
  const recovering = judged.fate === "recovering";
  return {
    path,
    state: judged.fate,
    slot: judged.slot,
    replacement: judged.replacement,
    events: superblock.events,
    updated: utcText(superblock.updatedSeconds),
    recoveryOffsetSectors: recovering ? superblock.recoveryOffsetSectors : null,
    note: judged.note,
  };
}

/** By slot, empty slots included; then spares and the like in the order given. */
function membersOf(plan: AssemblyPlan): MemberReport[] {
  const placed = plan.slots.flatMap((slot, number): MemberReport[] => {
    const standing = [slot.member, slot.replacement].flatMap((judged) =>
      judged === null ? [] : [memberReport(judged)],
    );
    if (standing.length > 0) return standing;
    const missing = { path: null, events: null, updated: null, note: null };
    return [
      {
        ...missing,
        state: "missing",
        slot: number,
        replacement: false,
        recoveryOffsetSectors: null,
      },
    ];
  });
  const inSlots = new Set(plan.slots.flatMap((slot) => [slot.member, slot.replacement]));
  const others = plan.judged.filter((judged) => !inSlots.has(judged)).map(memberReport);
  return [...placed, ...others];
}

/** "clean", "degraded by 1, dirty", "reshaping at 27 %". */
function stateOf(plan: AssemblyPlan): string {
  const { superblock, slots } = plan;
  const words: string[] = [];
  const absent = slots.filter((slot) => slot.member === null && slot.replacement === null).length;
  if (absent > 0) words.push(`degraded by ${absent}`);
  words.push(...activityOf(plan));
  words.push(cleanliness(superblock));
  return words.join(", ");
}

function cleanliness(superblock: MdSuperblock): string {
  if (superblock.resyncOffsetSectors === Infinity) return "clean";
  return superblock.resyncOffsetSectors === 0 ? "dirty" : "resync under way";
}

function activityOf(plan: AssemblyPlan): string[] {
  const { superblock, slots } = plan;
  if (superblock.reshape !== null) {
    const total = plannedSectors(plan);
    const { positionSectors, backwards } = superblock.reshape;
    if (total === null || total === 0) return ["reshaping"];
    const done = Math.min(1, positionSectors / total);
    return [`reshaping (${Math.floor((backwards ? 1 - done : done) * 100)} %)`];
  }
  if (slots.some((slot) => slot.replacement !== null)) return ["replacing a member"];
  if (slots.some((slot) => slot.member?.fate === "recovering")) return ["rebuilding a member"];
  return [];
}
