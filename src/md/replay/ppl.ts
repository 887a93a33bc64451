/**
 * Replay of the partial parity log of a dirty raid5: parity of the stripes that were being written is made anew from
 * the changed data blocks as they stand on the members and the logged xor of the unchanged ones. Data blocks are never
 * touched, so only reads that rebuild a missing member depend on it.
 *
 * A changed block whose own member is missing leaves its parity as it is; a missing member with an unchanged block does no
 * harm, its content is in the log. Facts: drivers/md/raid5-ppl.c; docs/formats/md-ppl.md.
 */
import { HoldfastError } from "../../base/errors.ts";
import { SECTOR_BYTES } from "../../base/units.ts";
import { crc32c } from "../../codec/crc32c.ts";
import { readSectors } from "../../block/promises.ts";
import type { Patch } from "../../devices/patched.ts";
import { findNewestPpl, pplExtent, pplSignature } from "../../formats/md/ppl.ts";
import type { PplEntry, PplExtent } from "../../formats/md/ppl.ts";
import { arrayUuidBytes } from "../../formats/md/superblock.ts";
import { oracleKernels } from "../../parity/oracle.ts";
import type { JudgedCandidate, MdCandidate } from "../candidate.ts";
import type { StripeGeometry } from "../geometry/raid456.ts";
import type { AssemblyPlan } from "../plan.ts";
import { stripesOf } from "../planned-geometry.ts";
import { NOTHING_TO_REPLAY } from "./patches.ts";
import type { Replay } from "./patches.ts";

interface Counts {
  entries: number;
  blocks: number;
  /** Parity that could not be made anew because a changed block is missing. */
  left: number;
  /** Logs or entries that could not be believed. */
  mismatches: number;
}

export interface PplRecovery {
  readonly replay: Replay;
  /**
   * Parity is right everywhere once this is written: the array was in use, its logs tell of everything that was under way, and all of
   * that could be believed. Kernels decide it so too.
   */
  readonly isMended: boolean;
}

const NOTHING: PplRecovery = { replay: NOTHING_TO_REPLAY, isMended: false };

export async function replayPpl(plan: AssemblyPlan): Promise<Replay> {
  return (await recoverPpl(plan)).replay;
}

export async function recoverPpl(plan: AssemblyPlan): Promise<PplRecovery> {
  const { superblock } = plan;
  const { resyncOffsetSectors } = superblock;
  const dirty = resyncOffsetSectors !== Infinity;
  if (superblock.ppl === null || !dirty || superblock.shape?.level !== "raid5") return NOTHING;
  const geometry = stripesOf(plan);
  if (geometry === null) return NOTHING;

  const counts: Counts = { entries: 0, blocks: 0, left: 0, mismatches: 0 };
  const members = new Map<MdCandidate, Patch[]>();
  for (const [slot, planned] of plan.slots.entries()) {
    if (planned.member === null || !holds(planned.member, 0)) continue;
    const patches = await replayMember(plan, geometry, slot, counts);
    if (patches.length === 0) continue;
    members.set(planned.member.candidate, patches);
    // What its replacement has of it by now is as old (kernels leave it so).
    if (planned.replacement !== null)
      members.set(
        planned.replacement.candidate,
        movedTo(planned.replacement, planned.member, patches),
      );
  }
  const isMended = resyncOffsetSectors === 0 && counts.entries > 0 && counts.mismatches === 0;
  return { replay: { members, volume: [], notes: [describe(counts)] }, isMended };
}

function movedTo(to: JudgedCandidate, from: JudgedCandidate, patches: readonly Patch[]): Patch[] {
  const offset = ({ candidate }: JudgedCandidate): number => candidate.superblock.dataOffsetSectors;
  return patches.map(({ sector, data }) => ({ sector: sector - offset(from) + offset(to), data }));
}

function describe(counts: Counts): string {
  const done = `partial parity log replayed in memory: ${counts.entries} writes were under way, ${counts.blocks} parity blocks made anew`;
  const left =
    counts.left > 0 ? `, ${counts.left} left as they are because a changed block is missing` : "";
  const bad =
    counts.mismatches > 0 ? `; ${counts.mismatches} logs or entries could not be believed` : "";
  return done + left + bad;
}

