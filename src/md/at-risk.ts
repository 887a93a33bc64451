/**
 * How much of an array is in doubt when it is put together in a certain way: counted in stripes, from the bitmaps.
 *
 *   in doubt      what is read may be wrong: parity that may not fit stands in for a member, or a member missed writes
 *   to be synced  what is read is right, but redundancy may not fit
 *
 * A bitmap answers both: its bits are set before a write and cleared only when all members have it, so while a member is away
 * they stay set and tell what it missed (as long as it left at events_cleared or later). Where no bitmap can be believed everything
 * counts, and `upperBound` says so.
 */
import { PagedBits } from "../base/paged-bits.ts";
import { alignUp, SECTOR_BYTES } from "../base/units.ts";
import { dirtyRanges } from "../formats/md/bitmap-runs.ts";
import type { MdShape } from "../formats/md/superblock.ts";
import type { MdCandidate } from "./candidate.ts";
import { dataDisks, needsBackup, sectorsInDoubt } from "./critical-section.ts";
import type { AssemblyPlan } from "./plan.ts";
import type { SetBitmaps } from "./set-bitmaps.ts";
import { plannedSectors } from "./planned-geometry.ts";

/** What a stripe is in one array. */
export interface StripeUnit {
  /** Sectors of what a bitmap covers: of a member, for raid10 of the array. */
  readonly sectors: number;
  /** Stripes in the array. */
  readonly count: number;
  /** Volume bytes in a stripe that each member holds; all of it where there is no parity. */
  readonly memberBytes: number;
  /** How many members' worth of data a stripe has. */
  readonly dataMembers: number;
}

/** Writes that the members in use lack. */
export interface MissedWrites {
  /** Their bitmaps recorded them. */
  readonly recorders: readonly MdCandidate[];
  /** The event count of those who lack them, when they left. */
  readonly leftAtEvents: number;
  /** Members in use that lack them; null: all of them. */
  readonly members: number | null;
  /** Goes behind "what was": "written since". */
  readonly what: string;
}

export interface Risk {
  readonly stripesAtRisk: number | null;
  readonly bytesAtRisk: number | null;
  readonly upperBound: boolean;
  readonly stripesToSync: number | null;
  /** How these numbers came about. */
  readonly sentences: readonly string[];
}

export const NO_RISK: Risk = {
  stripesAtRisk: 0,
  bytesAtRisk: 0,
  upperBound: false,
  stripesToSync: 0,
  sentences: [],
};

/** raid1 without a bitmap is counted in the pieces in which the kernel syncs. */
const RAID1_SECTORS = 128;

const isParity = (shape: MdShape): boolean =>
  shape.level === "raid4" || shape.level === "raid5" || shape.level === "raid6";

export function stripeUnit(plan: AssemblyPlan, bitmaps: SetBitmaps): StripeUnit | null {
  const { shape, componentSectors } = plan.superblock;
  const arraySectors = plannedSectors(plan);
  if (shape === null || arraySectors === null) return null;
  const chunk = shape.chunkSectors || RAID1_SECTORS;
  if (isParity(shape)) {
    const count = Math.ceil(componentSectors / chunk);
    const memberBytes = chunk * SECTOR_BYTES;
    return { sectors: chunk, count, memberBytes, dataMembers: dataDisks(shape) };
  }
  const bitmap = bitmaps.get(plan.freshest);
  const fromBitmap = shape.level === "raid1" && bitmap?.kind === "ok";
  const sectors = fromBitmap ? bitmap.bitmap.chunkSectors : chunk;
  const count = Math.ceil(arraySectors / sectors);
  return { sectors, count, memberBytes: sectors * SECTOR_BYTES, dataMembers: 1 };
}

/** Stripes in doubt, and whether bitmaps told which. */
interface Area {
  readonly bits: PagedBits;
  readonly exact: boolean;
}

