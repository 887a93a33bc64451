/**
 * The blocks of device-mapper's persistent-data, on which thin and clone keep their metadata: 4 KiB each, with a checksum at the start and
 * the block's own number, so a block of another kind, or one that was meant for another place, is never taken for what it is not.
 *
 *   btree node   32 bytes of header, room for maxEntries keys of 8 bytes, then room for as many values
 *   bitmap       16 bytes of header, then 2 bits for each block: 0, 1, 2, or 3 for "look into the tree of reference counts"
 *   index        16 bytes of header, then 255 index entries: which block holds which bitmap of the metadata's own space map
 *   array block  24 bytes of header, then values
 *
 * Facts: drivers/md/persistent-data (dm-block-manager.c, dm-btree-internal.h, dm-space-map-common.h, dm-array.c).
 */
import { u32, u64n } from "../codec/fields.ts";
import { crc32cUpdate } from "../codec/crc32c.ts";
import { struct } from "../codec/struct.ts";
import type { ValueOf } from "../codec/struct.ts";

export const METADATA_BLOCK_BYTES = 4096;
export const METADATA_BLOCK_SECTORS = 8;

export interface BlockKind {
  readonly name: string;
  /** The checksum is crc32c without the last inversion, XOR this. */
  readonly checksumXor: number;
  /** Where in the block its own number is, 64 bits. */
  readonly locationBytes: number;
}

export const BTREE_NODE: BlockKind = {
  name: "btree node",
  checksumXor: 121107,
  locationBytes: 8,
};
export const BITMAP_BLOCK: BlockKind = {
  name: "space map bitmap",
  checksumXor: 240779,
  locationBytes: 8,
};
export const INDEX_BLOCK: BlockKind = {
  name: "space map index",
  checksumXor: 160478,
  locationBytes: 8,
};
export const ARRAY_BLOCK: BlockKind = {
  name: "array block",
  checksumXor: 595846735,
  locationBytes: 16,
};

export const NODE_HEADER_BYTES = 32;
export const KEY_BYTES = 8;

export const nodeHeader = struct("btree node", "little", NODE_HEADER_BYTES, {
  checksum: u32(0),
  flags: u32(4),
  location: u64n(8),
  entries: u32(16),
  maxEntries: u32(20),
  valueBytes: u32(24),
});

export const NodeFlags = { internal: 1, leaf: 2 } as const;

/** A multiple of 3, so that thirds of a node are whole. */
export function maxEntriesOf(valueBytes: number): number {
  const room = Math.floor((METADATA_BLOCK_BYTES - NODE_HEADER_BYTES) / (KEY_BYTES + valueBytes));
  return room - (room % 3);
}

export const BITMAP_HEADER_BYTES = 16;
/** Blocks that one bitmap speaks for. */
export const BITMAP_ENTRIES = (METADATA_BLOCK_BYTES - BITMAP_HEADER_BYTES) * 4;
/** In a bitmap: the count is this or more, and stands in the tree of reference counts. */
export const COUNT_IN_TREE = 3;

const INDEX_HEADER_BYTES = 16;
export const MAX_METADATA_BITMAPS = 255;
/** More of a metadata device is not used. */
export const MAX_METADATA_BLOCKS = MAX_METADATA_BITMAPS * BITMAP_ENTRIES;

export const indexEntry = struct("space map index entry", "little", 16, {
  bitmap: u64n(0),
  free: u32(8),
  /** No block before this one, counted within the bitmap, is free. */
  noneFreeBefore: u32(12),
});
export type IndexEntry = ValueOf<typeof indexEntry>;

/** Of the entry for a bitmap in an index block. */
export function indexEntryOffset(bitmap: number): number {
  return INDEX_HEADER_BYTES + bitmap * indexEntry.size;
}

/** In a superblock, with room for more. */
export const SPACE_MAP_ROOT_BYTES = 128;
export const spaceMapRoot = struct("space map root", "little", SPACE_MAP_ROOT_BYTES, {
  blocks: u64n(0),
  allocated: u64n(8),
  /** The index block of the metadata's own map; else the root of a tree of index entries. */
  index: u64n(16),
  /** The root of the tree of counts that no bitmap can hold. */
  counts: u64n(24),
});

export const arrayHeader = struct("array block", "little", 24, {
  checksum: u32(0),
  maxEntries: u32(4),
  entries: u32(8),
  valueBytes: u32(12),
  location: u64n(16),
});

function viewOf(data: Uint8Array): DataView {
  return new DataView(data.buffer, data.byteOffset, data.byteLength);
}

function checksumOf(kind: BlockKind, data: Uint8Array): number {
  return (crc32cUpdate(0xffffffff, data.subarray(4)) ^ kind.checksumXor) >>> 0;
}

/** Makes a block ready to be written at `location`. */
export function sealBlock(kind: BlockKind, data: Uint8Array, location: number): void {
  const view = viewOf(data);
  view.setBigUint64(kind.locationBytes, BigInt(location), true);
  view.setUint32(0, checksumOf(kind, data), true);
}

/** What is wrong with a block that was read at `location`, half a sentence; null: nothing. */
export function blockProblem(kind: BlockKind, data: Uint8Array, location: number): string | null {
  const view = viewOf(data);
  const wanted = checksumOf(kind, data);
  const found = view.getUint32(0, true);
  if (found !== wanted)
    return `its checksum is 0x${found.toString(16)}, and 0x${wanted.toString(16)} would be right for a ${kind.name}`;
  const says = view.getBigUint64(kind.locationBytes, true);
  return says === BigInt(location) ? null : `it says that it is block ${says}`;
}
