/**
 * Whole sets with spoilt metadata: the golden disks in memory, changed sectors laid over them, then everything from
 * probing to reading. Where a change cannot matter (SAFE) the volume must read as it did before; otherwise anything goes but
 * wrong exceptions, reads outside a device and unbounded work.
 */
import { HoldfastError } from "../../src/base/errors.ts";
import type { Prng } from "../../src/base/prng.ts";
import { SECTOR_BYTES } from "../../src/base/units.ts";
import { checked } from "../../src/block/checked.ts";
import type { BlockDevice } from "../../src/block/device.ts";
import { readInto, writeSectors } from "../../src/block/promises.ts";
import { MemoryDevice } from "../../src/devices/memory.ts";
import { countDirty } from "../../src/formats/md/bitmap-runs.ts";
import type { MdSuperblock } from "../../src/formats/md/superblock.ts";
import type { MdCandidate } from "../../src/md/candidate.ts";
import { planAssembly } from "../../src/md/plan.ts";
import type { AssemblyPlan } from "../../src/md/plan.ts";
import { probeMdSuperblocks, readBadBlocks, readMemberBitmap } from "../../src/md/probe.ts";
import { startArray } from "../../src/md/start.ts";
import { reportOf } from "../../src/volume/md-report.ts";
import { planSets } from "../../src/volume/sets.ts";
import { goldenDisk, sha256, unpackArtefact, viewAssemblies } from "../support/golden.ts";
import type { GoldenCase } from "../support/golden.ts";
import { readAll } from "../support/open.ts";
import type { Area } from "./md-areas.ts";
import { areasOf } from "./md-areas.ts";
import type { SuperblockSample } from "./md-decoders.ts";
import type { PatchedDevice } from "./patched-device.ts";

export interface Disk {
  readonly base: BlockDevice;
  readonly superblock: MdSuperblock;
  readonly areas: readonly Area[];
}

export interface GoldenSet {
  readonly golden: GoldenCase;
  /** Those the kernel was given in its first view. */
  readonly disks: readonly Disk[];
  readonly backup: BlockDevice | null;
  readonly plan: AssemblyPlan;
  /** What the volume holds, as the kernel read it, too; null when it does not start without force. */
  readonly content: Uint8Array | null;
}

const REPLAY_LIMIT_BYTES = 16 * 2 ** 20;

async function loadDisk(golden: GoldenCase, index: number): Promise<Disk | null> {
  const base = await goldenDisk(golden, index);
  const { primary } = await probeMdSuperblocks(base);
  if (primary === null) return null;
  return { base, superblock: primary, areas: await areasOf(base, primary) };
}

async function loadBackup(golden: GoldenCase): Promise<BlockDevice | null> {
  if (golden.artefacts?.["backup.bin"] === undefined) return null;
  const bytes = unpackArtefact(golden, "backup.bin");
  const device = new MemoryDevice({ name: "backup.bin", sectors: bytes.length / SECTOR_BYTES });
  await writeSectors(device, 0, bytes);
  return device;
}

/** Everything the kernel read from the case. */
function knownDigests(golden: GoldenCase): Set<string> {
  const reads = golden.views.flatMap((view) => Object.values(view.volumes));
  return new Set([...reads, ...Object.values(golden.read_before_stop ?? {})].map((r) => r.sha256));
}

export async function loadSet(golden: GoldenCase): Promise<GoldenSet> {
  const view = golden.views.find((each) => each.mode === "ro");
  const devices = view === undefined ? [] : (viewAssemblies(golden, view)[0]?.devices ?? []);
  const loaded = await Promise.all(devices.map((index) => loadDisk(golden, index)));
  const disks = loaded.filter((disk): disk is Disk => disk !== null);
  const backup = await loadBackup(golden);
  const candidates = disks.map(({ base, superblock }) => ({
    path: base.name,
    device: base,
    superblock,
  }));
  const plan = planAssembly(candidates, { force: false, backupGiven: backup !== null });
  if (plan === null) throw new Error(`${golden.name} has no plan`);
  let content: Uint8Array | null = null;
  if (plan.verdict.kind === "can-start") {
    const options = { name: golden.name, backup, replayLimitBytes: REPLAY_LIMIT_BYTES };
    content = await readAll((await startArray(plan, options)).device);
    if (!knownDigests(golden).has(sha256(content))) throw new Error(`${golden.name} reads wrong`);
  }
  return { golden, disks, backup, plan, content };
}