/** Where the recorders' bitmaps have bits set, from `fromSector` on. */
async function markedArea(
  unit: StripeUnit,
  recorders: readonly MdCandidate[],
  bitmaps: SetBitmaps,
  limits: { readonly fromSector: number; readonly leftAtEvents: number },
): Promise<Area> {
  const bits = new PagedBits(unit.count);
  let believed = 0;
  for (const recorder of recorders) {
    const found = bitmaps.get(recorder);
    if (found?.kind !== "ok" || found.distrust !== null) continue;
    if (found.bitmap.eventsCleared > limits.leftAtEvents) continue;
    believed += 1;
    for (const part of found.parts) {
      for await (const range of dirtyRanges(part.bitmap, part.read)) {
        const from = Math.max(range.sector, limits.fromSector);
        const to = range.sector + range.sectors;
        if (to <= from) continue;
        const first = Math.min(unit.count, Math.floor(from / unit.sectors));
        bits.set(first, Math.min(unit.count, alignUp(to, unit.sectors) / unit.sectors));
      }
    }
  }
  if (believed > 0) return { bits, exact: true };
  bits.set(Math.min(unit.count, Math.floor(limits.fromSector / unit.sectors)), unit.count);
  return { bits, exact: false };
}

function countBits(bits: PagedBits): number {
  let count = 0;
  for (let at = 0; at < bits.size;) {
    const run = bits.runAt(at, bits.size);
    if (run.value) count += run.end - at;
    at = run.end;
  }
  return count;
}

function addBits(to: PagedBits, from: PagedBits): void {
  for (let at = 0; at < from.size;) {
    const run = from.runAt(at, from.size);
    if (run.value) to.set(at, run.end);
    at = run.end;
  }
}

/** Members that stand in slots and are good over their whole length. */
export function inSyncMembers(plan: AssemblyPlan): MdCandidate[] {
  return plan.slots.flatMap((slot) =>
    [slot.member, slot.replacement].flatMap((one) =>
      one?.fate === "in-sync" ? [one.candidate] : [],
    ),
  );
}

/** Mirrors have no stripes: what is counted there are regions of the volume. */
function stripesText(plan: AssemblyPlan, count: number): string {
  const thing = isParity(plan.superblock.shape!) ? "stripe" : "region";
  return `${count} ${thing}${count === 1 ? "" : "s"}`;
}

/** Stopped in the middle of writes, with nothing but a resync to mend it. */
async function dirtyArea(
  plan: AssemblyPlan,
  unit: StripeUnit,
  bitmaps: SetBitmaps,
): Promise<Area | null> {
  const { superblock } = plan;
  const { resyncOffsetSectors: fromSector, shape } = superblock;
  const logged = superblock.ppl !== null || superblock.hasJournal;
  const redundant = shape !== null && shape.level !== "raid0" && shape.level !== "linear";
  if (fromSector === Infinity || logged || !redundant) return null;
  const members = inSyncMembers(plan);
  // A single copy has nothing to disagree with.
  if (!isParity(shape) && members.length < 2) return null;
  const limits = { fromSector, leftAtEvents: Infinity };
  return markedArea(unit, members, bitmaps, limits);
}

function dirtySentence(
  plan: AssemblyPlan,
  degraded: number,
  count: number,
  exact: boolean,
): string {
  const where = exact
    ? `the bitmap marks ${stripesText(plan, count)} as being written when it stopped`
    : `no bitmap tells where it was being written when it stopped: it may be in any of ${stripesText(plan, count)}`;
  if (!isParity(plan.superblock.shape!))
    return `${where}; the copies may differ there, and one of them is read throughout`;
  if (degraded === 0)
    return `${where}; what is read there is right, but until it was synced its parity may not fit and cannot stand in for a member`;
  return `${where}; there, data of the missing member is computed from parity that may not fit`;
}

function missedSentence(
  plan: AssemblyPlan,
  missed: MissedWrites,
  count: number,
  exact: boolean,
): string {
  const names = missed.recorders.map((one) => one.path).join(", ");
  const stripes = stripesText(plan, count);
  return exact
    ? `the bitmap on ${names} tells what was ${missed.what}: ${stripes}`
    : `no bitmap tells what was ${missed.what}: it may be any of ${stripes}`;
}

