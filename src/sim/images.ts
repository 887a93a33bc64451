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
import { PAGE_BYTES, PAGE_SECTORS, Page } from "./medium.ts";
import type { Medium } from "./medium.ts";

interface Holder {
  readonly content: Medium;
  readonly dataOffset: number;
  /** Sectors of the device that are known bad. */
  readonly bad: ReadonlySet<number>;
}

type Covered = (position: number) => boolean;

/**
 * @param found who is there; their disks are not read
 * @param contentOf what is on their disks: only read
 * @returns a line for each run of sectors that differ and of which nothing says so.
 */
export async function judgeImages(
  found: AssemblyPlan,
  contentOf: (candidate: MdCandidate) => Medium,
): Promise<string[]> {
  const contents = new Map<MdCandidate, Medium>();
  for (const { candidate } of found.judged) {
    const content = contentOf(candidate).overlay();
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
      content.write(sector, data);
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
      if (first !== null && !isSame(first, copy) && !covered(sector)) {
        wrong.push(`copies of sector ${sector} differ, and nothing says so`);
        break;
      }
      first ??= copy;
    }
  }
  return wrong.slice(0, 3);
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  // Where neither was ever written they are one.
  return one === other || Buffer.compare(one, other) === 0;
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
  const all = [...holders.values()];
  const step = all.every(({ dataOffset }) => dataOffset % PAGE_SECTORS === 0) ? PAGE_SECTORS : 1;
  const isReadable = all.length === geometry.raidDisks && all.every(({ bad }) => bad.size === 0);
  const isPlain = isReadable && step === PAGE_SECTORS && geometry.level !== "raid6";
  for (let first = 0; first < geometry.usedSectors; first += step) {
    // Where nothing was written parity is right, and that is most of it; and most of the rest is right at once.
    const pages = all
      .map(({ content, dataOffset }) => content.pageAt(dataOffset + first))
      .filter((page) => page !== null);
    if (pages.length === 0 || (isPlain && cancelOut(pages))) continue;
    for (let at = first; at < first + step; at += 1)
      if (!isParityRight(geometry, holders, at) && !covered(at))
        wrong.push(`parity of member sector ${at} is wrong, and nothing says so`);
  }
  return wrong.slice(0, 3);
}

const EMPTY_PAGE = lastingPage();
const sum = lastingPage();

/** For all runs. */
function lastingPage(): Page {
  return new Page({ buffer: new ArrayBuffer(PAGE_BYTES), offset: 0 });
}

/** Whichever of them is parity, it is right: one of them is the sum of all others. */
function cancelOut([one, other = EMPTY_PAGE, ...more]: readonly Page[]): boolean {
  const last = more.pop();
  if (last === undefined) return Buffer.compare(one!.bytes, other.bytes) === 0;
  sum.words.set(one!.words);
  for (const { words } of [other, ...more])
    for (let i = 0; i < words.length; i += 1) sum.words[i]! ^= words[i]!;
  return Buffer.compare(sum.bytes, last.bytes) === 0;
}

/** Or nobody can tell. */
function isParityRight(
  geometry: StripeGeometry,
  holders: ReadonlyMap<number, Holder>,
  sector: number,
): boolean {
  const { data, coefficients, p, q } = geometry.rowLayout(geometry.rowOfMemberSector(sector));
  const at = (slot: number): Uint8Array | null => sectorOf(holders.get(slot), sector);
  if ([...data, p, q ?? p].every((slot) => isEmpty(at(slot)))) return true;
  const sources = data.map(at).filter((found) => found !== null);
  if (sources.length < data.length) return true;
  const madeP = new Uint8Array(SECTOR_BYTES);
  const madeQ = new Uint8Array(SECTOR_BYTES);
  if (q === null) oracleKernels.xor(madeP, sources);
  else oracleKernels.pq(madeP, madeQ, sources, coefficients);
  const agrees = (slot: number, made: Uint8Array): boolean => {
    const found = at(slot);
    return found === null || Buffer.compare(found, made) === 0;
  };
  return agrees(p, madeP) && (q === null || agrees(q, madeQ));
}

const EMPTY = new Uint8Array(SECTOR_BYTES);

function isEmpty(found: Uint8Array | null): boolean {
  return found === null || found === EMPTY || Buffer.compare(found, EMPTY) === 0;
}

function sectorOf(holder: Holder | undefined, memberSector: number): Uint8Array | null {
  if (holder === undefined) return null;
  const at = holder.dataOffset + memberSector;
  if (holder.bad.has(at)) return null;
  return holder.content.sectorAt(at) ?? EMPTY;
}

async function holderOf({ superblock, device }: MdCandidate, content: Medium): Promise<Holder> {
  const bad = new Set<number>();
  if (superblock.badBlockLog?.inUse === true) {
    const decoded = await readBadBlocks(device, superblock);
    for (const { sector, sectors } of decoded.kind === "ok" ? decoded.ranges : [])
      for (let at = sector; at < sector + sectors; at += 1) bad.add(at);
  }
  return { content, dataOffset: superblock.dataOffsetSectors, bad };
}

/** It is only read. */
function asDevice(content: Medium): BlockDevice {
  return {
    name: "image",
    sectors: content.sectors,
    limits: READ_ONLY_LIMITS,
    submit: ({ sector, data, end }) => {
      content.read(sector, data);
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
