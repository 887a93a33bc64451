/**
 * The journal of ext3 and ext4 (jbd2): a ring of blocks of the file system's block size. All big-endian.
 *
 *   block 0       first ............................................. end           maxLength
 *   superblock    | descriptor, data ... , revoke, commit | next ... |  fast commits |
 *
 * A descriptor says of each data block behind it where it belongs, a revoke block of which blocks nothing older may be
 * replayed, a commit block ends a transaction. All carry the transaction's sequence number, which goes up by one and wraps.
 *
 * checksums   none     -
 *             v1       commit block: CRC-32 (not reflected) of the descriptors and data blocks of its transaction
 *             v2, v3   CRC-32C with the UUID's as seed, without the last inversion: descriptor and revoke blocks in their last
 *                      four bytes, commit blocks in their header, each data block in its tag (v2: the lower half)
 *
 * Facts: Documentation/filesystems/ext4/journal.rst, include/linux/jbd2.h, fs/jbd2/recovery.c; docs/formats/jbd2.md.
 */
import { HoldfastError } from "../base/errors.ts";
import { crc32cUpdate } from "../codec/crc32c.ts";
import { asHex, bytes, shownAs, u16, u32, u64n, u8 } from "../codec/fields.ts";
import { struct } from "../codec/struct.ts";

export const JBD2_MAGIC = 0xc03b_3998;
export const JBD2_SUPERBLOCK_BYTES = 1024;

export const Jbd2BlockType = {
  descriptor: 1,
  commit: 2,
  superblockV1: 3,
  superblockV2: 4,
  revoke: 5,
} as const;

export const Jbd2Compat = { checksum: 0x1 } as const;

export const Jbd2Incompat = {
  revoke: 0x1,
  is64bit: 0x2,
  asyncCommit: 0x4,
  checksumV2: 0x8,
  checksumV3: 0x10,
  fastCommit: 0x20,
} as const;

const KNOWN_INCOMPAT = 0x3f;

export const Jbd2TagFlag = { escaped: 1, sameUuid: 2, deleted: 4, last: 8 } as const;

/** The values of `checksumType`. */
const Jbd2ChecksumType = { crc32: 1, md5: 2, sha1: 3, crc32c: 4 } as const;

/** The first bytes of every block but those of data. */
export const jbd2Header = struct("jbd2Header", "big", 12, {
  magic: shownAs(u32(0), asHex),
  blockType: u32(4),
  sequence: u32(8),
});

/** What lies behind `errno` exists in version 2 only. */
export const jbd2Superblock = struct("jbd2Superblock", "big", JBD2_SUPERBLOCK_BYTES, {
  magic: shownAs(u32(0), asHex),
  blockType: u32(4),
  headerSequence: u32(8),
  blockBytes: u32(12),
  /** Blocks, this one included. */
  maxLength: u32(16),
  /** First block of the ring. */
  first: u32(20),
  /** First sequence number to expect. */
  sequence: u32(24),
  /** Block where the log starts; 0: it holds nothing. */
  start: u32(28),
  errno: u32(32),
  featureCompat: shownAs(u32(36), asHex),
  featureIncompat: shownAs(u32(40), asHex),
  featureRoCompat: shownAs(u32(44), asHex),
  uuid: bytes(48, 16),
  users: u32(64),
  checksumType: u8(80),
  fastCommitBlocks: u32(84),
  head: u32(88),
  checksum: shownAs(u32(252), asHex),
});

export const jbd2Commit = struct("jbd2Commit", "big", 60, {
  magic: shownAs(u32(0), asHex),
  blockType: u32(4),
  sequence: u32(8),
  checksumType: u8(12),
  checksumBytes: u8(13),
  checksum: shownAs(u32(16), asHex),
  /** Since 1970. */
  seconds: u64n(48),
  nanoseconds: u32(56),
});

