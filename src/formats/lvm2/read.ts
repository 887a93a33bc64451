/**
 * An LVM2 physical volume as read from a device: label, metadata areas, and the volume group text of each.
 * Reads the first four sectors, each area's header, and the committed text; nothing else. What cannot be read or
 * believed becomes a sentence in `problems`: one damaged metadata area of two is no reason to know nothing.
 */
import { HoldfastError, toHoldfastError } from "../../base/errors.ts";
import { SECTOR_BYTES, alignDown, alignUp } from "../../base/units.ts";
import type { BlockDevice } from "../../block/device.ts";
import { readSectors } from "../../block/promises.ts";
import {
  LVM_LABEL_SECTORS,
  MDA_HEADER_BYTES,
  decodeLvmLabel,
  decodeMdaHeader,
  lvmCrc,
} from "./label.ts";
import type { LvmArea, LvmLabel, LvmMetadataArea, LvmTextLocation } from "./label.ts";
import { readVolumeGroup } from "./volume-group.ts";
import type { LvmVolumeGroup } from "./volume-group.ts";

/** LVM2 itself makes areas of 1 MiB and refuses text of more than a few. */
const MAX_TEXT_BYTES = 32 * 1024 * 1024;
/** LVM2 writes one area or two. */
const MAX_AREAS = 4;

export interface LvmMetadataCopy {
  readonly mda: LvmMetadataArea;
  readonly volumeGroup: LvmVolumeGroup;
  /** The metadata as stored, without the NUL at its end. */
  readonly text: string;
}

export interface LvmPv {
  readonly label: LvmLabel;
  /** One per metadata area that holds believable text, the highest seqno first. */
  readonly copies: readonly LvmMetadataCopy[];
  readonly problems: readonly string[];
}

async function readBytes(device: BlockDevice, offset: number, size: number): Promise<Uint8Array> {
  const end = offset + size;
  if (!(offset >= 0 && end <= device.sectors * SECTOR_BYTES)) {
    const range = `bytes ${offset} to ${end}`;
    throw new HoldfastError("bad-metadata", `${range} are not inside ${device.name}.`);
  }
  const from = alignDown(offset, SECTOR_BYTES);
  const sectors = (alignUp(end, SECTOR_BYTES) - from) / SECTOR_BYTES;
  const data = await readSectors(device, from / SECTOR_BYTES, sectors);
  return data.subarray(offset - from, end - from);
}

/** The text at `location` of the ring, its two pieces put together. */
async function readRing(
  device: BlockDevice,
  area: LvmArea,
  location: LvmTextLocation,
): Promise<Uint8Array> {
  const { offsetBytes, sizeBytes } = location;
  const ringBytes = area.sizeBytes - MDA_HEADER_BYTES;
  const isPossible =
    offsetBytes >= MDA_HEADER_BYTES &&
    offsetBytes < area.sizeBytes &&
    sizeBytes <= Math.min(ringBytes, MAX_TEXT_BYTES);
  if (!isPossible)
    throw new HoldfastError("bad-metadata", `It cannot hold ${sizeBytes} bytes at ${offsetBytes}.`);
  const first = Math.min(sizeBytes, area.sizeBytes - offsetBytes);
  const text = new Uint8Array(sizeBytes);
  text.set(await readBytes(device, area.offsetBytes + offsetBytes, first));
  const rest = sizeBytes - first;
  if (rest > 0) text.set(await readBytes(device, area.offsetBytes + MDA_HEADER_BYTES, rest), first);
  return text;
}

/** Null: the area is there, and empty. */
async function readCopy(device: BlockDevice, at: LvmArea): Promise<LvmMetadataCopy | null> {
  const header = decodeMdaHeader(await readBytes(device, at.offsetBytes, MDA_HEADER_BYTES), at);
  if (header.kind === "bad") throw new HoldfastError("bad-metadata", `Damaged: ${header.why}.`);
  const { mda } = header;
  if (mda.committed === null) return null;
  const raw = await readRing(device, mda.area, mda.committed);
  if (lvmCrc(raw) !== mda.committed.crc)
    throw new HoldfastError("bad-metadata", "The checksum of its text is wrong.");
  const text = new TextDecoder().decode(raw).replace(/\0+$/, "");
  return { mda, volumeGroup: readVolumeGroup(text), text };
}

async function findLabel(device: BlockDevice): Promise<LvmLabel | null> {
  const sectors = Math.min(LVM_LABEL_SECTORS, device.sectors);
  const head = await readSectors(device, 0, sectors);
  for (let sector = 0; sector < sectors; sector += 1) {
    const found = decodeLvmLabel(
      head.subarray(sector * SECTOR_BYTES).subarray(0, SECTOR_BYTES),
      sector,
    );
    if (found?.kind === "good") return found.label;
  }
  return null;
}

/**
 * Null: there is no (believable) label, so this is no physical volume.
 * @throws HoldfastError `io` when the first sectors cannot be read
 */
export async function readLvmPv(device: BlockDevice): Promise<LvmPv | null> {
  const label = await findLabel(device);
  if (label === null) return null;
  const copies: LvmMetadataCopy[] = [];
  const problems: string[] = [];
  for (const area of label.metadataAreas.slice(0, MAX_AREAS)) {
    try {
      const copy = await readCopy(device, area);
      if (copy !== null) copies.push(copy);
    } catch (thrown) {
      const { message } = toHoldfastError(thrown);
      problems.push(`LVM2 metadata area at byte ${area.offsetBytes}: ${message}`);
    }
  }
  copies.sort((a, b) => b.volumeGroup.seqno - a.volumeGroup.seqno);
  return { label, copies, problems };
}