export function samplesOf(set: GoldenSet): SuperblockSample[] {
  return set.disks.map(({ base, superblock, areas }) => ({
    version: superblock.version,
    data: areas[0]!.data,
    sector: superblock.superSector,
    deviceSectors: base.sectors,
  }));
}

/** A disk on its way into a case, its metadata changed or not. */
export interface SpoiltDisk {
  readonly disk: Disk;
  device: PatchedDevice;
}

export interface Expectation {
  /** The volume must start without force and read as it did. */
  readonly isSame: boolean;
}

/** Wraps everything the code under test does with a device. */
function counted(devices: readonly PatchedDevice[]): { reads: number; bytes: number } {
  let reads = 0;
  let bytes = 0;
  for (const device of devices) {
    reads += device.reads;
    bytes += device.readBytes;
  }
  return { reads, bytes };
}

/** Members of the set as probing finds them; errors of Holdfast's own leave a device out. */
async function probeAll(spoilt: readonly SpoiltDisk[]): Promise<MdCandidate[]> {
  const candidates: MdCandidate[] = [];
  for (const { device } of spoilt) {
    const guarded = checked(device);
    await tolerated(async () => {
      const { primary } = await probeMdSuperblocks(guarded);
      if (primary === null) return;
      candidates.push({ path: device.name, device: guarded, superblock: primary });
      await readBadBlocks(guarded, primary);
      const bitmap = await readMemberBitmap(guarded, primary);
      if (bitmap?.decoded.kind === "ok") await countDirty(bitmap.decoded.bitmap, bitmap.read);
    });
  }
  return candidates;
}

async function tolerated(work: () => Promise<void>): Promise<HoldfastError | null> {
  try {
    await work();
    return null;
  } catch (error) {
    if (error instanceof HoldfastError) return error;
    throw error;
  }
}

function within(what: string, got: number, most: number): void {
  if (got > most) throw new Error(`${what}: ${got}, at most ${most} were expected`);
}

/** Sectors worth reading from: ends, borders of chunks, the reshape position. */
function places(prng: Prng, device: BlockDevice, superblock: MdSuperblock): number {
  const chunk = superblock.shape?.chunkSectors || 128;
  const anywhere = prng.below(device.sectors);
  const at = prng.pick([
    0,
    device.sectors - prng.between(1, 9),
    anywhere,
    anywhere - (anywhere % chunk) - prng.below(9),
    (superblock.reshape?.positionSectors ?? 0) - prng.between(-9, 9),
    (superblock.recoveryOffsetSectors === Infinity ? 0 : superblock.recoveryOffsetSectors) - 4,
  ]);
  return Math.min(device.sectors - 1, Math.max(0, at));
}

class Reader {
  readonly prng: Prng;
  readonly device: BlockDevice;
  readonly plan: AssemblyPlan;
  readonly members: readonly PatchedDevice[];
  readonly content: Uint8Array | null;

  constructor(
    prng: Prng,
    device: BlockDevice,
    plan: AssemblyPlan,
    members: readonly PatchedDevice[],
    content: Uint8Array | null,
  ) {
    this.prng = prng;
    this.device = device;
    this.plan = plan;
    this.members = members;
    this.content = content;
  }

