/**
 * Metadata of a dm-clone: the superblock in block 0, and a bitset with one bit for each region of the destination, set where what is in the
 * destination counts. All else is persistent-data.
 *
 * Facts: struct superblock_disk, sb_prepare_for_write and sb_check in drivers/md/dm-clone-metadata.c.
 */
import { asHex, bytes, shownAs, u32, u64n } from "../codec/fields.ts";
import { struct } from "../codec/struct.ts";
import type { ValueOf } from "../codec/struct.ts";
import { SPACE_MAP_ROOT_BYTES, blockProblem } from "./persistent-data.ts";
import type { BlockKind } from "./persistent-data.ts";

export const CLONE_SUPERBLOCK: BlockKind = {
  name: "clone superblock",
  checksumXor: 257_649_492,
  locationBytes: 8,
};

export const CLONE_MAGIC = 0x8af27f64;
export const CLONE_VERSION = 1;

/** 4 KiB to 1 GiB, a power of 2. */
export const MIN_REGION_SECTORS = 8;
export const MAX_REGION_SECTORS = 1 << 21;
export const MAX_REGIONS = 2 ** 31;

export const cloneSuperblock = struct("clone superblock", "little", 196, {
  checksum: u32(0),
  /** None are known. */
  flags: u32(4),
  location: u64n(8),
  /** Kernels write zeros. */
  uuid: bytes(16, 16),
  magic: shownAs(u64n(32), asHex),
  version: u32(40),
  metadataSpaceMap: bytes(44, SPACE_MAP_ROOT_BYTES),
  regionSectors: u64n(172),
  targetSectors: u64n(180),
  bitsetRoot: u64n(188),
});
export type CloneSuperblock = ValueOf<typeof cloneSuperblock>;

/** Why the first block of a metadata device is no superblock that can be worked with, half a sentence; null: it can. */
export function cloneSuperblockProblem(data: Uint8Array): string | null {
  const { magic, version, regionSectors, targetSectors } = cloneSuperblock.decode(data);
  if (magic !== CLONE_MAGIC) return "it has no superblock of a clone";
  const damage = blockProblem(CLONE_SUPERBLOCK, data, 0);
  if (damage !== null) return `its superblock is damaged: ${damage}`;
  if (version !== CLONE_VERSION)
    return `its superblock has version ${version}, and ${CLONE_VERSION} is the only one that is known`;
  const hasSizes =
    regionSectors >= MIN_REGION_SECTORS &&
    regionSectors <= MAX_REGION_SECTORS &&
    Number.isInteger(Math.log2(regionSectors)) &&
    targetSectors / regionSectors <= MAX_REGIONS;
  return hasSizes
    ? null
    : `its superblock speaks of ${targetSectors} sectors in regions of ${regionSectors}, which cannot be`;
}
