/**
 * Writing a superblock: the image that stands on a member, with what changes while an array runs put into it. What is constant, what is
 * reserved and what this version does not know stays as it is.
 *
 * Facts: super_1_sync and super_90_sync in drivers/md/md.c; docs/kernel/md-metadata.md, sections 1.5 to 1.8.
 */
import { unreachable } from "../../base/assert.ts";
import { updateSuperblock090 } from "./superblock-090-update.ts";
import {
  DEVFLAG,
  FEATURE,
  MAX_ROLES,
  ROLE,
  ROLES_OFFSET,
  superblock1,
  superblock1Checksum,
} from "./superblock-1-layout.ts";
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
  /** All attached devices, faulty ones included. */
  readonly devices: readonly DeviceImage[];
}

/** One device, as all superblocks tell of it. */
export interface DeviceImage {
  readonly number: number;
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

/** Bits that come and go; all others stay as they are on the device. */
const CHANGING =
  FEATURE.bitmap |
  FEATURE.recoveryOffset |
  FEATURE.badBlocks |
  FEATURE.replacement |
  FEATURE.recoveryBitmap;

function featureMap(old: number, array: ArrayImage, device: DeviceImage): number {
  const isRecovering = device.recoveryOffsetSectors !== null;
  return (
    (old & ~CHANGING) |
    (array.hasBitmap ? FEATURE.bitmap : 0) |
    (isRecovering ? FEATURE.recoveryOffset : 0) |
    (device.hasBadBlocks ? FEATURE.badBlocks : 0) |
    (device.isReplacement ? FEATURE.replacement : 0) |
    (isRecovering && device.recoveryByBitmap && array.hasBitmap ? FEATURE.recoveryBitmap : 0)
  );
}

/** An array with a journal that was started clean stays so: the journal takes care of what is under way. */
function resyncOffset(array: ArrayImage, isJournaled: boolean): bigint {
  if (array.isClean || isJournaled) return rawSectors(array.resyncOffsetSectors);
  return 0n;
}

function updateSuperblock1(image: Uint8Array, array: ArrayImage, device: DeviceImage): Uint8Array {
  const old = superblock1.decode(image);
  const numbers = array.devices.map(({ number }) => number);
  const maxDev = Math.max(old.maxDev, ...numbers.map((number) => number + 1));
  if (maxDev > MAX_ROLES) throw new RangeError(`${maxDev} devices do not fit into a superblock`);
  const data = image.slice();
  const devflags =
    (old.devflags & ~(DEVFLAG.writeMostly | DEVFLAG.failFast)) |
    (device.writeMostly ? DEVFLAG.writeMostly : 0) |
    (device.failFast ? DEVFLAG.failFast : 0);
  superblock1.encodeInto(data, 0, {
    featureMap: featureMap(old.featureMap, array, device),
    size: BigInt(array.componentSectors),
    raidDisks: array.raidDisks,
    recoveryOffset: rawSectors(device.journalTailSectors ?? device.recoveryOffsetSectors ?? 0),
    cntCorrectedRead: device.correctedSectors,
    devflags,
    utime: BigInt(array.updatedSeconds),
    events: BigInt(array.events),
    resyncOffset: resyncOffset(array, (old.featureMap & FEATURE.journal) !== 0),
    maxDev,
  });
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  for (let number = 0; number < maxDev; number += 1)
    view.setUint16(ROLES_OFFSET + 2 * number, ROLE.spare, true);
  for (const each of array.devices)
    view.setUint16(ROLES_OFFSET + 2 * each.number, roleNumber(each.role), true);
  superblock1.encodeInto(data, 0, { sbCsum: superblock1Checksum(data, maxDev) });
  return data;
}

/**
 * @param image the 4 KiB that stand on the device, or were made for it
 * @returns the 4 KiB to be written
 */
export function updateSuperblock(
  superblock: MdSuperblock,
  image: Uint8Array,
  array: ArrayImage,
  device: DeviceImage,
): Uint8Array {
  return superblock.version === "0.90"
    ? updateSuperblock090(image, superblock.byteOrder, array, device)
    : updateSuperblock1(image, array, device);
}
