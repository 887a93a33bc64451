/**
 * btrfs: the first superblock, at 64 KiB (kernel: include/uapi/linux/btrfs_tree.h). A btrfs may span devices;
 * the size told is that of this one. The checksum is verified where its kind is CRC-32C (the default) or SHA-256.
 */
import { createHash } from "node:crypto";
import { crc32c } from "../../codec/crc32c.ts";
import { bytes, text, u16, u32, u64n } from "../../codec/fields.ts";
import { struct } from "../../codec/struct.ts";
import { rfcUuid } from "../../codec/uuid.ts";
import { fixedRange, isPowerOfTwo, sizeOrNull, textOrNull } from "./probe.ts";
import type { SignatureProbe } from "./probe.ts";

const OFFSET = 65_536;
const MAGIC = "_BHRfS_M";

const btrfsSuperblock = struct("btrfsSuperblock", "little", 4096, {
  checksum: bytes(0, 32),
  fsid: bytes(32, 16),
  byteNumber: u64n(48),
  magic: text(64, 8),
  generation: u64n(72),
  totalBytes: u64n(112),
  deviceCount: u64n(136),
  sectorSize: u32(144),
  nodeSize: u32(148),
  checksumType: u16(196),
  deviceId: u64n(201),
  deviceBytes: u64n(209),
  deviceUuid: bytes(267, 16),
  label: text(299, 256),
});

function checksumHolds(type: number, stored: Uint8Array, covered: Uint8Array): boolean {
  if (type === 0)
    return new DataView(stored.buffer, stored.byteOffset).getUint32(0, true) === crc32c(covered);
  if (type === 2) return createHash("sha256").update(covered).digest().equals(stored);
  // 1 is xxhash64, 3 is BLAKE2b-256: not computed here.
  return type === 1 || type === 3;
}

export const btrfsProbe: SignatureProbe = {
  name: "btrfs",
  types: ["btrfs"],
  use: "file-system",
  ranges: fixedRange(OFFSET, btrfsSuperblock.size),
  recognise([data]) {
    const sb = btrfsSuperblock.decode(data!);
    const isBelievable =
      sb.magic === MAGIC &&
      sb.byteNumber === OFFSET &&
      isPowerOfTwo(sb.sectorSize) &&
      isPowerOfTwo(sb.nodeSize) &&
      checksumHolds(sb.checksumType, sb.checksum, data!.subarray(32));
    if (!isBelievable) return null;
    const part = sb.deviceCount > 1 ? `, device ${sb.deviceId} of ${sb.deviceCount}` : "";
    return {
      type: "btrfs",
      label: textOrNull(sb.label),
      uuid: rfcUuid(sb.fsid),
      sizeBytes: sizeOrNull(sb.deviceBytes),
      text: `btrfs file system${part}`,
    };
  },
};
