/**
 * --build: an array of devices without superblocks. What is known of it is what the caller says, and nothing of it outlives this process:
 * no member is ever written to but with data.
 */
import { HoldfastError } from "../base/errors.ts";
import { alignDown } from "../base/units.ts";
import { shapeProblem } from "../formats/md/shape-check.ts";
import { MD_LEVEL_BY_NUMBER } from "../formats/md/superblock.ts";
import type { MdLevel, MdRole, MdShape, MdSuperblock } from "../formats/md/superblock.ts";
import type { JudgedCandidate } from "../md/candidate.ts";
import { survival } from "../md/enough.ts";
import type { AssemblyPlan } from "../md/plan.ts";
import type { BuildCall } from "./array-host.ts";
import type { ArrayList } from "./array-list.ts";
import { startPlan } from "./context.ts";
import type { HostContext } from "./context.ts";
import { releaseAll, takeDevices } from "./create.ts";
import type { CreateDevices } from "./create.ts";
import { HostedArray } from "./hosted-array.ts";

const NO_UUID = "00000000:00000000:00000000:00000000";
const NEAR_2 = 0x102;
const ORIGINAL_ZONES = 1;

/** As mdadm has it: 512 KiB, for linear a rounding of 64 KiB. */
function usualChunk(level: MdLevel): number {
  if (level === "raid1") return 0;
  return level === "linear" ? 128 : 1024;
}

function usualLayout(level: MdLevel): number {
  if (level === "raid10") return NEAR_2;
  return level === "raid0" ? ORIGINAL_ZONES : 0;
}

/** @throws HoldfastError `usage`, `unsupported`, `cannot-start` */
function shapeOf({ level, layout, chunkSectors, devices }: BuildCall): MdShape {
  if (level === "raid4" || level === "raid5" || level === "raid6")
    throw new HoldfastError("unsupported", `a ${level} is not built without superblocks`);
  const shape: MdShape = {
    level,
    layout: layout ?? usualLayout(level),
    chunkSectors: chunkSectors ?? usualChunk(level),
    raidDisks: devices.length,
  };
  const problem = shapeProblem(shape);
  if (problem !== null) throw new HoldfastError("usage", `there can be no such array: ${problem}`);
  const { survives, needed } = survival(
    shape,
    devices.map((device) => device !== null),
  );
  if (!survives)
    throw new HoldfastError(
      "cannot-start",
      `too many members are missing: ${level} needs ${needed}`,
    );
  return shape;
}

function isRedundant(level: MdLevel): boolean {
  return level === "raid1" || level === "raid10";
}

function componentOf(call: BuildCall, shape: MdShape, held: CreateDevices): number {
  if (!isRedundant(shape.level)) return 0;
  const sizes = held.flatMap((one) => (one === null ? [] : [one.device.sectors]));
  const most = alignDown(Math.min(...sizes), shape.chunkSectors || 2);
  const wanted = call.componentSectors ?? most;
  if (wanted > most || wanted <= 0)
    throw new HoldfastError("no-space", `the devices have room for ${most} sectors each`);
  return wanted;
}

/** What a superblock would say. */
function imagined(
  call: BuildCall,
  shape: MdShape,
  componentSectors: number,
  nowSeconds: number,
): MdSuperblock {
  const [levelNumber] = [...MD_LEVEL_BY_NUMBER].find(([, level]) => level === shape.level)!;
  const isInSync = call.assumeClean || !isRedundant(shape.level);
  return {
    version: "1.2",
    byteOrder: "little",
    superSector: 0,
    checksumOk: true,
    arrayUuid: NO_UUID,
    deviceUuid: null,
    name: null,
    preferredMinor: null,
    createdSeconds: nowSeconds,
    updatedSeconds: nowSeconds,
    events: 0,
    levelNumber,
    shape,
    reshape: null,
    componentSectors,
    dataOffsetSectors: 0,
    dataSectors: 0,
    resyncOffsetSectors: isInSync ? Infinity : 0,
    recoveryOffsetSectors: Infinity,
    recoveryByBitmap: false,
    deviceNumber: 0,
    role: { kind: "spare" },
    replacement: false,
    writeMostly: false,
    failFast: false,
    roles: call.devices.map((_device, slot): MdRole => ({ kind: "active", slot })),
    bitmapSector: null,
    badBlockLog: null,
    ppl: null,
    hasJournal: false,
    journalTailSectors: null,
    clustered: false,
    raid0Layout: shape.level !== "raid0" ? null : shape.layout === 2 ? "alternate" : "original",
    logicalBlockBytes: null,
    correctedSectors: 0,
    features: [],
    unknownFeatures: 0,
    reservedBytesSet: false,
    fields: [],
  };
}

function planOf(call: BuildCall, superblock: MdSuperblock, held: CreateDevices): AssemblyPlan {
  const slots = held.map((one, slot): JudgedCandidate | null => {
    if (one === null) return null;
    const { writeMostly, failFast } = call.devices[slot]!;
    const own: MdSuperblock = {
      ...superblock,
      dataSectors: one.device.sectors,
      deviceNumber: slot,
      role: { kind: "active", slot },
      writeMostly,
      failFast,
    };
    const candidate = { path: one.path, device: one.device, superblock: own };
    return { candidate, fate: "in-sync", slot, replacement: false, note: null };
  });
  const judged = slots.filter((one) => one !== null);
  const { candidate: freshest } = judged[0]!;
  return {
    freshest,
    superblock,
    judged,
    slots: slots.map((member) => ({ member, replacement: null })),
    journal: null,
    verdict: { kind: "can-start", degradedBy: slots.length - judged.length },
    forced: [],
  };
}

/** @throws HoldfastError `usage`, `unsupported`, `cannot-start`, `busy` and what opening fails with */
export function buildArray(
  context: HostContext,
  list: ArrayList,
  call: BuildCall,
): Promise<HostedArray> {
  const shape = shapeOf(call);
  return list.named(call.names, null, async (names) => {
    const paths = call.devices.map((device) => device?.path ?? null);
    const devices = await takeDevices(context, paths, names.path);
    try {
      const held = devices.filter((one) => one !== null);
      const nowSeconds = Math.floor(context.env.clock.wallMs() / 1000);
      const componentSectors = componentOf(call, shape, devices);
      const plan = planOf(call, imagined(call, shape, componentSectors, nowSeconds), devices);
      const start = { mode: "read-write", hasSuperblocks: false } as const;
      const managed = await startPlan(context, names, plan, start, () => held);
      const hosted = new HostedArray(names, { kind: "running", plan, managed }, held, true);
      list.add(hosted);
      return hosted;
    } catch (error) {
      await releaseAll(devices);
      throw error;
    }
  });
}
