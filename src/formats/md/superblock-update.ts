/**
 * Writing a superblock: the image that stands on a member, with what changes while an array runs put into it. What is constant, what is
 * reserved and what this version does not know stays as it is.
 *
 * What is written differs from what a kernel would write in this only: the kernel drops feature bits that it does not make anew (a raid0's
 * layout) and zeroes reserved bytes of 0.90; both stay here. A 0.90 checkpoint beyond 2^32 - 1 is said to be there, not cut to 32 bits.
 *
 * Facts: super_1_sync and super_90_sync in drivers/md/md.c; docs/kernel/md-metadata.md, sections 1.5 to 1.8.
 */
import { unreachable } from "../../base/assert.ts";
import { SECTOR_BYTES, alignUp } from "../../base/units.ts";
import { PPL_HEADER_SECTORS, pplUse } from "./ppl.ts";
import { deviceNumbers090, ownNode090, updateSuperblock090 } from "./superblock-090-update.ts";
import type { DeviceNode } from "./superblock-090-update.ts";
import {
  DEVFLAG,
  FEATURE,
  MAX_ROLES,
  ROLE,
  ROLES_OFFSET,
  pplAreaSectors,
  superblock1,
  superblock1Checksum,
} from "./superblock-1-layout.ts";
import type { Superblock1 } from "./superblock-1-layout.ts";
import type { MdRole, MdSuperblock } from "./superblock.ts";

/** What the array is at the moment; the same for all of its members. */
export interface ArrayImage {
  readonly events: number;
  readonly updatedSeconds: number;
  readonly raidDisks: number;
  readonly componentSectors: number;
  /** Not written to at the moment: `resyncOffsetSectors` holds. Otherwise the array is marked dirty. */
  readonly isClean: boolean;
  /** Below this copies or parity are in sync; Infinity: everywhere. Units as in MdSuperblock. */
  readonly resyncOffsetSectors: number;
  readonly hasBitmap: boolean;
  /** Where a superblock tells of no area for it, it does not tell of the log either. */
  readonly hasPpl: boolean;
  /** All attached devices, faulty ones included. */
  readonly devices: readonly DeviceImage[];
}

/** One device, as the superblocks of all tell of it. */
export interface DeviceImage {
  /** Of deviceNumbers(). */
  readonly number: number;
  /** Of ownNode(). */
  readonly node: DeviceNode | null;
  readonly role: MdRole;
  /** In its slot, and good only below `recoveryOffsetSectors`; null: in sync, or in no slot. */
  readonly recoveryOffsetSectors: number | null;
  /** What it missed is in the bitmap. */
  readonly recoveryByBitmap: boolean;
  readonly isReplacement: boolean;
  readonly writeMostly: boolean;
  readonly failFast: boolean;
  readonly hasBadBlocks: boolean;
  readonly correctedSectors: number;
  /** Journal devices only: where the log starts. */
  readonly journalTailSectors: number | null;
}

function rawSectors(sectors: number): bigint {
  return sectors === Infinity ? 0xffff_ffff_ffff_ffffn : BigInt(sectors);
}

function roleNumber(role: MdRole): number {
  switch (role.kind) {
    case "active":
      return role.slot;
    case "spare":
      return ROLE.spare;
    case "faulty":
      return ROLE.faulty;
    case "journal":
      return ROLE.journal;
    default:
      return unreachable(role);
  }
}

const PPL = FEATURE.ppl | FEATURE.multiplePpls;

/** Bits that come and go; all others stay as they are on the device. */
const CHANGING =
  PPL |
  FEATURE.bitmap |
  FEATURE.recoveryOffset |
  FEATURE.badBlocks |
  FEATURE.replacement |
  FEATURE.recoveryBitmap;

/** A PPL that is found in an area with room for a ring becomes one. */
export function pplFeature(bitmapOffset: number): number {
  const sectors = pplAreaSectors(bitmapOffset);
  if (sectors <= PPL_HEADER_SECTORS) return 0;
  return pplUse(sectors).isRing ? FEATURE.multiplePpls : FEATURE.ppl;
}

function changedFeatures(old: Superblock1, array: ArrayImage, device: DeviceImage): number {
  const isRecovering = device.recoveryOffsetSectors !== null;
  return (
    (old.featureMap & ~CHANGING) |
    (array.hasPpl ? pplFeature(old.bitmapOffset) : 0) |
    (array.hasBitmap ? FEATURE.bitmap : 0) |
    (isRecovering ? FEATURE.recoveryOffset : 0) |
    (device.hasBadBlocks ? FEATURE.badBlocks : 0) |
    (device.isReplacement ? FEATURE.replacement : 0) |
    (isRecovering && device.recoveryByBitmap && array.hasBitmap ? FEATURE.recoveryBitmap : 0)
  );
}

