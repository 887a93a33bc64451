/** File systems met now and then: F2FS, JFS, ReiserFS, SquashFS, ISO 9660, UDF. Known by name, never opened. */
import { array, bytes, text, u16, u32, u64n, u8 } from "../../codec/fields.ts";
import { struct } from "../../codec/struct.ts";
import { rfcUuid } from "../../codec/uuid.ts";
import { ascii, fixedRange, isPowerOfTwo, sizeOrNull, textOrNull, uuidOrNull } from "./probe.ts";
import type { SignatureProbe } from "./probe.ts";

/** Kernel: include/linux/f2fs_fs.h; at byte 1024. */
const f2fsSuperblock = struct("f2fsSuperblock", "little", 1148, {
  magic: u32(0),
  majorVersion: u16(4),
  minorVersion: u16(6),
  logSectorBytes: u32(8),
  logBlockBytes: u32(16),
  logBlocksPerSegment: u32(20),
  blocks: u64n(36),
  uuid: bytes(108, 16),
  name: bytes(124, 1024),
});

export const f2fsProbe: SignatureProbe = {
  name: "f2fs",
  types: ["f2fs"],
  use: "file-system",
  ranges: fixedRange(1024, f2fsSuperblock.size),
  recognise([data]) {
    const sb = f2fsSuperblock.decode(data!);
    const isBelievable =
      sb.magic === 0xf2f52010 &&
      sb.logSectorBytes >= 9 &&
      sb.logSectorBytes <= 16 &&
      sb.logBlockBytes >= 12 &&
      sb.logBlockBytes <= 16 &&
      sb.logBlocksPerSegment <= 12;
    if (!isBelievable) return null;
    const name = new TextDecoder("utf-16le").decode(sb.name);
    return {
      type: "f2fs",
      label: textOrNull(name.slice(0, Math.max(0, name.indexOf("\0")))),
      uuid: rfcUuid(sb.uuid),
      sizeBytes: sizeOrNull(sb.blocks * 2 ** sb.logBlockBytes),
      text: "f2fs file system",
    };
  },
};

/** Kernel: fs/jfs/jfs_superblock.h; at 32 KiB. */
const jfsSuperblock = struct("jfsSuperblock", "little", 184, {
  magic: text(0, 4),
  version: u32(4),
  sizeInHardwareBlocks: u64n(8),
  blockBytes: u32(16),
  logBlockBytes: u16(20),
  logFactor: u16(22),
  hardwareBlockBytes: u32(24),
  logHardwareBlockBytes: u16(28),
  uuid: bytes(136, 16),
  label: text(152, 16),
});

export const jfsProbe: SignatureProbe = {
  name: "jfs",
  types: ["jfs"],
  use: "file-system",
  ranges: fixedRange(32_768, jfsSuperblock.size),
  recognise([data]) {
    const sb = jfsSuperblock.decode(data!);
    const isBelievable =
      sb.magic === "JFS1" &&
      sb.version <= 2 &&
      sb.blockBytes === 2 ** sb.logBlockBytes &&
      sb.hardwareBlockBytes === 2 ** sb.logHardwareBlockBytes &&
      sb.logBlockBytes - sb.logHardwareBlockBytes === sb.logFactor;
    if (!isBelievable) return null;
    return {
      type: "jfs",
      label: textOrNull(sb.label),
      uuid: uuidOrNull(sb.uuid, rfcUuid),
      sizeBytes: sizeOrNull(sb.sizeInHardwareBlocks * sb.hardwareBlockBytes),
      text: "jfs file system",
    };
  },
};

/** The format of kernel 2.2 and later (fs/reiserfs, removed in 6.13); at 64 KiB. */
const reiserSuperblock = struct("reiserSuperblock", "little", 204, {
  blocks: u32(0),
  freeBlocks: u32(4),
  blockBytes: u16(44),
  magic: text(52, 10),
  uuid: bytes(84, 16),
  label: text(100, 16),
});