/** The parity blocks that the log of one member makes anew, in sectors of that member's device. */
async function replayMember(
  plan: AssemblyPlan,
  geometry: StripeGeometry,
  slot: number,
  counts: Counts,
): Promise<Patch[]> {
  const { device, superblock } = plan.slots[slot]!.member!.candidate;
  const { ppl } = superblock;
  if (ppl === null) return [];
  const read = (sector: number, sectors: number): Promise<Uint8Array> =>
    readSectors(device, ppl.startSector + sector, sectors);
  const signature = pplSignature(arrayUuidBytes(superblock));
  // A log that cannot be read is as good as none: only reads that rebuild a member depend on it.
  const found = await readable(findNewestPpl(read, ppl.sectors, signature));
  if (found === null) {
    counts.mismatches += 1;
    return [];
  }
  const patches: Patch[] = [];
  for (const entry of found.log.entries) {
    const extent = pplExtent(entry, geometry);
    const start = found.sector + entry.ppSector;
    const sectors = entry.ppBytes / SECTOR_BYTES;
    const fits =
      extent !== null &&
      believable(entry, extent, slot, geometry) &&
      start + sectors <= ppl.sectors;
    const partial = !fits ? null : sectors === 0 ? NO_PARITY : await readable(read(start, sectors));
    if (extent === null || partial === null || crc32c(partial) !== entry.checksum) {
      counts.mismatches += 1;
      continue;
    }
    counts.entries += 1;
    patches.push(...(await replayEntry(plan, geometry, slot, extent, partial, counts)));
  }
  return patches;
}

const NO_PARITY = new Uint8Array(0);

/** Null when the member cannot be read there. */
async function readable<T>(reading: Promise<T>): Promise<T | null> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof HoldfastError) return null;
    throw error;
  }
}

/** Does the entry speak of a place in the array whose parity is on this member? */
function believable(
  entry: PplEntry,
  extent: PplExtent,
  slot: number,
  geometry: StripeGeometry,
): boolean {
  if (entry.parityDisk !== slot || extent.endSector > geometry.arraySectors) return false;
  const inChunk = extent.firstSector % geometry.chunkSectors;
  if (inChunk + extent.stripSectors > geometry.chunkSectors) return false;
  return geometry.rowLayout(geometry.locate(extent.firstSector).row).p === slot;
}

async function replayEntry(
  plan: AssemblyPlan,
  geometry: StripeGeometry,
  slot: number,
  extent: PplExtent,
  partial: Uint8Array,
  counts: Counts,
): Promise<Patch[]> {
  const { dataOffsetSectors } = plan.slots[slot]!.member!.candidate.superblock;
  const patches: Patch[] = [];
  for (let i = 0; i < extent.stripSectors; i += extent.blockSectors) {
    const changed = await readChanged(plan, geometry, extent, i);
    if (changed === null) {
      counts.left += 1;
      continue;
    }
    const bytes = extent.blockSectors * SECTOR_BYTES;
    if (partial.length > 0)
      changed.push(partial.subarray(i * SECTOR_BYTES, i * SECTOR_BYTES + bytes));
    const parity = new Uint8Array(bytes);
    oracleKernels.xor(parity, changed);
    const { memberSector } = geometry.locate(extent.firstSector + i);
    patches.push({ sector: dataOffsetSectors + memberSector, data: parity });
    counts.blocks += 1;
  }
  return patches;
}

/** Everything below that member sector. */
function holds({ fate, candidate }: JudgedCandidate, endSector: number): boolean {
  if (fate === "recovering") return endSector <= candidate.superblock.recoveryOffsetSectors;
  return fate === "in-sync";
}

/** The changed data blocks of one row at strip sector `i`; null when one of them cannot be read. */
async function readChanged(
  plan: AssemblyPlan,
  geometry: StripeGeometry,
  extent: PplExtent,
  i: number,
): Promise<Uint8Array[] | null> {
  const blocks: Uint8Array[] = [];
  for (let disk = 0; disk < extent.dataDisks; disk += 1) {
    const sector = extent.firstSector + i + disk * geometry.chunkSectors;
    if (sector >= extent.endSector) break;
    const place = geometry.locate(sector);
    const { member } = plan.slots[place.slot]!;
    if (member === null || !holds(member, place.memberSector + extent.blockSectors)) return null;
    const { device, superblock } = member.candidate;
    const at = superblock.dataOffsetSectors + place.memberSector;
    // An image that was cut off there has no such block.
    if (at + extent.blockSectors > device.sectors) return null;
    const block = await readable(readSectors(device, at, extent.blockSectors));
    if (block === null) return null;
    blocks.push(block);
  }
  return blocks;
}
