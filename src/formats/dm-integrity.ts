/**
 * dm-integrity on its device: a superblock, then the journal (in bitmap mode the bitmap, in the same place), then tags and data.
 *
 *   8 sectors        sections of the journal                           runs of tags and data in turn
 *   | superblock | entries, data | entries, data | ... | tags | data | tags | data | ...
 *
 * A section has 8 sectors of entries, then the data of each of them. Entry n is in sector n % 8. The last 8 bytes of every sector of the journal
 * are its commit id, so an entry keeps what its data had there. With a device for metadata the tags follow the journal, and the data is elsewhere.
 * Facts: struct superblock, journal_entry and journal_sector in drivers/md/dm-integrity.c; docs/kernel/dm-integrity.md.
 */
import { asHex, bytes, shownAs, text, u16, u32, u64n, u8 } from "../codec/fields.ts";
import { struct } from "../codec/struct.ts";
import type { ValueOf } from "../codec/struct.ts";

export const INTEGRITY_MAGIC = "integrt";
export const INTEGRITY_SUPERBLOCK_SECTORS = 8;

export const INTEGRITY_FLAGS = {
  journalMac: 0x1,
  /** Tags are right up to `recalculatedSectors` only. */
  recalculating: 0x2,
  /** In use with a bitmap: its bits say which tags may be wrong. */
  dirtyBitmap: 0x4,
  /** Runs of tags are rounded to 4 KiB, not to 128 KiB. */
  fixedPadding: 0x8,
  /** The salt is part of every hash. */
  fixedHmac: 0x10,
  /** Tags are in the device's own integrity data. */
  inline: 0x20,
} as const;

export const INTEGRITY_SALT_BYTES = 16;

export const integritySuperblock = struct("integrity superblock", "little", 64, {
  magic: text(0, 8),
  version: u8(8),
  /** 0 with a device for metadata. */
  logInterleaveSectors: u8(9),
  tagBytes: u16(10),
  journalSections: u32(12),
  /** Data sectors, as whoever used it last found. */
  dataSectors: u64n(16),
  flags: shownAs(u32(24), asHex),
  logSectorsPerBlock: u8(28),
  logBlocksPerBit: u8(29),
  recalculatedSectors: u64n(32),
  salt: bytes(48, INTEGRITY_SALT_BYTES),
});

export type IntegritySuperblock = ValueOf<typeof integritySuperblock>;

/** The newest version there is; it says no more than the flags do. */
const NEWEST_VERSION = 6;

/** The version that goes with what a superblock says. */
export function integrityVersion(
  flags: number,
  hasBitmap: boolean,
  hasMetaDevice: boolean,
): number {
  if ((flags & INTEGRITY_FLAGS.inline) !== 0) return 6;
  if ((flags & INTEGRITY_FLAGS.fixedHmac) !== 0) return 5;
  if ((flags & INTEGRITY_FLAGS.fixedPadding) !== 0) return 4;
  if (hasBitmap || (flags & INTEGRITY_FLAGS.dirtyBitmap) !== 0) return 3;
  return hasMetaDevice || (flags & INTEGRITY_FLAGS.recalculating) !== 0 ? 2 : 1;
}

/** Why nothing can be made of it, half a sentence; null: it is sound. */
export function integritySuperblockProblem(
  superblock: IntegritySuperblock,
  hasMetaDevice: boolean,
): string | null {
  const { version, flags, journalSections, logInterleaveSectors, tagBytes } = superblock;
  if (version < 1 || version > NEWEST_VERSION)
    return `its superblock has version ${version}, and 1 to ${NEWEST_VERSION} are known`;
  if ((flags & INTEGRITY_FLAGS.inline) !== 0)
    return "its tags are in the integrity data of the device itself, which is not supported";
  if ((flags & INTEGRITY_FLAGS.journalMac) !== 0)
    return "its journal is signed with a key, which is not supported";
  if (journalSections === 0) return "its superblock is damaged: the journal has no sections";
  if (tagBytes === 0) return "its superblock is damaged: tags have no bytes";
  if (superblock.logSectorsPerBlock > MAX_LOG_SECTORS_PER_BLOCK)
    return "its superblock is damaged: blocks are too large";
  if (hasMetaDevice && logInterleaveSectors !== 0)
    return "its superblock is of a device that holds its own tags, and the table has a meta_device";
  const isPossible =
    logInterleaveSectors >= MIN_LOG_INTERLEAVE && logInterleaveSectors <= MAX_LOG_INTERLEAVE;
  if (!hasMetaDevice && !isPossible)
    return "its superblock is damaged, or it belongs to a meta_device: runs of data have an impossible length";
  return null;
}

export const MIN_LOG_INTERLEAVE = 3;
export const MAX_LOG_INTERLEAVE = 31;
const MAX_LOG_SECTORS_PER_BLOCK = 3;

/** Sectors of entries in each section. */
export const ENTRY_SECTORS = 8;
export const COMMIT_ID_BYTES = 8;
/** Of a sector of the journal, what is not its commit id. */
export const JOURNAL_SECTOR_DATA_BYTES = 512 - COMMIT_ID_BYTES;
/** Where a MAC would be; entries reach into it where there is none. */
const MAC_BYTES = 8;
const ENTRY_SECTOR_BYTES = 8;
/** An entry with a larger tag might not fit into a sector. */
export const MAX_TAG_BYTES = JOURNAL_SECTOR_DATA_BYTES - MAC_BYTES - ENTRY_SECTOR_BYTES - 8 * 8;

/** An entry: the sector (8 bytes), the last bytes of each sector of its data (8 bytes each), the tag, and padding to 8 bytes. */
export function journalEntryBytes(sectorsPerBlock: number, tagBytes: number): number {
  const bytesUsed = ENTRY_SECTOR_BYTES + sectorsPerBlock * COMMIT_ID_BYTES + tagBytes;
  return Math.ceil(bytesUsed / 8) * 8;
}

/** The upper half of the sector of an entry that holds nothing. */
export const UNUSED_ENTRY = 0xffff_ffff;

/** There are four commit ids, which follow each other round and round; with each turn of the journal comes the next. */
export const COMMIT_SEQUENCES = 4;
const COMMIT_WORDS = [0x1111_1111, 0x2222_2222, 0x3333_3333, 0x4444_4444] as const;

/** The halves of the commit id of a sector of a section: what was written to another place is not taken for it. */
export function commitIdLow(sequence: number, sector: number): number {
  return (COMMIT_WORDS[sequence]! ^ sector) >>> 0;
}

export function commitIdHigh(sequence: number, section: number): number {
  return (COMMIT_WORDS[sequence]! ^ section) >>> 0;
}

/** The tag bytes of what was discarded. */
export const DISCARDED_TAG_BYTE = 0xf6;

/** A bitmap is written in blocks of that. */
export const BITMAP_BLOCK_BYTES = 4096;
