/**
 * LUKS 1 and 2 (the LUKS1 and LUKS2 On-Disk Format Specifications, cryptsetup project). Version 2 keeps two
 * headers, each with a checksum of its own over header and JSON; the second lies behind the first, at 16 KiB unless the
 * JSON area is larger. The checksum is verified for the common header of 16 KiB, else the fields alone must do.
 */
import { createHash } from "node:crypto";
import { bytes, text, u16, u32, u64n } from "../../codec/fields.ts";
import { struct } from "../../codec/struct.ts";
import { textOrNull } from "./probe.ts";
import type { ProbeRange, Signature, SignatureProbe } from "./probe.ts";

const FIRST_MAGIC = "4c554b53babe";
const SECOND_MAGIC = "534b554cbabe";
const USUAL_HEADER_BYTES = 16_384;
const CHECKSUM_AT = 448;
const CHECKSUM_BYTES = 64;

const luks1Header = struct("luks1", "big", 592, {
  magic: bytes(0, 6),
  version: u16(6),
  cipher: text(8, 32),
  mode: text(40, 32),
  hash: text(72, 32),
  payloadSector: u32(104),
  keyBytes: u32(108),
  uuid: text(168, 40),
});

const luks2Header = struct("luks2", "big", 4096, {
  magic: bytes(0, 6),
  version: u16(6),
  headerBytes: u64n(8),
  sequence: u64n(16),
  label: text(24, 48),
  checksumName: text(72, 32),
  uuid: text(168, 40),
  subsystem: text(208, 48),
  offset: u64n(256),
  checksum: bytes(CHECKSUM_AT, CHECKSUM_BYTES),
});

const UUID = /^[0-9a-f-]{36}$/;

function magicOf(data: Uint8Array): string {
  return Buffer.from(data.subarray(0, 6)).toString("hex");
}

function luks1(data: Uint8Array): Signature | null {
  const header = luks1Header.decode(data);
  if (!UUID.test(header.uuid) || header.cipher === "" || header.keyBytes > 1024) return null;
  const key = `${header.cipher}-${header.mode}, ${header.keyBytes * 8}-bit key`;
  return {
    type: "crypto_LUKS",
    label: null,
    uuid: header.uuid,
    sizeBytes: null,
    text: `LUKS1 encrypted volume, ${key}`,
  };
}

function checksumHolds(data: Uint8Array, name: string, stored: Uint8Array): boolean {
  if (name !== "sha256" && name !== "sha512") return true;
  const covered = data.slice();
  covered.fill(0, CHECKSUM_AT, CHECKSUM_AT + CHECKSUM_BYTES);
  const digest = createHash(name).update(covered).digest();
  return digest.equals(stored.subarray(0, digest.length));
}

/** @param at where on the device these 16 KiB are */
function luks2(data: Uint8Array, at: number): Signature | null {
  const header = luks2Header.decode(data);
  if (header.version !== 2 || header.offset !== at || !UUID.test(header.uuid)) return null;
  const isUsual = header.headerBytes === USUAL_HEADER_BYTES;
  if (isUsual && !checksumHolds(data, header.checksumName, header.checksum)) return null;
  const note = at === 0 ? "" : ", known by its second header: the first is damaged";
  return {
    type: "crypto_LUKS",
    label: textOrNull(header.label),
    uuid: header.uuid,
    sizeBytes: null,
    text: `LUKS2 encrypted volume${note}`,
  };
}

function ranges(deviceBytes: number): ProbeRange[] {
  const areas = [0, USUAL_HEADER_BYTES].filter((at) => at + USUAL_HEADER_BYTES <= deviceBytes);
  return areas.map((offsetBytes) => ({ offsetBytes, lengthBytes: USUAL_HEADER_BYTES }));
}

export const luksProbe: SignatureProbe = {
  name: "luks",
  types: ["crypto_LUKS"],
  use: "encryption",
  ranges,
  recognise([first, second]) {
    if (magicOf(first!) === FIRST_MAGIC) {
      const found = luks1Header.decode(first!).version === 1 ? luks1(first!) : luks2(first!, 0);
      if (found !== null) return found;
    }
    if (second === undefined || magicOf(second) !== SECOND_MAGIC) return null;
    return luks2(second, USUAL_HEADER_BYTES);
  },
};
