/** The bytes of a new array's superblocks: what is constant is laid out here, what changes later by whoever updates superblocks. */
import { SECTOR_BYTES, alignUp } from "../../base/units.ts";
import { deviceNumbers090 } from "../../formats/md/superblock-090-update.ts";
import { MAX_DISKS_090, superblock090 } from "../../formats/md/superblock-090.ts";
import {
  FEATURE,
  MAX_ROLES,
  MD_MAGIC,
  ROLES_OFFSET,
  superblock1,
} from "../../formats/md/superblock-1-layout.ts";
import { superblockPart, updateSuperblock } from "../../formats/md/superblock-update.ts";
import type { ArrayImage, DeviceImage } from "../../formats/md/superblock-update.ts";
import { MD_LEVEL_BY_NUMBER } from "../../formats/md/superblock.ts";
import { BAD_BLOCK_LOG_SECTORS } from "./places.ts";
import type { MetadataPlaces } from "./places.ts";
import type { CreateRequest, NewDevice } from "./request.ts";
import { pplField } from "./ppl-area.ts";
import type { PlannedRole } from "./roles.ts";

const NAME_BYTES = 32;
const ORDER = "little";

/** What has been decided for the array as a whole. */
export interface ArrayDecision {
  readonly request: CreateRequest;
  readonly layout: number;
  readonly chunkSectors: number;
  readonly componentSectors: number;
  readonly isClean: boolean;
  readonly hasPpl: boolean;
  /** A raid0 whose members differ has zones, and its superblocks have to say how they are laid out. */
  readonly hasZones: boolean;
  readonly devices: readonly PlannedRole[];
}

function levelNumber(request: CreateRequest): number {
  return [...MD_LEVEL_BY_NUMBER].find(([, level]) => level === request.level)![0];
}

/** The array's UUID as bitmaps, PPL and journals have it: of 0.90 the words in the order of the machine. */
export function uuidInLogs({ version, arrayUuid }: CreateRequest): Uint8Array {
  if (version !== "0.90") return arrayUuid;
  return arrayUuid.map((_byte, at) => arrayUuid[(at & ~3) + 3 - (at & 3)]!);
}

/** "host:name" where it fits and the name has no host yet, else the name as far as it fits. */
export function storedName(name: string, homehost: string | null): string {
  const full = `${homehost}:${name}`;
  return homehost !== null && !name.includes(":") && nameBytes(full).length < NAME_BYTES
    ? full
    : name;
}

function nameBytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** As the superblock has it. */
export function paddedName(name: string): Uint8Array {
  const padded = new Uint8Array(NAME_BYTES);
  padded.set(nameBytes(name).subarray(0, NAME_BYTES - 1));
  return padded;
}

function permanentFeatures({ request, hasZones }: ArrayDecision): number {
  const hasJournal = request.devices.some((device) => device?.isJournal === true);
  return (hasJournal ? FEATURE.journal : 0) | (hasZones ? FEATURE.raid0Layout : 0);
}

/** The field for the bitmap's place, which a PPL shares: 16 bits of place, 16 of size. */
export function bitmapField(places: MetadataPlaces): number {
  const { superSector, bitmapSector, pplSector, pplSectors } = places;
  if (pplSector !== null) return pplField({ sector: pplSector, sectors: pplSectors }, superSector);
  return bitmapSector === null ? 0 : bitmapSector - superSector;
}

/** Whole sectors of superblock and roles, with room for all numbers. */
function roomForRoles(array: ArrayDecision): number {
  const most = Math.max(
    array.request.raidDisks + array.request.spareDisks,
    ...array.devices.map(({ number }) => number + 1),
  );
  return (alignUp(ROLES_OFFSET + 2 * most, SECTOR_BYTES) - ROLES_OFFSET) / 2;
}

