/**
 * What lies on the disks, judged without the array's own sync and without its kernels: where copies differ, or parity is not what the
 * data make, something on the disks must say so, or nobody would ever find it (law 2).
 */
import { SECTOR_BYTES } from "../base/units.ts";
import { READ_ONLY_LIMITS } from "../block/device.ts";
import type { BlockDevice } from "../block/device.ts";
import { bitmapRuns, needsSync } from "../formats/md/bitmap-runs.ts";
import type { MdCandidate } from "../md/candidate.ts";
import { StripeGeometry } from "../md/geometry/raid456.ts";
import { geometryOf } from "../md/planned-geometry.ts";
import { planAssembly } from "../md/plan.ts";
import type { AssemblyPlan } from "../md/plan.ts";
import { readBadBlocks, readMemberBitmap } from "../md/probe.ts";
import { replayJournal } from "../md/replay/journal.ts";
import { recoverPpl } from "../md/replay/ppl.ts";
import type { PplRecovery } from "../md/replay/ppl.ts";
import { oracleKernels } from "../parity/oracle.ts";

interface Holder {
  readonly content: Uint8Array;
  readonly dataOffset: number;
  /** Sectors of the device that are known bad. */
  readonly bad: ReadonlySet<number>;
}

type Covered = (position: number) => boolean;

/**
 * @param found who is there; their disks are not read
 * @param contentOf copies of what is on their disks, which are changed
 * @returns a line for each run of sectors that differ and of which nothing says so.
 */
export async function judgeImages(
  found: AssemblyPlan,
  contentOf: (candidate: MdCandidate) => Uint8Array,
): Promise<string[]> {
  const contents = new Map<MdCandidate, Uint8Array>();
  for (const { candidate } of found.judged) {
    const content = contentOf(candidate);
    contents.set({ ...candidate, device: asDevice(content) }, content);
  }
  const plan = planAssembly([...contents.keys()], { force: false, backupGiven: false });
  if (plan === null || plan.superblock.shape === null) return [];
  const { shape, componentSectors } = plan.superblock;
  const log = await logOf(plan);
  const holders = new Map<number, Holder>();
  for (const { candidate, fate, slot, replacement } of plan.judged) {
    const content = contents.get(candidate)!;
    for (const { sector, data } of log?.replay.members.get(candidate) ?? [])
      content.set(data, sector * SECTOR_BYTES);
    if (fate === "in-sync" && !replacement) holders.set(slot!, await holderOf(candidate, content));
  }
  const covered = log?.isMended === true ? NOWHERE : await coverOf(plan);
  const geometry = geometryOf(plan, shape, componentSectors);
  if (geometry instanceof StripeGeometry) return judgeParity(geometry, holders, covered);
  if (geometry.level !== "raid1" && geometry.level !== "raid10") return [];
  const wrong: string[] = [];
  for (let sector = 0; sector < geometry.arraySectors; sector += 1) {
    let first: Uint8Array | null = null;
    for (const { slot, memberSector } of geometry.copies(sector, [])) {
      const copy = sectorOf(holders.get(slot), memberSector);
      if (copy === null) continue;
      if (first !== null && Buffer.compare(first, copy) !== 0 && !covered(sector)) {
        wrong.push(`copies of sector ${sector} differ, and nothing says so`);
        break;
      }
      first ??= copy;
    }
  }
  return wrong.slice(0, 3);
}

const NOWHERE: Covered = () => false;

/** What the next start will write to the members first, and whether it takes all parity for right then; null: there is no such log. */
async function logOf(plan: AssemblyPlan): Promise<PplRecovery | null> {
  if (plan.superblock.ppl !== null) return recoverPpl(plan);
  if (plan.journal === null) return null;
  return { replay: await replayJournal(plan, Infinity), isMended: true };
}

