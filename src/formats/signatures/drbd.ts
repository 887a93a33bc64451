/**
 * DRBD with internal metadata: a superblock in the last 4 KiB of the device, big endian (drbd-headers, version 08
 * and 09). The replicated data starts at the device's own start.
 */
import { SECTOR_BYTES, alignDown } from "../../base/units.ts";
import { u32, u64, u64n } from "../../codec/fields.ts";
import { struct } from "../../codec/struct.ts";
import { sizeOrNull } from "./probe.ts";
import type { SignatureProbe } from "./probe.ts";

const SUPERBLOCK_BYTES = 4096;
const MIN_DEVICE_BYTES = 65_536;
const VERSIONS: ReadonlyMap<number, string> = new Map([
  [0x8374026b, "8"],
  [0x8374026c, "8, not stopped cleanly"],
  [0x8374026d, "9"],
]);

export const drbdSuperblock = struct("drbdSuperblock", "big", 4096, {
  agreedSectors: u64n(0),
  currentUuid: u64(8),
  deviceUuid8: u64(40),
  deviceUuid9: u64(48),
  flags: u32(56),
  magic: u32(60),
  metadataSectors: u32(64),
  bytesPerBit: u32(80),
});

export const drbdProbe: SignatureProbe = {
  name: "drbd",
  types: ["drbd"],
  use: "member",
  ranges(deviceBytes) {
    if (deviceBytes < MIN_DEVICE_BYTES) return [];
    const offsetBytes = alignDown(deviceBytes, SUPERBLOCK_BYTES) - SUPERBLOCK_BYTES;
    return [{ offsetBytes, lengthBytes: SUPERBLOCK_BYTES }];
  },
  recognise([data], deviceBytes) {
    const sb = drbdSuperblock.decode(data!);
    const version = VERSIONS.get(sb.magic);
    const used = (sb.agreedSectors + sb.metadataSectors) * SECTOR_BYTES;
    if (version === undefined || used > deviceBytes || sb.bytesPerBit < 4096) return null;
    return {
      type: "drbd",
      label: null,
      uuid: (version === "9" ? sb.deviceUuid9 : sb.deviceUuid8).toString(16),
      sizeBytes: sizeOrNull(sb.agreedSectors * SECTOR_BYTES),
      text: `DRBD device, metadata version ${version}`,
    };
  },
};