export const jbd2Revoke = struct("jbd2Revoke", "big", 16, {
  magic: shownAs(u32(0), asHex),
  blockType: u32(4),
  sequence: u32(8),
  /** This header and the block numbers behind it. */
  usedBytes: u32(12),
});

/** Without v3. `blockHigh` follows if the journal is a 64-bit one. */
export const jbd2Tag = struct("jbd2Tag", "big", 8, {
  block: u32(0),
  checksum: u16(4),
  flags: u16(6),
});

export const jbd2Tag3 = struct("jbd2Tag3", "big", 16, {
  block: u32(0),
  flags: u32(4),
  blockHigh: u32(8),
  checksum: u32(12),
});

const UUID_BYTES = 16;
/** Of descriptor and revoke blocks with checksums. */
const TAIL_BYTES = 4;
const COMMIT_CHECKSUM_OFFSET = jbd2Commit.fields.checksum.offset;
const SUPERBLOCK_CHECKSUM_OFFSET = jbd2Superblock.fields.checksum.offset;
const DEFAULT_FAST_COMMIT_BLOCKS = 256;
/** A ring is never made smaller than that for fast commits. */
const MIN_RING_BLOCKS = 1024;

export type Jbd2Checksums = "none" | "v1" | "v2" | "v3";

/** What it takes to read a journal. */
export interface Jbd2Journal {
  readonly blockBytes: number;
  /** The ring: blocks `first` to `end` (exclusive) of the journal. */
  readonly first: number;
  readonly end: number;
  /** Blocks, superblock and fast commits included. */
  readonly maxLength: number;
  /** 0: nothing is to be replayed. */
  readonly start: number;
  readonly sequence: number;
  readonly is64bit: boolean;
  readonly checksums: Jbd2Checksums;
  /** Commit blocks may reach the disk before what they commit. */
  readonly asyncCommit: boolean;
  /** Fast commits are in blocks `from` to `maxLength`; null without the feature. */
  readonly fastCommitsFrom: number | null;
  /** Register of the CRC-32C after the UUID. */
  readonly seed: number;
}

export interface Jbd2BlockTag {
  /** Block of the file system. From 2^53 on it is not exact: nothing has so many blocks. */
  readonly block: number;
  /** The data block began with the magic number; it is zeros in the journal. */
  readonly escaped: boolean;
  /** As far as the tag holds it; null without v2 or v3. */
  readonly checksum: number | null;
}

function bad(what: string): HoldfastError {
  return new HoldfastError("bad-metadata", `the journal is damaged: ${what}.`);
}

/** CRC-32C of `data` with `zeroed` bytes from `at` on taken as zero. */
function crcWithHole(seed: number, data: Uint8Array, at: number, zeroed = 4): number {
  const before = crc32cUpdate(seed, data.subarray(0, at));
  const hole = crc32cUpdate(before, new Uint8Array(zeroed));
  return crc32cUpdate(hole, data.subarray(at + zeroed));
}

function u32At(data: Uint8Array, at: number): number {
  return new DataView(data.buffer, data.byteOffset, data.byteLength).getUint32(at);
}

type Superblock = ReturnType<typeof jbd2Superblock.decode>;

function checksumsOf(sb: Superblock, isV2: boolean): Jbd2Checksums {
  if (!isV2) return "none";
  const v1 = (sb.featureCompat & Jbd2Compat.checksum) !== 0;
  const v2 = (sb.featureIncompat & Jbd2Incompat.checksumV2) !== 0;
  const v3 = (sb.featureIncompat & Jbd2Incompat.checksumV3) !== 0;
  if (Number(v1) + Number(v2) + Number(v3) > 1) throw bad("it has two kinds of checksums");
  return v3 ? "v3" : v2 ? "v2" : v1 ? "v1" : "none";
}

