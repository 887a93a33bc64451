/** The matrix: what each member says of itself and of the others, and what assembly makes of it. */
import { utcText } from "../base/dates.ts";
import { toHoldfastError } from "../base/errors.ts";
import type { MdSuperblock } from "../formats/md/superblock.ts";
import type { JudgedCandidate, MdCandidate } from "./candidate.ts";
import type { ExplainedMember } from "./explanation.ts";
import { describeRole } from "./judge.ts";
import type { AssemblyPlan } from "./plan.ts";
import { readBadBlocks } from "./probe.ts";
import { otherSide } from "./split-brain.ts";
import { describeBitmap } from "./set-bitmaps.ts";
import type { SetBitmap, SetBitmaps } from "./set-bitmaps.ts";

/**
 * As `mdadm -E` draws its Array State: one letter a slot. While a reshape takes disks away, those are still shown.
 */
function arrayState(superblock: MdSuperblock): string {
  const { shape, reshape, roles } = superblock;
  const slots = Math.max(shape?.raidDisks ?? 0, reshape?.before.raidDisks ?? 0);
  return Array.from({ length: slots }, (_unused, slot) => {
    const claims = roles.filter((role) => role.kind === "active" && role.slot === slot).length;
    if (claims === 0) return ".";
    return claims === 1 ? "A" : "R";
  }).join("");
}

function roleText({ role, replacement }: MdSuperblock): string {
  return replacement ? `${describeRole(role)} (replacement)` : describeRole(role);
}

function logOf({ ppl, hasJournal }: MdSuperblock): ExplainedMember["log"] {
  if (ppl !== null) return ppl.multiple ? "multiple-ppls" : "ppl";
  return hasJournal ? "journal" : null;
}

/** JSON has no infinity. */
const finite = (value: number): number | null => (value === Infinity ? null : value);

interface BadBlocks {
  readonly sectors: number | null;
  readonly problem: string | null;
}

async function badBlocksOf({ device, superblock, path }: MdCandidate): Promise<BadBlocks> {
  try {
    const decoded = await readBadBlocks(device, superblock);
    if (decoded.kind === "bad")
      return { sectors: null, problem: `its bad-block log: ${decoded.reason}` };
    const sectors = decoded.ranges.reduce((sum, range) => sum + range.sectors, 0);
    return { sectors, problem: null };
  } catch (error) {
    const { message } = toHoldfastError(error, path);
    return { sectors: null, problem: `its bad-block log cannot be read: ${message}` };
  }
}

function noteOf(
  judged: JudgedCandidate,
  isOtherSide: boolean,
  bitmap: SetBitmap,
  badBlocks: BadBlocks,
): string | null {
  const notes = [
    isOtherSide
      ? "the other side of a split brain: it was written without any of the freshest members"
      : judged.note,
    bitmap.kind === "bad" ? bitmap.reason : null,
    badBlocks.problem,
    judged.candidate.superblock.reservedBytesSet
      ? "reserved bytes of its superblock are set: something newer wrote it"
      : null,
  ].filter((note) => note !== null);
  return notes.length === 0 ? null : notes.join("; ");
}

async function explainMember(
  judged: JudgedCandidate,
  plan: AssemblyPlan,
  bitmaps: SetBitmaps,
): Promise<ExplainedMember> {
  const { superblock, path } = judged.candidate;
  const bitmap = bitmaps.get(judged.candidate) ?? { kind: "none" };
  const badBlocks = await badBlocksOf(judged.candidate);
  return {
    path,
    deviceNumber: superblock.deviceNumber,
    role: roleText(superblock),
    slot: superblock.role.kind === "active" ? superblock.role.slot : null,
    replacement: superblock.replacement,
    events: superblock.events,
    eventsBehind: plan.superblock.events - superblock.events,
    updated: utcText(superblock.updatedSeconds),
    state: judged.fate,
    sees: arrayState(superblock),
    checksumOk: superblock.checksumOk,
    clean: superblock.resyncOffsetSectors === Infinity,
    resyncOffsetSectors: finite(superblock.resyncOffsetSectors),
    recoveryOffsetSectors: finite(superblock.recoveryOffsetSectors),
    bitmap: await describeBitmap(bitmap),
    badBlockSectors: badBlocks.sectors,
    log: logOf(superblock),
    note: noteOf(judged, otherSide(plan).includes(judged.candidate), bitmap, badBlocks),
  };
}

/** Freshest first; among equals in the order given. */
export async function explainMembers(
  plan: AssemblyPlan,
  bitmaps: SetBitmaps,
): Promise<ExplainedMember[]> {
  const rows: ExplainedMember[] = [];
  for (const judged of plan.judged) rows.push(await explainMember(judged, plan, bitmaps));
  return rows.toSorted((a, b) => b.events - a.events);
}