export const reiserProbe: SignatureProbe = {
  name: "reiserfs",
  types: ["reiserfs"],
  use: "file-system",
  ranges: fixedRange(65_536, reiserSuperblock.size),
  recognise([data]) {
    const sb = reiserSuperblock.decode(data!);
    const isBelievable =
      /^ReIsEr(?:2|3)?Fs$/.test(sb.magic) &&
      isPowerOfTwo(sb.blockBytes) &&
      sb.blockBytes >= 512 &&
      sb.freeBlocks <= sb.blocks;
    if (!isBelievable) return null;
    return {
      type: "reiserfs",
      label: textOrNull(sb.label),
      uuid: uuidOrNull(sb.uuid, rfcUuid),
      sizeBytes: sizeOrNull(sb.blocks * sb.blockBytes),
      text: "reiserfs file system",
    };
  },
};

/** Kernel: fs/squashfs/squashfs_fs.h, version 4. */
const squashfsSuperblock = struct("squashfsSuperblock", "little", 96, {
  magic: text(0, 4),
  blockBytes: u32(12),
  logBlockBytes: u16(22),
  major: u16(28),
  minor: u16(30),
  bytesUsed: u64n(40),
});

export const squashfsProbe: SignatureProbe = {
  name: "squashfs",
  types: ["squashfs"],
  use: "file-system",
  ranges: fixedRange(0, squashfsSuperblock.size),
  recognise([data]) {
    const sb = squashfsSuperblock.decode(data!);
    const isBelievable =
      sb.magic === "hsqs" && sb.major === 4 && sb.blockBytes === 2 ** sb.logBlockBytes;
    if (!isBelievable) return null;
    return {
      type: "squashfs",
      label: null,
      uuid: null,
      sizeBytes: sizeOrNull(sb.bytesUsed),
      text: `squashfs file system, version ${sb.major}.${sb.minor}`,
    };
  },
};

/** ECMA-119; the primary volume descriptor is at 32 KiB. */
const isoDescriptor = struct("isoDescriptor", "little", 2048, {
  kind: u8(0),
  id: text(1, 5),
  version: u8(6),
  volumeId: text(40, 32),
  blocks: u32(80),
  blockBytes: u16(128),
  created: text(813, 16),
  modified: text(830, 16),
});

/** blkid's UUID of a volume: its time of modification, else of creation. */
function isoTime(modified: string, created: string): string | null {
  const time = [modified, created].find((each) => /^\d{16}$/.test(each) && !/^0+$/.test(each));
  if (time === undefined) return null;
  return time.replace(/^(....)(..)(..)(..)(..)(..)(..)$/, "$1-$2-$3-$4-$5-$6-$7");
}

export const isoProbe: SignatureProbe = {
  name: "iso9660",
  types: ["iso9660"],
  use: "file-system",
  ranges: fixedRange(32_768, isoDescriptor.size),
  recognise([data]) {
    const descriptor = isoDescriptor.decode(data!);
    const isBelievable =
      descriptor.id === "CD001" &&
      descriptor.kind === 1 &&
      descriptor.version === 1 &&
      isPowerOfTwo(descriptor.blockBytes);
    if (!isBelievable) return null;
    return {
      type: "iso9660",
      label: textOrNull(descriptor.volumeId),
      uuid: isoTime(descriptor.modified, descriptor.created),
      sizeBytes: sizeOrNull(descriptor.blocks * descriptor.blockBytes),
      text: "iso9660 file system",
    };
  },
};

/** ECMA-167: the volume recognition sequence at 32 KiB, descriptors of 2 KiB each. */
const udfSequence = struct("udfSequence", "little", 3 * 2048, {
  ids: array((offset) => bytes(offset, 2048), 0, 3),
});

export const udfProbe: SignatureProbe = {
  name: "udf",
  types: ["udf"],
  use: "file-system",
  ranges: fixedRange(32_768, udfSequence.size),
  recognise([data]) {
    const ids = udfSequence.decode(data!).ids.map((each) => ascii(each, 1, 6));
    const isUdf = ids[0] === "BEA01" && /^NSR0[23]$/.test(ids[1]!) && ids[2] === "TEA01";
    if (!isUdf) return null;
    return { type: "udf", label: null, uuid: null, sizeBytes: null, text: "udf file system" };
  },
};