function checkSuperblock(sb: Superblock, raw: Uint8Array, checksums: Jbd2Checksums): void {
  if (checksums === "v2" || checksums === "v3") {
    if (sb.checksumType !== Jbd2ChecksumType.crc32c)
      throw bad(`its checksums are of an unknown type (${sb.checksumType})`);
    const head = raw.subarray(0, JBD2_SUPERBLOCK_BYTES);
    if (crcWithHole(0xffff_ffff, head, SUPERBLOCK_CHECKSUM_OFFSET) !== sb.checksum)
      throw bad("the checksum of its superblock is wrong");
  }
  if (sb.first === 0 || sb.first >= sb.maxLength) throw bad("its superblock contradicts itself");
}

/**
 * Reads a journal's first block.
 * @param raw at least 1024 bytes
 * @throws HoldfastError `bad-metadata`, `unsupported`
 */
export function readJbd2Superblock(raw: Uint8Array): Jbd2Journal {
  const sb = jbd2Superblock.decode(raw);
  const isV2 = sb.blockType === Jbd2BlockType.superblockV2;
  if (sb.magic !== JBD2_MAGIC || (!isV2 && sb.blockType !== Jbd2BlockType.superblockV1))
    throw bad("it has no superblock");
  const incompat = isV2 ? sb.featureIncompat : 0;
  const unknown = (incompat & ~KNOWN_INCOMPAT) >>> 0;
  if (unknown !== 0 || (isV2 && sb.featureRoCompat !== 0)) {
    const which = `incompatible ${asHex(unknown)}, read-only ${asHex(sb.featureRoCompat)}`;
    const text = `the journal uses features that are not supported (${which}).`;
    throw new HoldfastError("unsupported", text);
  }
  const checksums = checksumsOf(sb, isV2);
  checkSuperblock(sb, raw, checksums);
  const ring = ringOf(sb, (incompat & Jbd2Incompat.fastCommit) !== 0);
  if (sb.start !== 0 && (sb.start < sb.first || sb.start >= ring.end))
    throw bad("it starts outside of itself");
  return {
    blockBytes: sb.blockBytes,
    first: sb.first,
    ...ring,
    maxLength: sb.maxLength,
    start: sb.start,
    sequence: sb.sequence,
    is64bit: (incompat & Jbd2Incompat.is64bit) !== 0,
    checksums,
    asyncCommit: (incompat & Jbd2Incompat.asyncCommit) !== 0,
    seed: crc32cUpdate(0xffff_ffff, sb.uuid),
  };
}

/** The block between the ring and the first fast commit stays unused. */
function ringOf(
  sb: Superblock,
  hasFastCommits: boolean,
): Pick<Jbd2Journal, "end" | "fastCommitsFrom"> {
  if (!hasFastCommits) return { end: sb.maxLength, fastCommitsFrom: null };
  const fast = sb.fastCommitBlocks === 0 ? DEFAULT_FAST_COMMIT_BLOCKS : sb.fastCommitBlocks;
  const end = sb.maxLength - fast >= MIN_RING_BLOCKS ? sb.maxLength - fast : sb.maxLength;
  return { end, fastCommitsFrom: end + 1 };
}

function hasBlockChecksums(journal: Jbd2Journal): boolean {
  return journal.checksums === "v2" || journal.checksums === "v3";
}

/** Tags of v2 are two bytes longer than their fields. */
function tagBytes(journal: Jbd2Journal): number {
  if (journal.checksums === "v3") return jbd2Tag3.size;
  return jbd2Tag.size + (journal.checksums === "v2" ? 2 : 0) + (journal.is64bit ? 4 : 0);
}

/** The tags of a descriptor block, one for each data block behind it. */
export function jbd2Tags(journal: Jbd2Journal, descriptor: Uint8Array): Jbd2BlockTag[] {
  const size = tagBytes(journal);
  const end = journal.blockBytes - (hasBlockChecksums(journal) ? TAIL_BYTES : 0);
  const tags: Jbd2BlockTag[] = [];
  for (let at = jbd2Header.size; at + size <= end;) {
    const { tag, flags } = readTag(journal, descriptor, at);
    tags.push(tag);
    if ((flags & Jbd2TagFlag.last) !== 0) break;
    at += size + ((flags & Jbd2TagFlag.sameUuid) === 0 ? UUID_BYTES : 0);
  }
  return tags;
}

