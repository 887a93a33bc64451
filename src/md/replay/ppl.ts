/**
 * Replay of the partial parity log of a dirty raid5: parity of the stripes that were being written is made anew from
 * the changed data blocks as they stand on the members and the logged xor of the unchanged ones. Data blocks of members are never
 * touched, so only reads that rebuild a missing member depend on it. What a replacement has of a changed block may be older or newer
 * than what its member has, and becomes the same.
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
  const run: Run = {
    plan,
    geometry,
    counts,
    patch: (one, memberSector, data) => {
      const { candidate } = one;
      const patches = members.get(candidate) ?? [];
      members.set(candidate, patches);
      patches.push({ sector: candidate.superblock.dataOffsetSectors + memberSector, data });
    },
  };
  for (const slot of plan.slots.keys()) {
    // A member and its replacement have the same logs, from when the replacement came.
    const [first] = holdersOf(plan, slot, 0);
    if (first !== undefined) await replayMember(run, slot, first);
  }
  const isMended = resyncOffsetSectors === 0 && counts.entries > 0 && counts.mismatches === 0;
  return { replay: { members, volume: [], notes: [describe(counts)] }, isMended };
}

interface Run {
  readonly plan: AssemblyPlan;
  readonly geometry: StripeGeometry;
  readonly counts: Counts;
  readonly patch: (one: JudgedCandidate, memberSector: number, data: Uint8Array) => void;
}

/** The member in the slot and then its replacement, those that have everything below the member sector. */
function holdersOf({ slots }: AssemblyPlan, slot: number, endSector: number): JudgedCandidate[] {
  const { member, replacement } = slots[slot]!;
  return [member, replacement].flatMap((one) =>
    one !== null && holds(one, endSector) ? [one] : [],
  );
}

function describe(counts: Counts): string {
  const done = `partial parity log replayed in memory: ${counts.entries} writes were under way, ${counts.blocks} parity blocks made anew`;
  const left =
    counts.left > 0 ? `, ${counts.left} left as they are because a changed block is missing` : "";
  const bad =
    counts.mismatches > 0 ? `; ${counts.mismatches} logs or entries could not be believed` : "";
  return done + left + bad;
}

/** What the log of one member makes anew. */
async function replayMember(run: Run, slot: number, { candidate }: JudgedCandidate): Promise<void> {
  const { geometry, counts } = run;
  const { device, superblock } = candidate;
  const { ppl } = superblock;
  if (ppl === null) return;
  const read = (sector: number, sectors: number): Promise<Uint8Array> =>
    readSectors(device, ppl.startSector + sector, sectors);
  const signature = pplSignature(arrayUuidBytes(superblock));
  // A log that cannot be read is as good as none: only reads that rebuild a member depend on it.
  const found = await readable(findNewestPpl(read, ppl.sectors, signature));
  if (found === null) {
    counts.mismatches += 1;
    return;
  }
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
    await replayEntry(run, slot, extent, partial);
  }
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
  run: Run,
  slot: number,
  extent: PplExtent,
  partial: Uint8Array,
): Promise<void> {
  const { plan, geometry, counts } = run;
  const { blockSectors } = extent;
  for (let i = 0; i < extent.stripSectors; i += blockSectors) {
    const changed = await readChanged(run, extent, i);
    if (changed === null) {
      counts.left += 1;
      continue;
    }
    const bytes = blockSectors * SECTOR_BYTES;
    const blocks = changed.map(({ data }) => data);
    if (partial.length > 0)
      blocks.push(partial.subarray(i * SECTOR_BYTES, i * SECTOR_BYTES + bytes));
    const parity = new Uint8Array(bytes);
    oracleKernels.xor(parity, blocks);
    const { memberSector } = geometry.locate(extent.firstSector + i);
    // Whether a replacement has got so far or not: what it has there is as old as what its member has.
    for (const one of holdersOf(plan, slot, 0)) run.patch(one, memberSector, parity);
    for (const { others, memberSector: at, data } of changed)
      for (const one of others) run.patch(one, at, data);
    counts.blocks += 1;
  }
}

/** Everything below that member sector. */
function holds({ fate, candidate }: JudgedCandidate, endSector: number): boolean {
  if (fate === "recovering") return endSector <= candidate.superblock.recoveryOffsetSectors;
  return fate === "in-sync";
}

interface ChangedBlock {
  readonly data: Uint8Array;
  readonly memberSector: number;
  /** Replacements, on which the write may have got further, or less far, than on the member that was read. */
  readonly others: readonly JudgedCandidate[];
}

/** The changed data blocks of one row at strip sector `i`; null when one of them cannot be read. */
async function readChanged(
  { plan, geometry }: Run,
  extent: PplExtent,
  i: number,
): Promise<ChangedBlock[] | null> {
  const { blockSectors } = extent;
  const blocks: ChangedBlock[] = [];
  for (let disk = 0; disk < extent.dataDisks; disk += 1) {
    const sector = extent.firstSector + i + disk * geometry.chunkSectors;
    if (sector >= extent.endSector) break;
    const { slot, memberSector } = geometry.locate(sector);
    const [first, ...others] = holdersOf(plan, slot, memberSector + blockSectors);
    if (first === undefined) return null;
    const { device, superblock } = first.candidate;
    const at = superblock.dataOffsetSectors + memberSector;
    // An image that was cut off there has no such block.
    if (at + blockSectors > device.sectors) return null;
    const data = await readable(readSectors(device, at, blockSectors));
    if (data === null) return null;
    blocks.push({ data, memberSector, others });
  }
  return blocks;
}
