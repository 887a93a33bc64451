/** New arrays: what is asked for becomes a plan (md/create), the plan is written, and the array is started. */
import { homehostHash } from "../formats/md/homehost.ts";
import { HoldfastError } from "../base/errors.ts";
import type { BlockDevice } from "../block/device.ts";
import { flush, writeSectors, writeZeroes } from "../block/promises.ts";
import { planCreate } from "../md/create/plan-create.ts";
import type { CreatePlan, CreateRequest, NewDevice, PlannedDevice } from "../md/create/request.ts";
import { probeMdSuperblocks } from "../md/probe.ts";
import type { CreateCall } from "./array-host.ts";
import type { HostContext } from "./context.ts";
import type { HeldDevice } from "./device-registry.ts";
import type { ChosenNames } from "./names.ts";

/** The devices of a call, opened: null where one is missing. The journal is the last. */
export type CreateDevices = readonly (HeldDevice | null)[];

/** Takes all of them, or none. @throws as DeviceRegistry.take */
export async function takeDevices(
  { registry }: HostContext,
  paths: readonly (string | null)[],
  holder: string,
): Promise<CreateDevices> {
  const taken: (HeldDevice | null)[] = [];
  try {
    for (const path of paths)
      taken.push(path === null ? null : await registry.take(path, { holder, readOnly: "no" }));
    return taken;
  } catch (error) {
    await releaseAll(taken);
    throw error;
  }
}

export async function releaseAll(devices: CreateDevices): Promise<void> {
  await Promise.all(devices.filter((one) => one !== null).map((one) => one.release()));
}

export function pathsOf(call: CreateCall): (string | null)[] {
  const { devices, journal } = call;
  return [...devices.map((device) => device?.path ?? null), ...(journal === null ? [] : [journal])];
}

/** Where something stands that is, or was, a superblock. */
export async function oldSuperblockSectors(device: BlockDevice): Promise<number[]> {
  const { primary, secondary, bad } = await probeMdSuperblocks(device);
  const sound = primary === null ? [] : [primary, ...secondary];
  return [...sound.map(({ superSector }) => superSector), ...bad.map(({ sector }) => sector)];
}

/** 16 bytes of 32 hex digits. @throws HoldfastError `usage` */
export function uuidBytes(uuid: string): Uint8Array {
  const digits = uuid.replaceAll(/[:. -]/g, "");
  if (!/^[0-9a-f]{32}$/i.test(digits))
    throw new HoldfastError("usage", `a UUID has 32 hex digits, and "${uuid}" has not`);
  return Uint8Array.from(digits.match(/../g)!, (byte) => Number.parseInt(byte, 16));
}

function arrayUuid({ uuid, version, homehost }: CreateCall, { env }: HostContext): Uint8Array {
  if (uuid !== null) return uuidBytes(uuid);
  const bytes = env.random.bytes(16).slice();
  if (version === "0.90" && homehost !== null) bytes.set(homehostHash(homehost), 8);
  return bytes;
}

async function newDevice(
  { env }: HostContext,
  call: CreateCall,
  held: HeldDevice,
  index: number,
): Promise<NewDevice> {
  const asked = call.devices[index];
  const { path, device, major, minor } = held;
  return {
    label: path,
    sectors: device.sectors,
    deviceUuid: env.random.bytes(16),
    isJournal: index === call.devices.length,
    writeMostly: asked?.writeMostly ?? false,
    failFast: asked?.failFast ?? false,
    dataOffsetSectors: asked?.dataOffsetSectors ?? null,
    node: { major, minor },
    oldSuperblockSectors: await oldSuperblockSectors(device),
  };
}

/** Reads the devices, decides; writes nothing. @throws HoldfastError `cannot-start` with what stands against it */
export async function planOn(
  context: HostContext,
  call: CreateCall,
  names: ChosenNames,
  held: CreateDevices,
): Promise<CreatePlan> {
  const { env } = context;
  const devices: (NewDevice | null)[] = [];
  for (const [index, each] of held.entries())
    devices.push(each === null ? null : await newDevice(context, call, each, index));
  const { version, level, layout, chunkSectors, raidDisks, spareDisks, componentSectors } = call;
  const request: CreateRequest = {
    version,
    level,
    layout,
    chunkSectors,
    raidDisks,
    spareDisks,
    componentSectors,
    devices,
    dataOffsetSectors: call.dataOffsetSectors,
    bitmap: call.bitmap,
    consistencyPolicy: call.consistencyPolicy,
    // All zeroes: copies are alike, and so is parity.
    assumeClean: call.assumeClean || call.writeZeroes,
    force: call.force,
    badBlockLog: version !== "0.90" && call.badBlockLog !== false,
    name: call.name,
    homehost: call.homehost,
    arrayUuid: arrayUuid(call, context),
    createdSeconds: Math.floor(env.clock.wallMs() / 1000),
    preferredMinor: names.minor,
    journalSequence: BigInt(new DataView(env.random.bytes(4).slice().buffer).getUint32(0)),
  };
  const decision = planCreate(request);
  if (decision.kind === "ok") return decision.plan;
  throw new HoldfastError("cannot-start", `${names.path} cannot be made: ${decision.reason}`);
}

async function everywhere(
  plan: CreatePlan,
  held: CreateDevices,
  work: (planned: PlannedDevice, device: BlockDevice) => Promise<void>,
): Promise<void> {
  // All of them end before it is told that one failed: nobody writes to a device that was let go.
  const outcomes = await Promise.allSettled(
    plan.devices.map((planned) => work(planned, held[planned.index]!.device)),
  );
  for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
}

async function writeWhat(
  planned: PlannedDevice,
  device: BlockDevice,
  isWanted: (what: PlannedDevice["writes"][number]["what"]) => boolean,
): Promise<void> {
  for (const { what, sector, bytes } of planned.writes)
    if (isWanted(what)) await writeSectors(device, sector, bytes);
  await flush(device);
}

/** In steps: one request for a whole disk would hold everybody up. */
const ZEROES_STEP_SECTORS = 16 * 1024;

async function zeroData(
  plan: CreatePlan,
  planned: PlannedDevice,
  device: BlockDevice,
): Promise<void> {
  if (planned.role.kind === "journal") return;
  const end = planned.dataOffsetSectors + (plan.componentSectors || planned.dataSectors);
  for (let sector = planned.dataOffsetSectors; sector < end; sector += ZEROES_STEP_SECTORS) {
    const sectors = Math.min(ZEROES_STEP_SECTORS, end - sector);
    if (device.limits.writeZeroes) await writeZeroes(device, sector, sectors);
    else await writeSectors(device, sector, new Uint8Array(sectors * 512));
  }
}

/**
 * Writes it all. The order: 1 old superblocks away, flush; 2 zeroes, if wanted, bitmaps and logs, flush, all devices; 3 superblocks, flush.
 * A crash before 1 is durable leaves the old arrays as they were, before 3 devices of no array. In the middle of 3 some devices say that they
 * are members, and everything that they point at is there: too few are refused, enough are an array whose other members never were used.
 */
export async function writePlan(
  plan: CreatePlan,
  held: CreateDevices,
  zeroes: boolean,
): Promise<void> {
  await everywhere(plan, held, (planned, device) =>
    writeWhat(planned, device, (what) => what === "old-superblock"),
  );
  await everywhere(plan, held, async (planned, device) => {
    if (zeroes) await zeroData(plan, planned, device);
    await writeWhat(planned, device, (what) => what !== "superblock" && what !== "old-superblock");
  });
  await everywhere(plan, held, (planned, device) =>
    writeWhat(planned, device, (what) => what === "superblock"),
  );
}
