/**
 * Metadata of device-mapper targets (kernel: drivers/md/dm-*.c and Documentation/admin-guide/device-mapper).
 *
 * thin, cache, era and clone share the head of their superblock: checksum, flags, block number, UUID, magic, version. The
 * checksum is CRC-32C without final inversion over the rest of the 4 KiB block, XORed with a number of the target's own.
 * Snapshot stores and mirror logs have little more than a magic number, so all their fields must make sense.
 */
import { formatSectors } from "../../base/units.ts";
import { crc32cUpdate } from "../../codec/crc32c.ts";
import { bytes, text, u32, u64n } from "../../codec/fields.ts";
import { struct } from "../../codec/struct.ts";
import { rfcUuid } from "../../codec/uuid.ts";
import { CLONE_MAGIC, CLONE_SUPERBLOCK, cloneSuperblock } from "../dm-clone.ts";
import { INTEGRITY_MAGIC, integritySuperblock } from "../dm-integrity.ts";
import { fixedRange, isPowerOfTwo, sizeOrNull, uuidOrNull } from "./probe.ts";
import type { Signature, SignatureProbe } from "./probe.ts";

const BLOCK_BYTES = 4096;

const pdataHead = struct("pdataSuperblockHead", "little", 52, {
  checksum: u32(0),
  flags: u32(4),
  blockNumber: u64n(8),
  uuid: bytes(16, 16),
  magic: u64n(32),
  version: u32(40),
});

const thinTail = struct("thinSuperblockTail", "little", 360, {
  transactionId: u64n(48),
  dataBlockSectors: u32(336),
  metadataBlockSectors: u32(340),
  metadataBlocks: u64n(344),
});

interface PdataTarget {
  readonly type: string;
  readonly magic: number;
  readonly checksumXor: number;
  describe(data: Uint8Array): string;
}

const PDATA_TARGETS: readonly PdataTarget[] = [
  {
    type: "dm-thin",
    magic: 27_022_010,
    checksumXor: 160_774,
    describe(data) {
      const { transactionId, dataBlockSectors } = thinTail.decode(data);
      const block = formatSectors(dataBlockSectors);
      return `metadata of a dm-thin pool, blocks of ${block}, transaction ${transactionId}`;
    },
  },
  {
    type: "dm-cache",
    magic: 6_142_003,
    checksumXor: 9_031_977,
    describe: () => "metadata of a dm-cache",
  },
  {
    type: "dm-era",
    magic: 2_126_579_579,
    checksumXor: 146_538_381,
    describe: () => "metadata of a dm-era",
  },
  {
    type: "dm-clone",
    magic: CLONE_MAGIC,
    checksumXor: CLONE_SUPERBLOCK.checksumXor,
    describe(data) {
      const { regionSectors, targetSectors } = cloneSuperblock.decode(data);
      const sizes = `${formatSectors(targetSectors)} in regions of ${formatSectors(regionSectors)}`;
      return `metadata of a dm-clone, ${sizes}`;
    },
  },
];

export const pdataProbe: SignatureProbe = {
  name: "persistent-data",
  types: PDATA_TARGETS.map((target) => target.type),
  use: "layer",
  ranges: fixedRange(0, BLOCK_BYTES),
  recognise([data]) {
    const head = pdataHead.decode(data!);
    const target = PDATA_TARGETS.find((each) => each.magic === head.magic);
    if (target === undefined || head.blockNumber !== 0) return null;
    const sum = (crc32cUpdate(0xffffffff, data!.subarray(4)) ^ target.checksumXor) >>> 0;
    if (sum !== head.checksum) return null;
    return {
      type: target.type,
      label: null,
      uuid: uuidOrNull(head.uuid, rfcUuid),
      sizeBytes: null,
      text: target.describe(data!),
    };
  },
};

const snapshotHeader = struct("snapshotHeader", "little", 16, {
  magic: u32(0),
  valid: u32(4),
  version: u32(8),
  chunkSectors: u32(12),
});

function plain(type: string, text_: string, sizeBytes: number | null = null): Signature {
  return { type, label: null, uuid: null, sizeBytes, text: text_ };
}

