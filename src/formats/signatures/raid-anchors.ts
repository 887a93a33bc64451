/**
 * Firmware RAID: SNIA DDF (the header in a disk's last sector) and Intel Matrix Storage, "IMSM" (two sectors before
 * the end). Known, not served: such a disk's partition table and file systems belong to the RAID volume, not to the disk.
 * Sources: Common RAID Disk Data Format Specification 2.0 (SNIA); the layout that mdadm and FreeBSD's graid use.
 */
import { crc32 } from "../../codec/crc32.ts";
import { bytes, text, u32, u64n, u8 } from "../../codec/fields.ts";
import { struct } from "../../codec/struct.ts";
import { ascii } from "./probe.ts";
import type { SignatureProbe } from "./probe.ts";

const SECTOR = 512;
const DDF_MAGIC = 0xde11de11;
const IMSM_MAGIC = "Intel Raid ISM Cfg Sig. ";
/** mdadm reserves far more; real ones take one sector to four. */
const IMSM_MAX_BYTES = 16 * SECTOR;

export const ddfHeader = struct("ddfHeader", "big", 512, {
  magic: u32(0),
  crc: u32(4),
  guid: bytes(8, 24),
  revision: text(32, 8),
  sequence: u32(40),
  primaryBlock: u64n(96),
  secondaryBlock: u64n(104),
  workspaceBlock: u64n(120),
});

/** The spec's text form: eight characters of the maker, the rest in hexadecimal. */
function ddfGuid(raw: Uint8Array): string {
  const maker = ascii(raw, 0, 8).replace(/[^\x20-\x7e]/g, "?");
  return `${maker.trim()}:${Buffer.from(raw.subarray(8)).toString("hex")}`;
}

export const ddfProbe: SignatureProbe = {
  name: "ddf",
  types: ["ddf_raid_member"],
  use: "member",
  ranges(deviceBytes) {
    const offsetBytes = (Math.floor(deviceBytes / SECTOR) - 1) * SECTOR;
    return offsetBytes < 0 ? [] : [{ offsetBytes, lengthBytes: SECTOR }];
  },
  recognise([data]) {
    const header = ddfHeader.decode(data!);
    if (header.magic !== DDF_MAGIC) return null;
    // The checksum is computed with its own field set to ones.
    const covered = data!.slice();
    covered.fill(0xff, 4, 8);
    if (crc32(covered) !== header.crc) return null;
    const version = header.revision.trim();
    return {
      type: "ddf_raid_member",
      label: null,
      uuid: ddfGuid(header.guid),
      sizeBytes: null,
      text: `member of a firmware RAID with DDF metadata ${version}: known, not served`,
    };
  },
};

export const imsmHeader = struct("imsmHeader", "little", 216, {
  signature: text(0, 32),
  checksum: u32(32),
  sizeBytes: u32(36),
  family: u32(40),
  generation: u32(44),
  disks: u8(56),
  volumes: u8(57),
});

/**
 * The sum of all words but the checksum itself. What the anchor's sector has no room for is in the sectors before it.
 * @param before the sectors before the anchor, as many as can be asked for
 */
function imsmSum(anchor: Uint8Array, before: Uint8Array, sizeBytes: number): number {
  const moreSectors = Math.ceil(Math.max(0, sizeBytes - SECTOR) / SECTOR);
  const more = before.subarray(before.length - moreSectors * SECTOR);
  const all = Buffer.concat([anchor, more]).subarray(0, sizeBytes);
  let sum = 0;
  for (let at = 0; at + 4 <= all.length; at += 4) sum = (sum + all.readUInt32LE(at)) >>> 0;
  return (sum - imsmHeader.decode(anchor).checksum) >>> 0;
}

export const imsmProbe: SignatureProbe = {
  name: "imsm",
  types: ["isw_raid_member"],
  use: "member",
  ranges(deviceBytes) {
    const anchor = (Math.floor(deviceBytes / SECTOR) - 2) * SECTOR;
    const before = anchor - (IMSM_MAX_BYTES - SECTOR);
    if (before < 0) return [];
    return [
      { offsetBytes: anchor, lengthBytes: SECTOR },
      { offsetBytes: before, lengthBytes: anchor - before },
    ];
  },
  recognise([anchor, before]) {
    const header = imsmHeader.decode(anchor!);
    if (!header.signature.startsWith(IMSM_MAGIC)) return null;
    const { sizeBytes } = header;
    if (sizeBytes < imsmHeader.size || sizeBytes > IMSM_MAX_BYTES) return null;
    if (imsmSum(anchor!, before!, sizeBytes) !== header.checksum) return null;
    const version = header.signature.slice(IMSM_MAGIC.length).trim();
    const counts = `${header.disks} disks, ${header.volumes} volumes`;
    const family = header.family.toString(16).padStart(8, "0");
    return {
      type: "isw_raid_member",
      label: null,
      uuid: family,
      sizeBytes: null,
      text: `member of an Intel firmware RAID (IMSM ${version}, ${counts}): known, not served`,
    };
  },
};
