/**
 * ext2, ext3, ext4 and their external journals: the superblock at byte 1024.
 * Layout and rules: Linux's Documentation/filesystems/ext4/super.rst; which of the three it is follows from the
 * features, as blkid decides it. Believed only if the group count, the inodes and (where there is one) the checksum fit.
 */
import { formatBytes } from "../../base/units.ts";
import { crc32cUpdate } from "../../codec/crc32c.ts";
import type { ValueOf } from "../../codec/struct.ts";
import { rfcUuid } from "../../codec/uuid.ts";
import { extSuperblock } from "../ext4.ts";
import { fixedRange, textOrNull, uuidOrNull } from "./probe.ts";
import type { SignatureProbe } from "./probe.ts";

const MAGIC = 0xef53;
const COMPAT_JOURNAL = 0x4;
const INCOMPAT_RECOVER = 0x4;
const INCOMPAT_JOURNAL_DEVICE = 0x8;
const INCOMPAT_64BIT = 0x80;
const RO_COMPAT_CHECKSUM = 0x400;
/** Features that ext3 knows: file types, recovery, meta block groups; sparse superblocks, large files, btree directories. */
const EXT3_INCOMPAT = 0x2 | 0x4 | 0x10;
const EXT3_RO_COMPAT = 0x1 | 0x2 | 0x4;
const STATE_CLEAN = 1;
const STATE_ERRORS = 2;

type Superblock = ValueOf<typeof extSuperblock>;

function typeOf(sb: Superblock): "ext2" | "ext3" | "ext4" | "jbd" {
  if ((sb.featureIncompat & INCOMPAT_JOURNAL_DEVICE) !== 0) return "jbd";
  const isNew =
    (sb.featureIncompat & ~EXT3_INCOMPAT) !== 0 || (sb.featureRoCompat & ~EXT3_RO_COMPAT) !== 0;
  if (isNew) return "ext4";
  return (sb.featureCompat & COMPAT_JOURNAL) === 0 ? "ext2" : "ext3";
}

function blocksOf(sb: Superblock): number {
  const high = (sb.featureIncompat & INCOMPAT_64BIT) === 0 ? 0 : sb.blocksCountHigh;
  return high * 0x1_0000_0000 + sb.blocksCount;
}

/** Linux refuses to mount when the inodes do not fit the groups, so this holds for every file system in use. */
function fits(sb: Superblock): boolean {
  if (sb.blocksPerGroup === 0 || sb.inodesPerGroup === 0) return false;
  const groups = Math.ceil((blocksOf(sb) - sb.firstDataBlock) / sb.blocksPerGroup);
  return groups > 0 && groups * sb.inodesPerGroup === sb.inodesCount;
}

function isBelievable(sb: Superblock, data: Uint8Array): boolean {
  if (sb.magic !== MAGIC || sb.logBlockSize > 6 || sb.revision > 1) return false;
  // A copy of the superblock in a later group says which one; it does not start a file system.
  if (sb.blockGroup !== 0) return false;
  if ((sb.featureRoCompat & RO_COMPAT_CHECKSUM) !== 0)
    if (crc32cUpdate(0xffffffff, data.subarray(0, 1020)) !== sb.checksum) return false;
  return typeOf(sb) === "jbd" || fits(sb);
}

function describe(sb: Superblock, sizeBytes: number, deviceBytes: number): string {
  const type = typeOf(sb);
  if (type === "jbd") return "external journal of an ext3 or ext4 file system";
  const notes: string[] = [];
  if ((sb.featureIncompat & INCOMPAT_RECOVER) !== 0) notes.push("its journal is to be replayed");
  else if ((sb.state & STATE_CLEAN) === 0) notes.push("not cleanly unmounted");
  if ((sb.state & STATE_ERRORS) !== 0) notes.push("has recorded errors");
  if (sizeBytes > deviceBytes)
    notes.push(`larger than its device by ${formatBytes(sizeBytes - deviceBytes)}`);
  return [`${type} file system`, ...notes].join(", ");
}

export const extProbe: SignatureProbe = {
  name: "ext",
  types: ["ext2", "ext3", "ext4", "jbd"],
  use: "file-system",
  ranges: fixedRange(1024, extSuperblock.size),
  recognise([data], deviceBytes) {
    const sb = extSuperblock.decode(data!);
    if (!isBelievable(sb, data!)) return null;
    const sizeBytes = blocksOf(sb) * 1024 * 2 ** sb.logBlockSize;
    return {
      type: typeOf(sb),
      label: textOrNull(sb.volumeName),
      uuid: uuidOrNull(sb.uuid, rfcUuid),
      sizeBytes,
      text: describe(sb, sizeBytes, deviceBytes),
    };
  },
};
