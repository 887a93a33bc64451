/**
 * Metadata of a dm-thin pool: the superblock in block 0, and what its trees hold. Everything else is persistent-data.
 *
 *   dataMappingRoot     tree: device -> root of a tree: block of the device -> data block << 24 | time
 *   deviceDetailsRoot   tree: device -> details
 *   heldRoot            a copy of an older superblock, whose trees are kept for programs that read them: the metadata snapshot
 *
 * Facts: struct thin_disk_superblock, struct disk_device_details, pack_block_time and sb_check in drivers/md/dm-thin-metadata.c.
 */
import { bytes, u32, u64n } from "../codec/fields.ts";
import { struct } from "../codec/struct.ts";
import type { ValueOf } from "../codec/struct.ts";
import { METADATA_BLOCK_SECTORS, SPACE_MAP_ROOT_BYTES, blockProblem } from "./persistent-data.ts";
import type { BlockKind } from "./persistent-data.ts";

export const THIN_SUPERBLOCK: BlockKind = {
  name: "thin superblock",
  checksumXor: 160774,
  locationBytes: 8,
};

export const THIN_MAGIC = 27022010;
export const THIN_VERSION = 2;
/** In `flags`: it is not to be changed before a check has said that all is well. */
export const THIN_NEEDS_CHECK = 1;

export const thinSuperblock = struct("thin superblock", "little", 364, {
  checksum: u32(0),
  flags: u32(4),
  location: u64n(8),
  uuid: bytes(16, 16),
  magic: u64n(32),
  version: u32(40),
  time: u32(44),
  transactionId: u64n(48),
  /** 0: there is none. */
  heldRoot: u64n(56),
  dataSpaceMap: bytes(64, SPACE_MAP_ROOT_BYTES),
  metadataSpaceMap: bytes(192, SPACE_MAP_ROOT_BYTES),
  dataMappingRoot: u64n(320),
  deviceDetailsRoot: u64n(328),
  dataBlockSectors: u32(336),
  metadataBlockSectors: u32(340),
  metadataBlocks: u64n(344),
  compatFlags: u32(352),
  compatReadOnlyFlags: u32(356),
  incompatFlags: u32(360),
});
export type ThinSuperblock = ValueOf<typeof thinSuperblock>;

export const DEVICE_DETAILS_BYTES = 24;
export const deviceDetails = struct("thin device details", "little", DEVICE_DETAILS_BYTES, {
  mappedBlocks: u64n(0),
  /** The pool's when the device was made. */
  transactionId: u64n(8),
  creationTime: u32(16),
  snapshottedTime: u32(20),
});
export type DeviceDetails = ValueOf<typeof deviceDetails>;

/** Device numbers have so many bits. */
export const MAX_THIN_DEVICE = (1 << 24) - 1;

/** A mapping, 64 bits: 40 of the data block, 24 of the time it was written at. */
export const MAPPING_BYTES = 8;

export function mappedBlock(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * 0x100 + view.getUint8(at + 3);
}

export function mappedTime(view: DataView, at: number): number {
  return view.getUint32(at, true) & 0xffffff;
}

export function putMapping(view: DataView, at: number, block: number, time: number): void {
  view.setUint32(at, (((block % 0x100) << 24) | (time & 0xffffff)) >>> 0, true);
  view.setUint32(at + 4, Math.floor(block / 0x100), true);
}

/** Why the first block of a metadata device is no superblock that can be worked with, half a sentence; null: it can. */
export function thinSuperblockProblem(data: Uint8Array): string | null {
  const damage = blockProblem(THIN_SUPERBLOCK, data, 0);
  const found = thinSuperblock.decode(data);
  if (found.magic !== THIN_MAGIC) return "it has no superblock of a thin pool";
  if (damage !== null) return `its superblock is damaged: ${damage}`;
  if (found.version < 1 || found.version > THIN_VERSION)
    return `its superblock has version ${found.version}, and ${THIN_VERSION} is the newest that is known`;
  if (found.metadataBlockSectors !== METADATA_BLOCK_SECTORS)
    return `its blocks have ${found.metadataBlockSectors} sectors, and only ${METADATA_BLOCK_SECTORS} are known`;
  if (found.incompatFlags !== 0 || found.compatReadOnlyFlags !== 0)
    return `it uses features that are not known (flags ${found.incompatFlags}, ${found.compatReadOnlyFlags})`;
  return null;
}
