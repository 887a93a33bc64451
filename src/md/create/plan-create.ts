/**
 * planCreate: what is written where to make a new array, decided as mdadm --create decides it. Pure: nothing is read, drawn or written here.
 *
 * It differs from mdadm in this: bad-block logs are written, empty, not left with what stood there; the superblock of a journal has the event
 * count of all others; devices of a 0.90 array are numbered as a kernel numbers them at its first update; arrays that
 * no kernel would start, for too many missing members, are refused.
 */
import { SECTOR_BYTES, alignDown } from "../../base/units.ts";
import { BitmapImage } from "../../formats/md/bitmap-image.ts";
import type { ArrayImage } from "../../formats/md/superblock-update.ts";
import type { MdShape } from "../../formats/md/superblock.ts";
import { countRaid0Zones } from "../geometry/raid0.ts";
import { bodyOf } from "./body.ts";
import { checkRequest, isRedundant, wantedShape } from "./checks.ts";
import { firstState, newSuperblock, uuidInLogs } from "./images.ts";
import type { ArrayDecision } from "./images.ts";
import {
  PPL_SECTORS,
  availableSectors,
  bitmapChunk,
  placeMetadata,
  usualDataOffset,
} from "./places.ts";
import type { MetadataPlaces } from "./places.ts";
import { Refusal, refuse } from "./request.ts";
import type {
  CreateDecision,
  CreatePlan,
  CreateRequest,
  NewDevice,
  PlannedDevice,
} from "./request.ts";
import { planRoles } from "./roles.ts";

/** raid1 members are rounded down to 64 KiB, so that a later change to another level finds whole chunks. */
const RAID1_ROUNDING_SECTORS = 128;
/** All that the 32-bit count of KiB in 0.90 can say. */
const MOST_SECTORS_090 = 2 * 0xffff_ffff;
export const LEAST_COMPONENT_SECTORS = 16;

function present(request: CreateRequest): NewDevice[] {
  return request.devices.filter((device) => device !== null);
}

function dataOffsetOf(device: NewDevice, request: CreateRequest, ofAll: number): number {
  if (request.version === "0.90" || request.version === "1.0") return 0;
  return device.dataOffsetSectors ?? ofAll;
}

/** The offset that all devices have which are given none of their own: what is asked for, or what suits the first. */
function commonDataOffset(request: CreateRequest, shape: MdShape, hasPpl: boolean): number {
  const { dataOffsetSectors } = request;
  if (dataOffsetSectors !== null) return dataOffsetSectors;
  const first = present(request)[0]!;
  return usualDataOffset(first.sectors, shape.chunkSectors, hasPpl);
}

interface Sizes {
  /** 0 for linear and raid0. */
  readonly componentSectors: number;
  readonly wastedOn: number | null;
}

/** Members as large as the smallest allows, in whole chunks. Levels without redundancy use all of each. */
function decideSizes(
  request: CreateRequest,
  shape: MdShape,
  availableOf: (device: NewDevice) => number,
): Sizes {
  const { level } = request;
  const asked = request.componentSectors;
  const members = present(request).filter((device) => !device.isJournal);
  const journal = present(request).find((device) => device.isJournal);
  if (journal !== undefined && availableOf(journal) < LEAST_COMPONENT_SECTORS)
    refuse(`${journal.label} is too small for a journal`);
  const available = members.map(availableOf);
  const smallest = Math.min(...available);
  const largest = Math.max(...available);
  const rounding = shape.chunkSectors > 0 ? shape.chunkSectors : 2;
  const most =
    level === "raid1" ? alignDown(smallest, RAID1_ROUNDING_SECTORS) : alignDown(smallest, rounding);
  if (most < LEAST_COMPONENT_SECTORS)
    refuse(`${members[available.indexOf(smallest)]!.label} is too small`);
  if (asked !== null && asked > smallest)
    refuse(`${members[available.indexOf(smallest)]!.label} is smaller than the size asked for`);
  if (!isRedundant(level)) return { componentSectors: 0, wastedOn: null };
  const componentSectors = asked === null ? most : alignDown(asked, rounding);
  if (componentSectors < LEAST_COMPONENT_SECTORS) refuse("the size asked for is too small");
  // Kernels take a device of version 1.0 that is shorter than the members for one whose data runs into its superblock (md_run).
  const isShort = journal !== undefined && availableOf(journal) < componentSectors;
  if (request.version === "1.0" && isShort)
    refuse(`${journal.label} is too small: in version 1.0 a journal is as large as the members`);
  if (request.version === "0.90" && componentSectors > MOST_SECTORS_090)
    refuse("version 0.90 uses 4 TiB of a device at most");
  const isWaste = largest > componentSectors + componentSectors / 100;
  const wasted = members[available.indexOf(largest)]!;
  return { componentSectors, wastedOn: isWaste ? request.devices.indexOf(wasted) : null };
}

