/**
 * What lies on the disks, judged without the array's own sync and without its kernels: where copies differ, or parity is not what the
 * data make, something on the disks must say so, or nobody would ever find it (law 2).
 */
import { SECTOR_BYTES } from "../base/units.ts";
import { READ_ONLY_LIMITS } from "../block/device.ts";
import type { BlockDevice } from "../block/device.ts";
import { bitmapRuns, needsSync } from "../formats/md/bitmap-runs.ts";
import type { JudgedCandidate } from "../md/candidate.ts";
import { StripeGeometry } from "../md/geometry/raid456.ts";
import { geometryOf } from "../md/planned-geometry.ts";
import type { AssemblyPlan } from "../md/plan.ts";
import { readBadBlocks, readMemberBitmap } from "../md/probe.ts";
import { oracleKernels } from "../parity/oracle.ts";

/** The content of a candidate's disk. */
export type ContentOf = (candidate: JudgedCandidate) => Uint8Array;

interface Holder {
  readonly content: Uint8Array;
  readonly dataOffset: number;
  /** Sectors of the device that are known bad. */
  readonly bad: ReadonlySet<number>;
}

type Covered = (position: number) => boolean;

/** @returns a line for each run of sectors that differ and of which nothing says so. */
export async function judgeImages(plan: AssemblyPlan, contentOf: ContentOf): Promise<string[]> {
  const { superblock } = plan;
  const { shape } = superblock;
  if (shape === null) return [];
  const holders = new Map<number, Holder>();
  for (const judged of plan.judged)
    if (judged.fate === "in-sync" && !judged.replacement)
      holders.set(judged.slot!, await holderOf(judged, contentOf(judged)));
  const covered = await coverOf(plan, contentOf);
  const geometry = geometryOf(plan, shape, superblock.componentSectors);
  if (geometry instanceof StripeGeometry) return judgeParity(geometry, holders, covered);
  if (geometry.level !== "raid1" && geometry.level !== "raid10") return [];
  const wrong: string[] = [];
  for (let sector = 0; sector < geometry.arraySectors; sector += 1) {
    let first: Uint8Array | null = null;
    for (const { slot, memberSector } of geometry.copies(sector, [])) {
      const found = sectorOf(holders.get(slot), memberSector);
      if (found === null) continue;
      if (first !== null && Buffer.compare(first, found) !== 0 && !covered(sector)) {
        wrong.push(`copies of sector ${sector} differ, and nothing says so`);
        break;
      }
      first ??= found;
    }
  }
  return wrong.slice(0, 3);
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

async function holderOf({ candidate }: JudgedCandidate, content: Uint8Array): Promise<Holder> {
  const { superblock } = candidate;
  const bad = new Set<number>();
  if (superblock.badBlockLog?.inUse === true) {
    const decoded = await readBadBlocks(asDevice(content), superblock);
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
async function coverOf(plan: AssemblyPlan, contentOf: ContentOf): Promise<Covered> {
  const { resyncOffsetSectors, events, bitmapSector } = plan.superblock;
  const inSync = plan.judged.filter(({ fate }) => fate === "in-sync");
  const speaker =
    inSync.find(({ candidate }) => !candidate.superblock.recoveryByBitmap) ?? inSync[0];
  if (bitmapSector === null || speaker === undefined)
    return (position) => position >= resyncOffsetSectors;
  const found = await readMemberBitmap(asDevice(contentOf(speaker)), speaker.candidate.superblock);
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