function readTag(
  journal: Jbd2Journal,
  data: Uint8Array,
  at: number,
): { readonly tag: Jbd2BlockTag; readonly flags: number } {
  let low: number;
  let high: number;
  let flags: number;
  let checksum: number | null;
  if (journal.checksums === "v3")
    ({ block: low, blockHigh: high, flags, checksum } = jbd2Tag3.decode(data, at));
  else {
    ({ block: low, flags, checksum } = jbd2Tag.decode(data, at));
    high = journal.is64bit ? u32At(data, at + jbd2Tag.size) : 0;
  }
  const block = low + (journal.is64bit ? high * 2 ** 32 : 0);
  const escaped = (flags & Jbd2TagFlag.escaped) !== 0;
  return { tag: { block, escaped, checksum: hasBlockChecksums(journal) ? checksum : null }, flags };
}

/** The blocks that a revoke block names; null if it says that it is longer than it can be. */
export function jbd2Revoked(journal: Jbd2Journal, block: Uint8Array): number[] | null {
  const { usedBytes } = jbd2Revoke.decode(block);
  if (usedBytes > journal.blockBytes - (hasBlockChecksums(journal) ? TAIL_BYTES : 0)) return null;
  const size = journal.is64bit ? 8 : 4;
  const revoked: number[] = [];
  for (let at = jbd2Revoke.size; at + size <= usedBytes; at += size) {
    const high = journal.is64bit ? u32At(block, at) : 0;
    revoked.push(high * 2 ** 32 + u32At(block, at + size - 4));
  }
  return revoked;
}

/** Of a descriptor or revoke block; true without v2 or v3. */
export function isJbd2BlockIntact(journal: Jbd2Journal, block: Uint8Array): boolean {
  if (!hasBlockChecksums(journal)) return true;
  const at = journal.blockBytes - TAIL_BYTES;
  return crcWithHole(journal.seed, block, at) === u32At(block, at);
}

/** Of a commit block itself; true without v2 or v3. */
export function isJbd2CommitIntact(journal: Jbd2Journal, block: Uint8Array): boolean {
  if (!hasBlockChecksums(journal)) return true;
  const found = u32At(block, COMMIT_CHECKSUM_OFFSET);
  return crcWithHole(journal.seed, block, COMMIT_CHECKSUM_OFFSET) === found;
}

/** @param data the block as it is in the journal; true without v2 or v3 */
export function isJbd2DataIntact(
  journal: Jbd2Journal,
  tag: Jbd2BlockTag,
  sequence: number,
  data: Uint8Array,
): boolean {
  if (tag.checksum === null) return true;
  const number = new Uint8Array(4);
  new DataView(number.buffer).setUint32(0, sequence);
  const crc = crc32cUpdate(crc32cUpdate(journal.seed, number), data);
  return tag.checksum === (journal.checksums === "v3" ? crc : crc & 0xffff);
}

/** @param crc of all descriptor and data blocks of the transaction, from `crc32BigUpdate`, begun with all ones */
export function isJbd2TransactionIntact(block: Uint8Array, crc: number): boolean {
  const { checksumType, checksumBytes, checksum } = jbd2Commit.decode(block);
  // A commit without any checksum is one of an older kernel.
  if (checksumType === 0 && checksumBytes === 0 && checksum === 0) return true;
  return checksumType === Jbd2ChecksumType.crc32 && checksumBytes === 4 && checksum === crc;
}

/** Puts back what was taken out so that the block could not be mistaken for one of the journal's. */
export function unescapeJbd2(data: Uint8Array): void {
  jbd2Header.encodeInto(data, 0, { magic: JBD2_MAGIC });
}
