/** bcache and bcachefs: superblocks at 4 KiB (kernel: include/uapi/linux/bcache.h, fs/bcachefs/bcachefs_format.h). */
import { bytes, text, u64n } from "../../codec/fields.ts";
import { struct } from "../../codec/struct.ts";
import { rfcUuid } from "../../codec/uuid.ts";
import { fixedRange, textOrNull } from "./probe.ts";
import type { SignatureProbe } from "./probe.ts";

const OFFSET = 4096;
const OWN_SECTOR = 8;
const BCACHE_MAGIC = "c68573f6-4e1a-45ca-8265-f57f48ba6d81";
const BCACHEFS_MAGIC = "c68573f6-66ce-90a9-d96a-60cf803df7ef";

const bcacheSuperblock = struct("bcacheSuperblock", "little", 512, {
  offsetSectors: u64n(8),
  version: u64n(16),
  magic: bytes(24, 16),
  uuid: bytes(40, 16),
  setUuid: bytes(56, 16),
  label: text(72, 32),
});

const bcachefsSuperblock = struct("bcachefsSuperblock", "little", 512, {
  magic: bytes(24, 16),
  uuid: bytes(40, 16),
  userUuid: bytes(56, 16),
  label: text(72, 32),
  offsetSectors: u64n(104),
});

/** Versions of cache devices; the others are backing devices. */
const CACHE_VERSIONS = new Set([0, 3, 5]);

export const bcacheProbe: SignatureProbe = {
  name: "bcache",
  types: ["bcache"],
  use: "layer",
  ranges: fixedRange(OFFSET, 512),
  recognise([data]) {
    const sb = bcacheSuperblock.decode(data!);
    if (rfcUuid(sb.magic) !== BCACHE_MAGIC || sb.offsetSectors !== OWN_SECTOR) return null;
    const kind = CACHE_VERSIONS.has(sb.version) ? "cache device" : "backing device";
    return {
      type: "bcache",
      label: textOrNull(sb.label),
      uuid: rfcUuid(sb.uuid),
      sizeBytes: null,
      text: `bcache ${kind} of the set ${rfcUuid(sb.setUuid)}`,
    };
  },
};

export const bcachefsProbe: SignatureProbe = {
  name: "bcachefs",
  types: ["bcachefs"],
  use: "file-system",
  ranges: fixedRange(OFFSET, 512),
  recognise([data]) {
    const sb = bcachefsSuperblock.decode(data!);
    if (rfcUuid(sb.magic) !== BCACHEFS_MAGIC || sb.offsetSectors !== OWN_SECTOR) return null;
    return {
      type: "bcachefs",
      label: textOrNull(sb.label),
      uuid: rfcUuid(sb.userUuid),
      sizeBytes: null,
      text: "bcachefs file system",
    };
  },
};
