/**
 * Swap space (mkswap(8); kernel: include/linux/swap.h). The signature ends the first page, whose size is that of the
 * machine that made it, so it is looked for behind pages of 4 to 64 KiB; the header is at byte 1024, in that machine's
 * byte order. A hibernated system leaves another word in the signature's place.
 */
import type { ByteOrder } from "../../codec/fields.ts";
import { bytes, text, u32 } from "../../codec/fields.ts";
import { struct } from "../../codec/struct.ts";
import { rfcUuid } from "../../codec/uuid.ts";
import { ascii, textOrNull, uuidOrNull } from "./probe.ts";
import type { ProbeRange, Signature, SignatureProbe } from "./probe.ts";

const PAGE_SIZES = [4096, 8192, 16_384, 32_768, 65_536] as const;
const HEADER_OFFSET = 1024;
const SIGNATURE_BYTES = 10;
const SUSPENDED = new Set(["S1SUSPEND", "S2SUSPEND", "ULSUSPEND", "LINHIB0001"]);

const swapHeader = struct("swapHeader", "little", 44, {
  version: u32(0),
  lastPage: u32(4),
  badPages: u32(8),
  uuid: bytes(12, 16),
  label: text(28, 16),
});

function ranges(deviceBytes: number): ProbeRange[] {
  const pages = PAGE_SIZES.filter((size) => size <= deviceBytes);
  if (pages.length === 0) return [];
  const header = { offsetBytes: HEADER_OFFSET, lengthBytes: swapHeader.size };
  const ends = pages.map((size) => ({
    offsetBytes: size - SIGNATURE_BYTES,
    lengthBytes: SIGNATURE_BYTES,
  }));
  return [header, ...ends];
}

function orderOf(data: Uint8Array): ByteOrder | null {
  if (swapHeader.decode(data, 0, "little").version === 1) return "little";
  return swapHeader.decode(data, 0, "big").version === 1 ? "big" : null;
}

function describe(data: Uint8Array, pageBytes: number, word: string): Signature | null {
  const order = orderOf(data);
  if (order === null) return null;
  const header = swapHeader.decode(data, 0, order);
  if (header.lastPage === 0) return null;
  const isSuspended = word !== "SWAPSPACE2";
  return {
    type: isSuspended ? "swsuspend" : "swap",
    label: textOrNull(header.label),
    uuid: uuidOrNull(header.uuid, rfcUuid),
    sizeBytes: (header.lastPage + 1) * pageBytes,
    text: isSuspended ? "swap space that holds a hibernated system" : "swap space",
  };
}

export const swapProbe: SignatureProbe = {
  name: "swap",
  types: ["swap", "swsuspend"],
  use: "swap",
  ranges,
  recognise([header, ...ends]) {
    for (const [index, end] of ends.entries()) {
      const word = ascii(end, 0, SIGNATURE_BYTES).replace(/\0+$/, "");
      if (word === "SWAPSPACE2" || SUSPENDED.has(word))
        return describe(header!, PAGE_SIZES[index]!, word);
    }
    return null;
  },
};
