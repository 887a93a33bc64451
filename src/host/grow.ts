/** Bitmaps come and go, members and arrays get larger or smaller, without a reshape: what mdadm's grow mode asks for. */
import { HoldfastError } from "../base/errors.ts";
import { SECTOR_BYTES, alignDown } from "../base/units.ts";
import { BitmapImage } from "../formats/md/bitmap-image.ts";
import { changeSuperblock1 } from "../formats/md/superblock-update.ts";
import { arrayUuidBytes } from "../formats/md/superblock.ts";
import type { MdShape } from "../formats/md/superblock.ts";
import { bitmapChunk } from "../md/create/places.ts";
import { coveredSectors } from "../md/create/plan-create.ts";
import { Refusal } from "../md/create/request.ts";
import type { NewBitmapOptions } from "../md/create/request.ts";
import type { ManagedArray } from "../md/running/managed-array.ts";
import type { Member } from "../md/running/member.ts";
import type { GrowCall } from "./array-host.ts";
import type { HostContext } from "./context.ts";
import { checkQuiet, exchange, workingIn } from "./exchange.ts";
import type { Change } from "./exchange.ts";
import { addToLinear } from "./grow-linear.ts";
import { addPpl, removePpl } from "./grow-ppl.ts";
import type { HostedArray } from "./hosted-array.ts";

/** As mdadm has it, unless it is told otherwise. */
const USUAL_BITMAP: NewBitmapOptions = { chunkSectors: null, delaySeconds: 5, writeBehind: 0 };
const BEHIND_SUPERBLOCK = 8;
/** To the end of the 64 KiB in which the 0.90 superblock lies. */
const ROOM_090 = 120;

/** @throws HoldfastError `unsupported` for what takes a reshape, `busy` while it is not quiet; nothing is changed then */
export async function growArray(
  context: HostContext,
  hosted: HostedArray,
  call: GrowCall,
): Promise<void> {
  switch (call.kind) {
    case "bitmap":
      return call.bitmap === null
        ? removeBitmap(context, hosted)
        : addBitmap(context, hosted, call.bitmap);
    case "consistency-policy":
      return setPolicy(context, hosted, call.policy);
    case "size":
      return resize(context, hosted, call);
    case "raid-disks":
      return setRaidDisks(context, hosted, call.raidDisks);
    case "add-linear":
      return addToLinear(context, hosted, call.device);
  }
}

async function setPolicy(
  context: HostContext,
  hosted: HostedArray,
  policy: Extract<GrowCall, { kind: "consistency-policy" }>["policy"],
): Promise<void> {
  const { bitmapSector, ppl } = hosted.plan.superblock;
  switch (policy) {
    case "bitmap":
      return addBitmap(context, hosted, USUAL_BITMAP);
    case "ppl":
      return addPpl(context, hosted);
    case "resync":
      if (ppl !== null) return removePpl(context, hosted);
      if (bitmapSector !== null) return removeBitmap(context, hosted);
      throw new HoldfastError(
        "usage",
        `${hosted.names.path} has neither a bitmap nor a partial parity log`,
      );
  }
}

function shapeOf({ plan }: HostedArray): MdShape {
  return plan.superblock.shape!;
}

function isRedundant({ level }: MdShape): boolean {
  return level !== "linear" && level !== "raid0";
}

/** Between the superblock and what follows it (1.1, 1.2, 0.90), or between the data and what stands before the superblock (1.0). */
function bitmapPlace(
  { label, superblock }: Member,
  componentSectors: number,
  sectors: number,
): number {
  const { version, superSector, dataOffsetSectors, badBlockLog } = superblock;
  const log = badBlockLog?.startSector ?? Infinity;
  if (version === "1.0") {
    const start = Math.min(superSector, log) - sectors;
    if (start >= dataOffsetSectors + componentSectors) return start;
  } else {
    const start = superSector + BEHIND_SUPERBLOCK;
    const end = version === "0.90" ? start + ROOM_090 : Math.min(dataOffsetSectors, log);
    if (start + sectors <= end) return start;
  }
  throw new HoldfastError("no-space", `${label} has no room for a bitmap of ${sectors} sectors`);
}