function judgeParity(
  geometry: StripeGeometry,
  holders: ReadonlyMap<number, Holder>,
  covered: Covered,
): string[] {
  const wrong: string[] = [];
  for (let sector = 0; sector < geometry.usedSectors; sector += 1) {
    const { data, coefficients, p, q } = geometry.rowLayout(geometry.rowOfMemberSector(sector));
    const at = (slot: number): Uint8Array | null => sectorOf(holders.get(slot), sector);
    // Where nothing was written its parity is right, and that is most of it.
    if ([...data, p, q ?? p].every((slot) => isEmpty(at(slot)))) continue;
    const sources = data.map(at).filter((found) => found !== null);
    if (sources.length < data.length || covered(sector)) continue;
    const madeP = new Uint8Array(SECTOR_BYTES);
    const madeQ = new Uint8Array(SECTOR_BYTES);
    if (q === null) oracleKernels.xor(madeP, sources);
    else oracleKernels.pq(madeP, madeQ, sources, coefficients);
    const differs = (slot: number, made: Uint8Array): boolean => {
      const found = at(slot);
      return found !== null && Buffer.compare(found, made) !== 0;
    };
    if (differs(p, madeP) || (q !== null && differs(q, madeQ)))
      wrong.push(`parity of member sector ${sector} is wrong, and nothing says so`);
  }
  return wrong.slice(0, 3);
}

const EMPTY = new Uint8Array(SECTOR_BYTES);

function isEmpty(found: Uint8Array | null): boolean {
  return found === null || Buffer.compare(found, EMPTY) === 0;
}

function sectorOf(holder: Holder | undefined, memberSector: number): Uint8Array | null {
  if (holder === undefined) return null;
  const at = holder.dataOffset + memberSector;
  if (holder.bad.has(at)) return null;
  return holder.content.subarray(at * SECTOR_BYTES, (at + 1) * SECTOR_BYTES);
}

async function holderOf({ superblock, device }: MdCandidate, content: Uint8Array): Promise<Holder> {
  const bad = new Set<number>();
  if (superblock.badBlockLog?.inUse === true) {
    const decoded = await readBadBlocks(device, superblock);
    for (const { sector, sectors } of decoded.kind === "ok" ? decoded.ranges : [])
      for (let at = sector; at < sector + sectors; at += 1) bad.add(at);
  }
  return { content, dataOffset: superblock.dataOffsetSectors, bad };
}

/** It is only read. */
function asDevice(content: Uint8Array): BlockDevice {
  return {
    name: "image",
    sectors: content.length / SECTOR_BYTES,
    limits: READ_ONLY_LIMITS,
    submit: ({ sector, data, end }) => {
      data.set(content.subarray(sector * SECTOR_BYTES, sector * SECTOR_BYTES + data.length));
      end(null);
    },
    extents: (sector, sectors) => [{ sector, sectors, kind: "data" }],
    close: () => Promise.resolve(),
  };
}

/** Where the next start syncs: behind the superblocks' offset, and of that what the bitmap says. */
async function coverOf(plan: AssemblyPlan): Promise<Covered> {
  const { resyncOffsetSectors, events, bitmapSector } = plan.superblock;
  const inSync = plan.judged.filter(({ fate }) => fate === "in-sync");
  const speaker =
    inSync.find(({ candidate }) => !candidate.superblock.recoveryByBitmap) ?? inSync[0];
  if (bitmapSector === null || speaker === undefined)
    return (position) => position >= resyncOffsetSectors;
  const found = await readMemberBitmap(speaker.candidate.device, speaker.candidate.superblock);
  if (found === null || found.decoded.kind !== "ok") return () => false;
  const { bitmap } = found.decoded;
  if (bitmap.untrustworthy || bitmap.events < events)
    return (position) => position >= resyncOffsetSectors;
  const dirty = new Set<number>();
  for await (const run of bitmapRuns(bitmap, found.read))
    for (let at = run.chunk; needsSync(run.state) && at < run.chunk + run.chunks; at += 1)
      dirty.add(at);
  return (position) =>
    position >= resyncOffsetSectors && dirty.has(Math.floor(position / bitmap.chunkSectors));
}
