/**
 * Writing a 0.90 superblock. Its table of disks is made anew each time: those in sync at the index of their slot, all others, faulty
 * ones included, from `raidDisks` on in the order in which they were attached. So a device's number changes when it becomes active, or
 * stops being so: `deviceNumbers090` says which numbers follow from who stands where, and whoever writes gives them to the devices first.
 * Empty slots are "removed".
 */
import { assert } from "../../base/assert.ts";
import type { ByteOrder } from "../../codec/fields.ts";
import {
  DISK_STATE,
  MAX_DISKS_090,
  STATE_090,
  superblock090,
  superblock090Checksum,
} from "./superblock-090.ts";
import type { Superblock090 } from "./superblock-090.ts";
import type { ArrayImage, DeviceImage } from "./superblock-update.ts";

type Disk = Superblock090["thisDisk"];

/** Major and minor number of the device's node, which only the 0.90 table records, and nobody reads any more. */
export interface DeviceNode {
  readonly major: number;
  readonly minor: number;
}

/** What the numbers of 0.90 follow from. */
type Place = Pick<DeviceImage, "role" | "recoveryOffsetSectors">;

const NO_DISK: Disk = {
  number: 0,
  major: 0,
  minor: 0,
  raidDisk: 0,
  state: 0,
  reserved: new Uint8Array(108),
};
/** All that 32 bits can say. A checkpoint beyond it is said to be here: some sectors are synced again, none too few. */
const LARGEST_CHECKPOINT = 0xffff_ffff;
const LARGEST_TIME = 0xffff_ffff;
const RESHAPING = 91;

/**
 * The slot where the table has it as active. Recovering ones stand among the spares, as there is no place for how far they are;
 * in a reshape that is as far as the reshape.
 */
function activeSlot(device: Place, isReshaping: boolean): number | null {
  const { role, recoveryOffsetSectors } = device;
  if (role.kind !== "active") return null;
  return recoveryOffsetSectors === null || isReshaping ? role.slot : null;
}

/**
 * The numbers that devices of a 0.90 array have when its superblocks are written next.
 * @param devices in the order in which they were attached
 * @returns one each
 */
export function deviceNumbers090(
  devices: readonly Place[],
  raidDisks: number,
  isReshaping: boolean,
): number[] {
  let next = raidDisks;
  return devices.map((device) => activeSlot(device, isReshaping) ?? next++);
}

/** The node that a superblock names as its own device. */
export function ownNode090(image: Uint8Array, order: ByteOrder): DeviceNode {
  const { major, minor } = superblock090.decode(image, 0, order).thisDisk;
  return { major, minor };
}

function stateOf(device: DeviceImage, isReshaping: boolean): number {
  const flags =
    (device.writeMostly ? DISK_STATE.writeMostly : 0) | (device.failFast ? DISK_STATE.failFast : 0);
  if (device.role.kind === "faulty") return flags | DISK_STATE.faulty;
  if (activeSlot(device, isReshaping) === null) return flags;
  const sync = device.recoveryOffsetSectors === null ? DISK_STATE.sync : 0;
  return flags | DISK_STATE.active | sync;
}

function diskTable(array: ArrayImage, isReshaping: boolean): Disk[] {
  const disks: Disk[] = Array.from({ length: MAX_DISKS_090 }, () => NO_DISK);
  const numbers = deviceNumbers090(array.devices, array.raidDisks, isReshaping);
  array.devices.forEach((device, index) => {
    const { number, node } = device;
    assert(number === numbers[index], "devices of 0.90 were given their new numbers first");
    if (number >= MAX_DISKS_090) throw new RangeError("a 0.90 superblock has room for 27 devices");
    const { major, minor } = node ?? NO_DISK;
    const state = stateOf(device, isReshaping);
    disks[number] = { ...NO_DISK, number, major, minor, raidDisk: number, state };
  });
  for (let slot = 0; slot < array.raidDisks; slot += 1) {
    if (numbers.includes(slot)) continue;
    // As kernels do it: the first one, missing, is "removed" only.
    const state = slot === 0 ? DISK_STATE.removed : DISK_STATE.removed | DISK_STATE.faulty;
    disks[slot] = { ...NO_DISK, number: slot, raidDisk: slot, state };
  }
  return disks;
}

type Counts = Pick<
  Superblock090,
  "nrDisks" | "activeDisks" | "workingDisks" | "failedDisks" | "spareDisks"
>;

/** Failed ones are the empty slots; what is faulty and still attached counts among `nrDisks` only. */
function countDisks(array: ArrayImage, disks: readonly Disk[]): Counts {
  const { devices, raidDisks } = array;
  const isActive = ({ state }: Disk): boolean => (state & DISK_STATE.active) !== 0;
  const active = devices.filter(({ number }) => isActive(disks[number]!)).length;
  const faulty = devices.filter(({ role }) => role.kind === "faulty").length;
  const slots = disks.slice(0, raidDisks);
  return {
    nrDisks: devices.length,
    activeDisks: active,
    workingDisks: devices.length - faulty,
    failedDisks: slots.filter(({ state }) => (state & DISK_STATE.faulty) !== 0).length,
    spareDisks: devices.length - faulty - active,
  };
}

/** Clean: the checkpoint holds as long as the event count is that beside it. Dirty: there is none. */
function checkpoint(array: ArrayImage): Pick<Superblock090, "cpEvents" | "recoveryCp"> {
  if (!array.isClean) return { cpEvents: 0n, recoveryCp: 0 };
  const recoveryCp = Math.min(array.resyncOffsetSectors, LARGEST_CHECKPOINT);
  return { cpEvents: BigInt(array.events), recoveryCp };
}

export function updateSuperblock090(
  image: Uint8Array,
  order: ByteOrder,
  array: ArrayImage,
  device: DeviceImage,
): Uint8Array {
  const old = superblock090.decode(image, 0, order);
  const disks = diskTable(array, old.minorVersion >= RESHAPING);
  const isAllClean = array.isClean && array.resyncOffsetSectors === Infinity;
  const state =
    (old.state & ~(STATE_090.clean | STATE_090.bitmap)) |
    (isAllClean ? STATE_090.clean : 0) |
    (array.hasBitmap ? STATE_090.bitmap : 0);
  const data = image.slice();
  superblock090.encodeInto(
    data,
    0,
    {
      size: Math.floor(array.componentSectors / 2),
      raidDisks: array.raidDisks,
      utime: Math.min(array.updatedSeconds, LARGEST_TIME),
      state,
      ...countDisks(array, disks),
      events: BigInt(array.events),
      ...checkpoint(array),
      disks,
      thisDisk: disks[device.number]!,
    },
    order,
  );
  superblock090.encodeInto(data, 0, { sbCsum: superblock090Checksum(data, order) }, order);
  return data;
}