function chunkOf(
  { array }: ManagedArray,
  componentSectors: number,
  syncSectors: number,
  options: NewBitmapOptions,
): number {
  const { version } = array.members.attached[0]!.superblock;
  try {
    return bitmapChunk(version, componentSectors, syncSectors, options);
  } catch (thrown) {
    if (thrown instanceof Refusal)
      throw new HoldfastError("usage", `${array.name}: ${thrown.message}`);
    throw thrown;
  }
}

/**
 * The bitmap for members of a size: all dirty, and older than the array. Whoever is stopped by a crash takes all for dirty, whoever starts has it
 * cool down. @throws HoldfastError `no-space`, `usage`
 */
function withBitmap(
  managed: ManagedArray,
  shape: MdShape,
  componentSectors: number,
  options: NewBitmapOptions,
): Change {
  const working = workingIn(managed.array.members);
  const syncSectors = coveredSectors(shape, componentSectors);
  const { bytes } = BitmapImage.allDirty({
    uuid: arrayUuidBytes(working[0]!.superblock),
    syncSectors,
    chunkSectors: chunkOf(managed, componentSectors, syncSectors, options),
    daemonSleepSeconds: options.delaySeconds,
    writeBehind: options.writeBehind,
  });
  const body = working.map((member) => ({
    member,
    sector: bitmapPlace(member, componentSectors, bytes.length / SECTOR_BYTES),
    bytes,
  }));
  const placeOf = (member: Member): number => body.find((one) => one.member === member)!.sector;
  return {
    hasBitmap: true,
    body,
    own: (member, image) => withBitmapAt(member, image, placeOf(member)),
  };
}

async function addBitmap(
  context: HostContext,
  hosted: HostedArray,
  options: NewBitmapOptions,
): Promise<void> {
  const shape = shapeOf(hosted);
  const { path } = hosted.names;
  if (!isRedundant(shape))
    throw new HoldfastError(
      "unsupported",
      `${path} is a ${shape.level}, which has no use for a bitmap`,
    );
  const quiet = checkQuiet(hosted);
  if (quiet.bitmap !== null) throw new HoldfastError("busy", `${path} has a bitmap already`);
  const { componentSectors } = quiet.array.record;
  const { hasJournal, ppl } = quiet.array.members.attached[0]!.superblock;
  if (hasJournal || ppl !== null)
    throw new HoldfastError(
      "unsupported",
      `${path} has a log already that does what a bitmap does`,
    );
  // What cannot be is said while the array runs.
  withBitmap(quiet, shape, componentSectors, options);
  await exchange(context, hosted, (managed) =>
    withBitmap(managed, shape, componentSectors, options),
  );
}

/** 0.90 has it at one place only. A place that no feature bit tells of means nothing yet. */
function withBitmapAt({ superblock }: Member, image: Uint8Array, sector: number): Uint8Array {
  if (superblock.version === "0.90") return image;
  return changeSuperblock1(image, { bitmapOffset: sector - superblock.superSector });
}

async function removeBitmap(context: HostContext, hosted: HostedArray): Promise<void> {
  const quiet = checkQuiet(hosted);
  if (quiet.bitmap === null) throw new HoldfastError("usage", `${hosted.names.path} has no bitmap`);
  await exchange(context, hosted, () => ({
    hasBitmap: false,
    // What was to come back by the bitmap is to be filled as a whole.
    device: (image) => ({ ...image, recoveryByBitmap: false }),
  }));
}

/** The most that all members have room for. */
function largestComponent({ array }: ManagedArray, shape: MdShape): number {
  const sizes = workingIn(array.members).map(({ superblock, device }) =>
    Math.min(superblock.dataSectors, device.sectors - superblock.dataOffsetSectors),
  );
  return alignDown(Math.min(...sizes), shape.chunkSectors || 2);
}

