/**
 * XFS: the superblock at byte 0, big endian (kernel: fs/xfs/libxfs/xfs_format.h). From version 5 on it has a
 * CRC-32C over its sector, stored little endian.
 */
import { crc32c } from "../../codec/crc32c.ts";
import { bytes, text, u16, u32, u64n, u8 } from "../../codec/fields.ts";
import { struct } from "../../codec/struct.ts";
import type { ValueOf } from "../../codec/struct.ts";
import { rfcUuid } from "../../codec/uuid.ts";
import { fixedRange, isPowerOfTwo, textOrNull } from "./probe.ts";
import type { SignatureProbe } from "./probe.ts";

const MAGIC = "XFSB";
const MAX_SECTOR_BYTES = 4096;
const CRC_OFFSET = 224;

const xfsSuperblock = struct("xfsSuperblock", "big", 264, {
  magic: text(0, 4),
  blockSize: u32(4),
  dataBlocks: u64n(8),
  uuid: bytes(32, 16),
  logStart: u64n(48),
  agBlocks: u32(84),
  agCount: u32(88),
  version: u16(100),
  sectorSize: u16(102),
  inodeSize: u16(104),
  name: text(108, 12),
  blockLog: u8(120),
  sectorLog: u8(121),
  inodeLog: u8(122),
});

type Superblock = ValueOf<typeof xfsSuperblock>;

function isBelievable(sb: Superblock, data: Uint8Array): boolean {
  if (sb.magic !== MAGIC) return false;
  const sizesFit =
    isPowerOfTwo(sb.blockSize) &&
    sb.blockSize === 2 ** sb.blockLog &&
    sb.sectorSize === 2 ** sb.sectorLog &&
    sb.inodeSize === 2 ** sb.inodeLog &&
    sb.sectorSize >= 512 &&
    sb.sectorSize <= 32768;
  // All allocation groups but the last are full.
  const groupsFit =
    sb.agCount > 0 &&
    sb.dataBlocks <= sb.agCount * sb.agBlocks &&
    sb.dataBlocks > (sb.agCount - 1) * sb.agBlocks;
  if (!sizesFit || !groupsFit) return false;
  return (
    (sb.version & 0xf) < 5 || sb.sectorSize > MAX_SECTOR_BYTES || crcHolds(data, sb.sectorSize)
  );
}

function crcHolds(data: Uint8Array, sectorSize: number): boolean {
  const sector = data.slice(0, sectorSize);
  const stored = new DataView(sector.buffer).getUint32(CRC_OFFSET, true);
  sector.fill(0, CRC_OFFSET, CRC_OFFSET + 4);
  return crc32c(sector) === stored;
}

export const xfsProbe: SignatureProbe = {
  name: "xfs",
  types: ["xfs"],
  use: "file-system",
  ranges: fixedRange(0, MAX_SECTOR_BYTES),
  recognise([data]) {
    const sb = xfsSuperblock.decode(data!);
    if (!isBelievable(sb, data!)) return null;
    const log = sb.logStart === 0 ? ", its log is on another device" : "";
    return {
      type: "xfs",
      label: textOrNull(sb.name),
      uuid: rfcUuid(sb.uuid),
      sizeBytes: sb.dataBlocks * sb.blockSize,
      text: `xfs file system${log}`,
    };
  },
};