/** Once in sync an array with a journal stays so: the journal takes care of what is under way. */
function resyncOffset(array: ArrayImage): bigint {
  const { isClean, resyncOffsetSectors, devices } = array;
  const isJournaled = devices.some(({ role }) => role.kind === "journal");
  if (isClean || (isJournaled && resyncOffsetSectors === Infinity))
    return rawSectors(resyncOffsetSectors);
  return 0n;
}

/** A table of roles for all numbers, those that nobody has as spares. */
function writeRoles(data: Uint8Array, maxDev: number, devices: readonly DeviceImage[]): void {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  for (let number = 0; number < maxDev; number += 1)
    view.setUint16(ROLES_OFFSET + 2 * number, ROLE.spare, true);
  for (const { number, role } of devices)
    view.setUint16(ROLES_OFFSET + 2 * number, roleNumber(role), true);
}

function updateSuperblock1(image: Uint8Array, array: ArrayImage, device: DeviceImage): Uint8Array {
  const old = superblock1.decode(image);
  const numbers = array.devices.map(({ number }) => number);
  const maxDev = Math.max(old.maxDev, ...numbers.map((number) => number + 1));
  if (maxDev > MAX_ROLES) throw new RangeError(`${maxDev} devices do not fit into a superblock`);
  const devflags =
    (old.devflags & ~(DEVFLAG.writeMostly | DEVFLAG.failFast)) |
    (device.writeMostly ? DEVFLAG.writeMostly : 0) |
    (device.failFast ? DEVFLAG.failFast : 0);
  const data = withFields(image, {
    featureMap: changedFeatures(old, array, device),
    size: BigInt(array.componentSectors),
    raidDisks: array.raidDisks,
    recoveryOffset: rawSectors(device.journalTailSectors ?? device.recoveryOffsetSectors ?? 0),
    cntCorrectedRead: device.correctedSectors,
    devflags,
    utime: BigInt(array.updatedSeconds),
    events: BigInt(array.events),
    resyncOffset: resyncOffset(array),
    maxDev,
  });
  writeRoles(data, maxDev, array.devices);
  return sealed(data, maxDev);
}

function withFields(image: Uint8Array, fields: Partial<Superblock1>): Uint8Array {
  const data = image.slice();
  superblock1.encodeInto(data, 0, fields);
  return data;
}

function sealed(data: Uint8Array, maxDev: number): Uint8Array {
  superblock1.encodeInto(data, 0, { sbCsum: superblock1Checksum(data, maxDev) });
  return data;
}

/** Some fields of a superblock of version 1, and nothing else. @param image 4 KiB as they stand on the device @returns 4 KiB, in order */
export function changeSuperblock1(image: Uint8Array, fields: Partial<Superblock1>): Uint8Array {
  return sealed(withFields(image, fields), superblock1.decode(image).maxDev);
}

/**
 * The numbers under which devices stand in the superblocks that are written next. In version 1 a device keeps its number; in 0.90 the
 * number follows from its place, so all of them are to be given new ones before a round of writing.
 * @param devices in the order in which they were attached
 * @returns one each
 */
export function deviceNumbers(
  superblock: MdSuperblock,
  raidDisks: number,
  devices: readonly DeviceImage[],
): readonly number[] {
  if (superblock.version !== "0.90") return devices.map(({ number }) => number);
  return deviceNumbers090(devices, raidDisks, superblock.reshape !== null);
}

/** The node that a device's own superblock names; null where superblocks do not. */
export function ownNode(superblock: MdSuperblock, image: Uint8Array): DeviceNode | null {
  return superblock.version === "0.90" ? ownNode090(image, superblock.byteOrder) : null;
}

/**
 * @param image the 4 KiB that stand on the device, or were made for it
 * @returns 4 KiB, the first part of which is to be written: superblockPart()
 */
export function updateSuperblock(
  superblock: Pick<MdSuperblock, "version" | "byteOrder">,
  image: Uint8Array,
  array: ArrayImage,
  device: DeviceImage,
): Uint8Array {
  return superblock.version === "0.90"
    ? updateSuperblock090(image, superblock.byteOrder, array, device)
    : updateSuperblock1(image, array, device);
}

/**
 * The part of an image that is the superblock's own, in whole sectors. Behind it other things may lie: kernels put the bitmap that they add to an array 1 KiB
 * behind the start of the superblock, and what an image has there is old.
 */
export function superblockPart(
  superblock: Pick<MdSuperblock, "version">,
  image: Uint8Array,
): Uint8Array {
  if (superblock.version === "0.90") return image;
  const { maxDev } = superblock1.decode(image);
  return image.subarray(0, alignUp(ROLES_OFFSET + 2 * maxDev, SECTOR_BYTES));
}