export const snapshotProbe: SignatureProbe = {
  name: "dm-snapshot",
  types: ["DM_snapshot_cow"],
  use: "layer",
  ranges: fixedRange(0, 512),
  recognise([data]) {
    const header = snapshotHeader.decode(data!);
    if (header.magic !== 0x70416e53 || header.version !== 1 || header.valid > 1) return null;
    if (!isPowerOfTwo(header.chunkSectors)) return null;
    const state = header.valid === 1 ? "" : ", invalid (it overflowed or met an error)";
    const chunk = formatSectors(header.chunkSectors);
    return plain("DM_snapshot_cow", `exception store of a dm-snapshot, chunks of ${chunk}${state}`);
  },
};

const mirrorLogHeader = struct("mirrorLogHeader", "little", 16, {
  magic: u32(0),
  version: u32(4),
  regions: u64n(8),
});

export const mirrorLogProbe: SignatureProbe = {
  name: "dm-mirror-log",
  types: ["dm-mirror-log"],
  use: "layer",
  ranges: fixedRange(0, 512),
  recognise([data], deviceBytes) {
    const header = mirrorLogHeader.decode(data!);
    if (header.magic !== 0x4d695272 || header.version < 1 || header.version > 2) return null;
    // One bit for each region follows, from sector 2 on.
    if (header.regions === 0 || header.regions / 8 > deviceBytes) return null;
    return plain("dm-mirror-log", `dirty log of a dm-mirror with ${header.regions} regions`);
  },
};

export const integrityProbe: SignatureProbe = {
  name: "dm-integrity",
  types: ["DM_integrity"],
  use: "layer",
  ranges: fixedRange(0, 512),
  recognise([data]) {
    const sb = integritySuperblock.decode(data!);
    const isBelievable =
      sb.magic === INTEGRITY_MAGIC &&
      sb.version >= 1 &&
      sb.version <= 16 &&
      sb.logSectorsPerBlock <= 3 &&
      sb.dataSectors > 0 &&
      sb.dataSectors !== Infinity;
    if (!isBelievable) return null;
    const provides = formatSectors(sb.dataSectors);
    const what = `dm-integrity device, version ${sb.version}, ${sb.tagBytes} bytes a tag`;
    return plain("DM_integrity", `${what}, provides ${provides}`);
  },
};

const veritySuperblock = struct("veritySuperblock", "little", 512, {
  magic: text(0, 8),
  version: u32(8),
  hashType: u32(12),
  uuid: bytes(16, 16),
  algorithm: text(32, 32),
  dataBlockBytes: u32(64),
  hashBlockBytes: u32(68),
  dataBlocks: u64n(72),
});

export const verityProbe: SignatureProbe = {
  name: "dm-verity",
  types: ["DM_verity_hash"],
  use: "layer",
  ranges: fixedRange(0, 512),
  recognise([data]) {
    const sb = veritySuperblock.decode(data!);
    const isBelievable =
      sb.magic === "verity" &&
      sb.version === 1 &&
      isPowerOfTwo(sb.dataBlockBytes) &&
      isPowerOfTwo(sb.hashBlockBytes);
    if (!isBelievable) return null;
    const uuid = uuidOrNull(sb.uuid, rfcUuid);
    return { ...plain("DM_verity_hash", `dm-verity hash tree, ${sb.algorithm}`), uuid };
  },
};

const writecacheSuperblock = struct("writecacheSuperblock", "little", 32, {
  magic: u32(0),
  version: u32(4),
  blockBytes: u32(8),
  blocks: u64n(16),
});

export const writecacheProbe: SignatureProbe = {
  name: "dm-writecache",
  types: ["dm-writecache"],
  use: "layer",
  ranges: fixedRange(0, 512),
  recognise([data], deviceBytes) {
    const sb = writecacheSuperblock.decode(data!);
    const isBelievable =
      sb.magic === 0x23489321 &&
      sb.version === 1 &&
      isPowerOfTwo(sb.blockBytes) &&
      sizeOrNull(sb.blocks) !== null &&
      sb.blocks * sb.blockBytes <= deviceBytes;
    return isBelievable ? plain("dm-writecache", "cache of a dm-writecache") : null;
  },
};