function wantedComponent(
  managed: ManagedArray,
  { names, plan }: HostedArray,
  wanted: number | "max",
): number {
  const shape = plan.superblock.shape!;
  const most = largestComponent(managed, shape);
  if (wanted === "max") return most;
  const sectors = alignDown(wanted, shape.chunkSectors || 2);
  if (sectors > most)
    throw new HoldfastError(
      "no-space",
      `the members of ${names.path} have room for ${most} sectors each`,
    );
  if (sectors < 8) throw new HoldfastError("usage", `${wanted} sectors are too few for a member`);
  return sectors;
}

/**
 * What is new is synced, unless it is said to agree already. A bitmap is to cover another length: it is taken away, and comes back with the new size. A crash in between leaves the
 * array without it, of the old size.
 */
async function resize(
  context: HostContext,
  hosted: HostedArray,
  { componentSectors: wanted, assumeClean = false }: Extract<GrowCall, { kind: "size" }>,
): Promise<void> {
  const shape = shapeOf(hosted);
  const { path } = hosted.names;
  if (!isRedundant(shape))
    throw new HoldfastError(
      "unsupported",
      `${path} is a ${shape.level}, which uses all of its members`,
    );
  if (shape.level === "raid10" && ((shape.layout >>> 8) & 0xff) > 1)
    throw new HoldfastError("unsupported", `${path} has far copies, which would all have to move`);
  const quiet = checkQuiet(hosted);
  const options = optionsOf(quiet);
  const { componentSectors: now, resyncOffsetSectors } = quiet.array.record;
  const componentSectors = wantedComponent(quiet, hosted, wanted);
  if (componentSectors < now && hosted.users > 0)
    throw new HoldfastError("busy", `${path} is in use, and would lose its end`);
  if (componentSectors === now) return;
  const synced = coveredSectors(shape, now);
  if (options !== null) {
    withBitmap(quiet, shape, componentSectors, options);
    await removeBitmap(context, hosted);
  }
  await exchange(context, hosted, (managed) => ({
    ...(options === null ? {} : withBitmap(managed, shape, componentSectors, options)),
    componentSectors,
    resyncOffsetSectors:
      componentSectors > now && !assumeClean
        ? Math.min(synced, resyncOffsetSectors)
        : resyncOffsetSectors,
  }));
}

/** As the bitmap is now, but for its chunks, which may have to be larger; null: there is none. */
function optionsOf({ bitmap }: ManagedArray): NewBitmapOptions | null {
  if (bitmap === null) return null;
  const { periodMs, writeBehind } = bitmap;
  return { chunkSectors: null, delaySeconds: periodMs / 1000, writeBehind };
}

/** Members are moved together, so that the slots that go away are empty ones. */
async function setRaidDisks(
  context: HostContext,
  hosted: HostedArray,
  raidDisks: number,
): Promise<void> {
  const shape = shapeOf(hosted);
  const { path } = hosted.names;
  if (shape.level !== "raid1")
    throw new HoldfastError(
      "unsupported",
      `${path} is a ${shape.level}: another number of members takes a reshape`,
    );
  const { array } = checkQuiet(hosted);
  if (!Number.isSafeInteger(raidDisks) || raidDisks < 1)
    throw new HoldfastError("usage", `${raidDisks} is no number of members`);
  const inSlots = new Set(
    array.members.attached.flatMap(({ slot }) => (slot === null ? [] : [slot])),
  );
  if (inSlots.size > raidDisks)
    throw new HoldfastError("busy", `${path} has ${inSlots.size} members: fail some of them first`);
  const order = [...inSlots].toSorted((a, b) => a - b);
  await exchange(context, hosted, () => ({
    raidDisks,
    device: (image) => {
      const { role } = image;
      if (role.kind !== "active") return image;
      return { ...image, role: { kind: "active", slot: order.indexOf(role.slot) } };
    },
  }));
}
