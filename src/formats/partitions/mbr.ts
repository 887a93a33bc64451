/**
 * MBR partition tables, with the chain of extended partitions.
 *
 *   sector 0                         an extended boot record (EBR), inside the extended partition
 *   +440 u32 disk signature          slot 1: a logical partition, start relative to this EBR
 *   +446 4 slots of 16 bytes         slot 2: the next EBR, start relative to the extended partition
 *   +510 55 aa                       slots 3, 4: unused
 *
 * The signature 55 aa is also that of every boot sector, so a table is believed only if all four slots make sense on
 * this device. The chain is followed at most MAX_CHAIN links, never to an EBR seen before, never out of the extended
 * partition. Numbers: slots 1 to 4, logical partitions from 5 on, as Linux counts them.
 */
import { toHoldfastError } from "../../base/errors.ts";
import { SECTOR_BYTES } from "../../base/units.ts";
import { readSectors } from "../../block/promises.ts";
import type { BlockDevice } from "../../block/device.ts";
import { bytes, u16, u32, u8 } from "../../codec/fields.ts";
import { struct } from "../../codec/struct.ts";
import type { ValueOf } from "../../codec/struct.ts";
import { mbrTypeName } from "./types.ts";
import type { Partition, PartitionTable } from "./table.ts";

const BOOT_SIGNATURE = 0xaa55;
const PROTECTIVE_TYPE = 0xee;
const EXTENDED_TYPES = new Set([0x05, 0x0f, 0x85]);
/** Linux follows 100 links. */
const MAX_CHAIN = 100;

export const mbrSector = struct("mbr", "little", 512, {
  diskSignature: u32(440),
  slots: bytes(446, 64),
  bootSignature: u16(510),
});

export const mbrSlot = struct("mbrSlot", "little", 16, {
  status: u8(0),
  type: u8(4),
  firstBlock: u32(8),
  blocks: u32(12),
});

type Slot = ValueOf<typeof mbrSlot>;

function slotsOf(sector: Uint8Array): Slot[] | null {
  const mbr = mbrSector.decode(sector);
  if (mbr.bootSignature !== BOOT_SIGNATURE) return null;
  return [0, 1, 2, 3].map((index) => mbrSlot.decode(mbr.slots, index * mbrSlot.size));
}

function isUsed(slot: Slot): boolean {
  return slot.type !== 0 && slot.blocks !== 0;
}

/** Whether the first sector says that a GPT follows (Linux wants one slot of type 0xee that starts at block 1). */
export function isProtectiveMbr(sector: Uint8Array): boolean {
  const slots = slotsOf(sector) ?? [];
  return slots.some((slot) => slot.type === PROTECTIVE_TYPE && slot.firstBlock === 1);
}

/** Four slots that could be a table on a device of `blocks`: known flags, starts inside, no overlaps. */
function makeSense(slots: readonly Slot[], blocks: number): boolean {
  if (slots.some((slot) => (slot.status & 0x7f) !== 0)) return false;
  const used = slots.filter(isUsed).toSorted((a, b) => a.firstBlock - b.firstBlock);
  if (used.length === 0) return false;
  return used.every((slot, i) => {
    const next = used[i + 1];
    const isApart = next === undefined || slot.firstBlock + slot.blocks <= next.firstBlock;
    return slot.firstBlock > 0 && slot.firstBlock < blocks && isApart;
  });
}

interface Walk {
  readonly device: BlockDevice;
  readonly scale: number;
  readonly signature: string;
  readonly partitions: Partition[];
  readonly notes: string[];
}

function addPartition(walk: Walk, slot: Slot, number: number, baseSector: number): void {
  const startSector = baseSector + slot.firstBlock * walk.scale;
  const room = walk.device.sectors - startSector;
  if (room <= 0) {
    walk.notes.push(`Partition ${number} starts behind the end of the device and is left out.`);
    return;
  }
  const sectors = slot.blocks * walk.scale;
  if (sectors > room) walk.notes.push(`Partition ${number} is cut off by the end of the device.`);
  walk.partitions.push({
    number,
    startSector,
    sectors: Math.min(sectors, room),
    typeName: mbrTypeName(slot.type),
    label: null,
    uuid: `${walk.signature}-${number.toString(16).padStart(2, "0")}`,
    bootable: slot.status === 0x80,
    extended: EXTENDED_TYPES.has(slot.type),
  });
}

/** The chain that starts in `extended`, in sectors of the device. */
async function followChain(walk: Walk, extended: Slot): Promise<void> {
  const first = extended.firstBlock * walk.scale;
  const end = Math.min(first + extended.blocks * walk.scale, walk.device.sectors);
  const seen = new Set<number>();
  let number = 5;
  let at = first;
  while (at >= first && at < end) {
    if (seen.has(at) || seen.size === MAX_CHAIN) {
      const what = seen.has(at) ? "runs in a circle" : `has more than ${MAX_CHAIN} links`;
      walk.notes.push(
        `The chain of extended partitions ${what}; what follows sector ${at} is left out.`,
      );
      return;
    }
    seen.add(at);
    const slots = await readLink(walk, at);
    if (slots === null) return;
    const data = slots.find((slot) => isUsed(slot) && !EXTENDED_TYPES.has(slot.type));
    if (data !== undefined) {
      addPartition(walk, data, number, at);
      number += 1;
    }
    const next = slots.find((slot) => isUsed(slot) && EXTENDED_TYPES.has(slot.type));
    if (next === undefined) return;
    at = first + next.firstBlock * walk.scale;
  }
  walk.notes.push(`The chain of extended partitions leaves its partition at sector ${at}.`);
}

async function readLink(walk: Walk, sector: number): Promise<Slot[] | null> {
  try {
    const slots = slotsOf(await readSectors(walk.device, sector, 1));
    if (slots === null)
      walk.notes.push(`The chain of extended partitions is broken at sector ${sector}.`);
    return slots;
  } catch (thrown) {
    const { message } = toHoldfastError(thrown);
    walk.notes.push(`The chain of extended partitions cannot be read on: ${message}`);
    return null;
  }
}

/** @param sector0 the device's first sector. Null: no table that makes sense on this device. */
export async function readMbr(
  device: BlockDevice,
  sector0: Uint8Array,
): Promise<PartitionTable | null> {
  const { logicalBlockBytes } = device.limits;
  const scale = Math.max(1, logicalBlockBytes / SECTOR_BYTES);
  const slots = slotsOf(sector0);
  if (slots === null || !makeSense(slots, device.sectors / scale)) return null;
  const uuid = mbrSector.decode(sector0).diskSignature.toString(16).padStart(8, "0");
  const walk: Walk = { device, scale, signature: uuid, partitions: [], notes: [] };
  for (const [index, slot] of slots.entries()) {
    if (!isUsed(slot)) continue;
    addPartition(walk, slot, index + 1, 0);
  }
  const extended = slots.find((slot) => isUsed(slot) && EXTENDED_TYPES.has(slot.type));
  if (extended !== undefined) await followChain(walk, extended);
  return { kind: "mbr", uuid, logicalBlockBytes, partitions: walk.partitions, notes: walk.notes };
}