/** Adds up what is in doubt in one way. */
class Sum {
  readonly #unit: StripeUnit;
  readonly #bits: PagedBits;
  readonly sentences: string[] = [];
  upperBound = false;
  toSync = 0;
  extraStripes = 0;
  extraBytes = 0;
  membersInDoubt = 0;

  constructor(unit: StripeUnit) {
    this.#unit = unit;
    this.#bits = new PagedBits(unit.count);
  }

  doubt(area: Area, members: number): void {
    addBits(this.#bits, area.bits);
    if (!area.exact) this.upperBound = true;
    // Never fewer than the worst of the reasons; they name the same missing members.
    this.membersInDoubt = Math.max(this.membersInDoubt, members);
  }

  risk(volumeBytes: number): Risk {
    const { dataMembers, memberBytes } = this.#unit;
    const stripes = countBits(this.#bits);
    const perStripe = Math.min(dataMembers, this.membersInDoubt) * memberBytes;
    return {
      stripesAtRisk: stripes + this.extraStripes,
      bytesAtRisk: Math.min(volumeBytes, stripes * perStripe + this.extraBytes),
      upperBound: this.upperBound,
      stripesToSync: this.toSync,
      sentences: this.sentences,
    };
  }
}

export interface RiskRequest {
  /** Starts. */
  readonly plan: AssemblyPlan;
  readonly degradedBy: number;
  readonly missed: readonly MissedWrites[];
  /** mdadm's backup file of a reshape is at hand. */
  readonly backupGiven: boolean;
}

/** What is in doubt in a plan that starts. */
export async function riskOf(request: RiskRequest, bitmaps: SetBitmaps): Promise<Risk> {
  const { plan, degradedBy, missed } = request;
  const { superblock } = plan;
  const unit = stripeUnit(plan, bitmaps);
  const journalLost = superblock.hasJournal && plan.journal === null;
  if (unit === null || journalLost) {
    const sentences = journalLost ? ["nobody can tell what was only in the journal"] : [];
    return { ...NO_RISK, stripesAtRisk: null, bytesAtRisk: null, stripesToSync: null, sentences };
  }
  const sum = new Sum(unit);
  const dirty = await dirtyArea(plan, unit, bitmaps);
  if (dirty !== null) {
    sum.toSync = countBits(dirty.bits);
    const parityAlone = isParity(superblock.shape!) && degradedBy > 0;
    if (parityAlone) sum.doubt(dirty, degradedBy);
    sum.sentences.push(dirtySentence(plan, degradedBy, sum.toSync, dirty.exact));
  }
  for (const one of missed) {
    const limits = { fromSector: 0, leftAtEvents: one.leftAtEvents };
    const area = await markedArea(unit, one.recorders, bitmaps, limits);
    sum.doubt(area, one.members === null ? unit.dataMembers : one.members + degradedBy);
    sum.sentences.push(missedSentence(plan, one, countBits(area.bits), area.exact));
  }
  if (!request.backupGiven) addCriticalSection(sum, plan);
  return sum.risk((plannedSectors(plan) ?? 0) * SECTOR_BYTES);
}

function addCriticalSection(sum: Sum, plan: AssemblyPlan): void {
  const { reshape, componentSectors } = plan.superblock;
  if (reshape === null || !needsBackup(reshape)) return;
  const sectors = sectorsInDoubt(reshape, componentSectors);
  const stripe = reshape.after.chunkSectors * dataDisks(reshape.after);
  sum.extraStripes = Math.ceil(sectors / stripe);
  sum.extraBytes = sectors * SECTOR_BYTES;
  sum.upperBound = true;
  // One that adds disks has its backup on them, unless mdadm was given a file; starting it looks there.
  const unless =
    reshape.deltaDisks > 0 ? "unless the added disks hold the backup" : "without the backup file";
  sum.sentences.push(
    `${unless}, ${stripesText(plan, sum.extraStripes)} at most around array sector ${reshape.positionSectors} may be read half in the old and half in the new shape`,
  );
}