/** What a bitmap covers: raid10 counts array sectors, as its resync does. */
export function coveredSectors(shape: MdShape, componentSectors: number): number {
  if (shape.level !== "raid10") return componentSectors;
  const copies = (shape.layout & 0xff) * ((shape.layout >>> 8) & 0xff);
  return Math.floor((componentSectors * shape.raidDisks) / copies);
}

/** The bitmap that every member gets, all dirty: what was never synced is, and what was assumed clean cools down. */
function newBitmap(
  request: CreateRequest,
  shape: MdShape,
  componentSectors: number,
): BitmapImage | null {
  const { bitmap, version } = request;
  if (bitmap === null) return null;
  const syncSectors = coveredSectors(shape, componentSectors);
  return BitmapImage.allDirty({
    uuid: uuidInLogs(request),
    syncSectors,
    chunkSectors: bitmapChunk(version, componentSectors, syncSectors, bitmap),
    daemonSleepSeconds: bitmap.delaySeconds,
    writeBehind: bitmap.writeBehind,
  });
}

/**
 * Whether a raid0 has more than one zone, as a kernel will count them: from what each superblock says, not from what a device had to offer.
 * Only then must it be told how the further ones are laid out.
 */
function checkedZones(
  request: CreateRequest,
  shape: MdShape,
  placesOf: (device: NewDevice) => MetadataPlaces,
): boolean {
  if (shape.level !== "raid0") return false;
  const sizes = present(request).map((device) => placesOf(device).dataSectors);
  const hasZones = countRaid0Zones(shape.chunkSectors, sizes) > 1;
  if (request.version === "0.90" && hasZones)
    refuse("version 0.90 cannot describe a raid0 of unequal members");
  return hasZones;
}

/** What holds for every device. */
interface Decisions {
  readonly array: ArrayDecision;
  readonly bitmap: BitmapImage | null;
  readonly placesOf: (device: NewDevice) => MetadataPlaces;
}

function planDevice(
  { array, bitmap, placesOf }: Decisions,
  state: ArrayImage,
  at: number,
): PlannedDevice {
  const { request } = array;
  const { index, role } = array.devices[at]!;
  const device = request.devices[index]!;
  const places = placesOf(device);
  const bytes = newSuperblock(array, state, at, places);
  return {
    index,
    number: state.devices[at]!.number,
    role,
    dataOffsetSectors: places.dataOffset,
    dataSectors: places.dataSectors,
    writes: [
      ...bodyOf({
        device,
        places,
        uuid: uuidInLogs(request),
        bitmap,
        journalSequence: request.journalSequence,
      }),
      { what: "superblock", sector: places.superSector, bytes },
    ],
  };
}

function planned(request: CreateRequest): CreatePlan {
  const shape = wantedShape(request);
  checkRequest(request, shape);
  const hasPpl = request.consistencyPolicy === "ppl";
  const commonOffset = commonDataOffset(request, shape, hasPpl);
  const offsetOf = (device: NewDevice): number => dataOffsetOf(device, request, commonOffset);
  const { componentSectors, wastedOn } = decideSizes(request, shape, (device) =>
    availableSectors(request.version, device.sectors, offsetOf(device), hasPpl),
  );
  const bitmap = newBitmap(request, shape, componentSectors);
  const placesOf = (device: NewDevice): MetadataPlaces =>
    placeMetadata({
      version: request.version,
      deviceSectors: device.sectors,
      dataOffset: offsetOf(device),
      componentSectors,
      bitmapSectors: bitmap === null ? null : bitmap.bytes.length / SECTOR_BYTES,
      bitmapOffset: null,
      pplSectors: hasPpl ? PPL_SECTORS : null,
      hasBadBlockLog: request.badBlockLog,
    });
  const hasZones = checkedZones(request, shape, placesOf);
  const { roles, isClean } = planRoles(request);
  const { layout, chunkSectors } = shape;
  const sizes = { layout, chunkSectors, componentSectors };
  const array: ArrayDecision = { request, ...sizes, isClean, hasPpl, hasZones, devices: roles };
  const state = firstState(array);
  return {
    ...sizes,
    isClean,
    bitmapChunkSectors: bitmap?.chunkSectors ?? null,
    devices: roles.map((_role, at) => planDevice({ array, bitmap, placesOf }, state, at)),
    wastedOn,
  };
}

export function planCreate(request: CreateRequest): CreateDecision {
  try {
    return { kind: "ok", plan: planned(request) };
  } catch (thrown) {
    if (thrown instanceof Refusal) return { kind: "refused", reason: thrown.message };
    throw thrown;
  }
}