function bareSuperblock1(
  array: ArrayDecision,
  device: NewDevice,
  number: number,
  places: MetadataPlaces,
): Uint8Array {
  const { request } = array;
  const log = places.badBlockSector;
  const image = new Uint8Array(4096);
  superblock1.encodeInto(image, 0, {
    magic: MD_MAGIC,
    majorVersion: 1,
    featureMap: permanentFeatures(array),
    setUuid: request.arrayUuid,
    setName: paddedName(storedName(request.name, request.homehost)),
    ctime: BigInt(request.createdSeconds),
    level: levelNumber(request),
    layout: array.layout,
    chunksize: array.chunkSectors,
    bitmapOffset: bitmapField(places),
    dataOffset: BigInt(places.dataOffset),
    dataSize: BigInt(places.dataSectors),
    superOffset: BigInt(places.superSector),
    devNumber: number,
    deviceUuid: device.deviceUuid,
    bblogSize: log === null ? 0 : BAD_BLOCK_LOG_SECTORS,
    bblogOffset: log === null ? 0 : log - places.superSector,
    maxDev: roomForRoles(array),
  });
  return image;
}

function bareSuperblock090(array: ArrayDecision): Uint8Array {
  const { request } = array;
  const uuid = new DataView(request.arrayUuid.buffer, request.arrayUuid.byteOffset, 16);
  const image = new Uint8Array(4096);
  superblock090.encodeInto(image, 0, {
    magic: MD_MAGIC,
    majorVersion: 0,
    minorVersion: 90,
    setUuid0: uuid.getUint32(0),
    setUuid1: uuid.getUint32(4),
    setUuid2: uuid.getUint32(8),
    setUuid3: uuid.getUint32(12),
    ctime: request.createdSeconds,
    level: levelNumber(request),
    mdMinor: request.preferredMinor,
    layout: array.layout,
    chunkSize: array.chunkSectors * SECTOR_BYTES,
  });
  return image;
}

function deviceImages(array: ArrayDecision): DeviceImage[] {
  const { request } = array;
  const images = array.devices.map(({ index, number, role }): DeviceImage => {
    const device = request.devices[index]!;
    return {
      number,
      role,
      node: device.node,
      recoveryOffsetSectors: null,
      recoveryByBitmap: false,
      isReplacement: false,
      writeMostly: device.writeMostly,
      failFast: device.failFast,
      hasBadBlocks: false,
      correctedSectors: 0,
      journalTailSectors: role.kind === "journal" ? 0 : null,
    };
  });
  if (request.version !== "0.90") return images;
  const numbers = deviceNumbers090(images, request.raidDisks, false);
  return images.map((image, at) => ({ ...image, number: numbers[at]! }));
}

/** What all superblocks say at first. mdadm has 0.90 arrays begin with event 1. */
export function firstState(array: ArrayDecision): ArrayImage {
  const { request } = array;
  return {
    events: request.version === "0.90" ? 1 : 0,
    updatedSeconds: request.createdSeconds,
    raidDisks: request.raidDisks,
    componentSectors: array.componentSectors,
    isClean: array.isClean,
    resyncOffsetSectors: array.isClean ? Infinity : 0,
    hasBitmap: request.bitmap !== null,
    hasPpl: array.hasPpl,
    devices: deviceImages(array),
  };
}

/** Can a superblock of the version tell of so many devices? */
export function hasRoomFor(version: CreateRequest["version"], numbers: number): boolean {
  return numbers <= (version === "0.90" ? MAX_DISKS_090 : MAX_ROLES);
}

/** @param at index into `array.devices`, and so into `state.devices` */
export function newSuperblock(
  array: ArrayDecision,
  state: ArrayImage,
  at: number,
  places: MetadataPlaces,
): Uint8Array {
  const { request } = array;
  const device = request.devices[array.devices[at]!.index]!;
  const own = state.devices[at]!;
  const bare =
    request.version === "0.90"
      ? bareSuperblock090(array)
      : bareSuperblock1(array, device, own.number, places);
  const kind = { version: request.version, byteOrder: ORDER } as const;
  return superblockPart(kind, updateSuperblock(kind, bare, state, own));
}
