/**
 * Writing a 0.90 superblock. Its table of disks is made anew each time: those in sync at the index of their slot, all others, faulty
 * ones included, from `raidDisks` on, and so a device's number changes when it becomes active. Empty slots are "removed".
 */
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

const NO_DISK: Disk = {
  number: 0,
  major: 0,
  minor: 0,
  raidDisk: 0,
  state: 0,
  reserved: new Uint8Array(108),
};
const LARGEST_CHECKPOINT = 0xffff_ffff;

/** The slot where the table has it as active; recovering ones stand among the spares. */
function activeSlot(device: DeviceImage): number | null {
  return device.role.kind === "active" && device.recoveryOffsetSectors === null
    ? device.role.slot
    : null;
}

function stateOf(device: DeviceImage): number {
  const flags =
    (device.writeMostly ? DISK_STATE.writeMostly : 0) | (device.failFast ? DISK_STATE.failFast : 0);
  if (device.role.kind === "faulty") return flags | DISK_STATE.faulty;
  return activeSlot(device) === null ? flags : flags | DISK_STATE.active | DISK_STATE.sync;
}

/** @param old the table that stands there: it knows the device numbers (major, minor) of those that are in it already */
function diskTable(
  old: Superblock090,
  array: ArrayImage,
): { disks: Disk[]; indexOf: Map<number, number> } {
  const disks: Disk[] = Array.from({ length: MAX_DISKS_090 }, () => NO_DISK);
  const indexOf = new Map<number, number>();
  let next = array.raidDisks;
  for (const device of array.devices) {
    const slot = activeSlot(device);
    const index = slot ?? next;
    if (slot === null) next += 1;
    if (index >= MAX_DISKS_090) throw new RangeError("a 0.90 superblock has room for 27 devices");
    indexOf.set(device.number, index);
    const { major, minor } = old.disks[device.number] ?? NO_DISK;
    disks[index] = {
      ...NO_DISK,
      number: index,
      major,
      minor,
      raidDisk: index,
      state: stateOf(device),
    };
  }
  for (let slot = 0; slot < array.raidDisks; slot += 1) {
    if ([...indexOf.values()].includes(slot)) continue;
    // As kernels do it: the first one, missing, is "removed" only.
    const state = slot === 0 ? DISK_STATE.removed : DISK_STATE.removed | DISK_STATE.faulty;
    disks[slot] = { ...NO_DISK, number: slot, raidDisk: slot, state };
  }
  return { disks, indexOf };
}

function count(
  devices: readonly DeviceImage[],
  isCounted: (device: DeviceImage) => boolean,
): number {
  return devices.filter(isCounted).length;
}

export function updateSuperblock090(
  image: Uint8Array,
  order: ByteOrder,
  array: ArrayImage,
  device: DeviceImage,
): Uint8Array {
  const old = superblock090.decode(image, 0, order);
  const { disks, indexOf } = diskTable(old, array);
  const { devices } = array;
  const active = count(devices, (one) => activeSlot(one) !== null);
  const spare = count(devices, (one) => activeSlot(one) === null && one.role.kind !== "faulty");
  const empty = disks
    .slice(0, array.raidDisks)
    .filter(({ state }) => (state & DISK_STATE.faulty) !== 0);
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
      nrDisks: devices.length,
      raidDisks: array.raidDisks,
      utime: array.updatedSeconds,
      state,
      activeDisks: active,
      workingDisks: active + spare,
      failedDisks: empty.length,
      spareDisks: spare,
      events: BigInt(array.events),
      cpEvents: array.isClean ? BigInt(array.events) : 0n,
      recoveryCp: array.isClean ? Math.min(array.resyncOffsetSectors, LARGEST_CHECKPOINT) : 0,
      disks,
      thisDisk: disks[indexOf.get(device.number)!]!,
    },
    order,
  );
  superblock090.encodeInto(data, 0, { sbCsum: superblock090Checksum(data, order) }, order);
  return data;
}