  async read(sector: number, sectors: number): Promise<void> {
    const data = new Uint8Array(sectors * SECTOR_BYTES);
    const before = counted(this.members);
    const error = await tolerated(() => readInto(this.device, sector, data));
    const after = counted(this.members);
    const what = `read of ${sectors} sectors at ${sector}`;
    const width = this.plan.slots.length + 1;
    within(`${what}: reads of members`, after.reads - before.reads, 40 * width * (sectors + 1));
    within(
      `${what}: bytes of members`,
      after.bytes - before.bytes,
      40 * width * 512 * (sectors + 8),
    );
    if (this.content === null) return;
    if (error !== null) throw new Error(`${what} fails: ${error.message}`);
    const want = this.content.subarray(sector * SECTOR_BYTES, (sector + sectors) * SECTOR_BYTES);
    if (Buffer.compare(data, want) !== 0) throw new Error(`${what} gives other bytes`);
  }

  extents(): void {
    const { prng, device } = this;
    const sector = prng.below(device.sectors);
    const sectors = Math.min(device.sectors - sector, prng.pick([1, 64, 4096, device.sectors]));
    device.extents(sector, sectors, prng.pick([1, 2, 100]));
  }

  async run(): Promise<void> {
    const { prng, device } = this;
    for (let i = 0; i < 3; i += 1) {
      const sector = places(prng, device, this.plan.superblock);
      const most = Math.min(prng.pick([1, 8, 64, 300]), device.sectors - sector);
      await this.read(sector, prng.between(1, most));
    }
    this.extents();
    if (device.sectors <= 32768 && prng.chance(0.02)) {
      for (let at = 0; at < device.sectors; at += 4096)
        await this.read(at, Math.min(4096, device.sectors - at));
    }
  }
}

/** Work that starting may cost: everything once or twice. */
function startBudget(spoilt: readonly SpoiltDisk[]): { reads: number; bytes: number } {
  const bytes = spoilt.reduce((sum, { device }) => sum + device.sectors * SECTOR_BYTES, 0);
  return { reads: 200 * spoilt.length + bytes / 1024, bytes: 2 ** 20 * spoilt.length + 4 * bytes };
}

/** Puts the disks together every way there is and reads from what comes of it. */
export async function openAndRead(
  prng: Prng,
  set: GoldenSet,
  spoilt: readonly SpoiltDisk[],
  expectation: Expectation,
): Promise<void> {
  const members = [...new Set(spoilt.map(({ device }) => device))];
  const backup =
    set.backup === null || (!expectation.isSame && prng.chance(0.3)) ? null : set.backup;
  const candidates = await probeAll(spoilt);
  let started = false;
  for (const force of [false, true]) {
    for (const { name, plan } of planSets(candidates, { force, backupGiven: backup !== null })) {
      reportOf(name, plan, { notes: [], content: null });
      if (plan.verdict.kind !== "can-start") {
        if (expectation.isSame)
          throw new Error(`it does not start: ${JSON.stringify(plan.verdict)}`);
        continue;
      }
      const options = { name, backup, replayLimitBytes: REPLAY_LIMIT_BYTES };
      const before = counted(members);
      const error = await tolerated(async () => {
        const { device } = await startArray(plan, options);
        const after = counted(members);
        const budget = startBudget(spoilt);
        within("reads to start", after.reads - before.reads, budget.reads);
        within("bytes to start", after.bytes - before.bytes, budget.bytes);
        const content = expectation.isSame ? set.content : null;
        if (content !== null && content.length !== device.sectors * SECTOR_BYTES)
          throw new Error(`it has ${device.sectors} sectors`);
        const guarded = checked(device);
        started = true;
        await new Reader(prng, guarded, plan, members, content).run();
        await guarded.close();
      });
      if (error !== null && expectation.isSame) throw new Error(`it fails: ${error.message}`);
    }
    // The same plan again would tell nothing new.
    if (expectation.isSame || prng.chance(0.3)) break;
  }
  if (expectation.isSame && !started) throw new Error("nothing started");
}
