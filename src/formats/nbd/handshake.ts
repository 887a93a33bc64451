/**
 * Wire structures of the NBD handshake (proto.md, "Newstyle negotiation" and "Option reply types").
 *
 *   server: greeting   client: clientFlags   then any number of
 *   client: optionHeader + data              server: optionReply + data, the last of them final
 *
 * Structures that end in a text or a list give the fixed part only.
 */
import { u16, u32, u64, u64n } from "../../codec/fields.ts";
import { struct } from "../../codec/struct.ts";

export const greeting = struct("nbd greeting", "big", 18, {
  magic: u64(0),
  optionMagic: u64(8),
  handshakeFlags: u16(16),
});

export const clientFlags = struct("nbd client flags", "big", 4, { flags: u32(0) });

export const optionHeader = struct("nbd option", "big", 16, {
  magic: u64(0),
  option: u32(8),
  /** Bytes of data that follow. */
  length: u32(12),
});

export const optionReply = struct("nbd option reply", "big", 20, {
  magic: u64(0),
  option: u32(8),
  type: u32(12),
  /** Bytes of data that follow. */
  length: u32(16),
});

/** Answer to EXPORT_NAME: not an option reply. */
export const exportNameReply = struct("nbd export name reply", "big", 10, {
  sizeBytes: u64n(0),
  transmissionFlags: u16(8),
});

/** Data of a `server` reply, before the name and the description. */
export const serverHead = struct("nbd server reply", "big", 4, { nameLength: u32(0) });

export const infoExport = struct("nbd info export", "big", 12, {
  type: u16(0),
  sizeBytes: u64n(2),
  transmissionFlags: u16(10),
});

/** Data of a name or description information, before the text. */
export const infoTextHead = struct("nbd info text", "big", 2, { type: u16(0) });

export const infoBlockSize = struct("nbd info block size", "big", 14, {
  type: u16(0),
  minimumBytes: u32(2),
  preferredBytes: u32(6),
  maximumPayloadBytes: u32(10),
});

/** Data of a `metaContext` reply, before the name. */
export const metaContextHead = struct("nbd meta context", "big", 4, { contextId: u32(0) });
