/**
 * Wire structures of the NBD transmission phase (proto.md, "Transmission"; extended ones from its branch
 * extension-ext-header).
 *
 *   request          magic flags type  cookie  offset  length32     28 bytes, write: + data
 *   extendedRequest  magic flags type  cookie  offset  length64     32 bytes, with the flag payloadLen: + data
 *   simpleReply      magic error       cookie                       16 bytes, read: + data
 *   structuredReply  magic flags type  cookie  length32             20 bytes + payload
 *   extendedReply    magic flags type  cookie  offset  length64     32 bytes + payload
 *
 * The server's hot path reads and writes these by the offsets of their fields, without making objects.
 */
import { u16, u32, u64 } from "../../codec/fields.ts";
import { struct } from "../../codec/struct.ts";

export const request = struct("nbd request", "big", 28, {
  magic: u32(0),
  flags: u16(4),
  type: u16(6),
  cookie: u64(8),
  offset: u64(16),
  length: u32(24),
});

export const extendedRequest = struct("nbd extended request", "big", 32, {
  magic: u32(0),
  flags: u16(4),
  type: u16(6),
  cookie: u64(8),
  offset: u64(16),
  /** Of the payload with the flag payloadLen, else of the range. */
  length: u64(24),
});

export const simpleReply = struct("nbd simple reply", "big", 16, {
  magic: u32(0),
  error: u32(4),
  cookie: u64(8),
});

export const structuredReply = struct("nbd structured reply", "big", 20, {
  magic: u32(0),
  flags: u16(4),
  type: u16(6),
  cookie: u64(8),
  /** Bytes of payload that follow. */
  length: u32(16),
});

export const extendedReply = struct("nbd extended reply", "big", 32, {
  magic: u32(0),
  flags: u16(4),
  type: u16(6),
  cookie: u64(8),
  /** That of the request. */
  offset: u64(16),
  /** Bytes of payload that follow. */
  length: u64(24),
});

/** Payload of an offsetData chunk, before the data. */
export const offsetDataHead = struct("nbd data chunk", "big", 8, { offset: u64(0) });

/** Payload of an offsetHole chunk. */
export const offsetHole = struct("nbd hole chunk", "big", 12, { offset: u64(0), length: u32(8) });

/** Payload of an error chunk, before the message; errorOffset has 8 bytes of offset behind the message. */
export const errorHead = struct("nbd error chunk", "big", 6, {
  error: u32(0),
  messageLength: u16(4),
});

/** Payload of a blockStatus chunk, before the descriptors. */
export const blockStatusHead = struct("nbd block status", "big", 4, { contextId: u32(0) });

export const blockDescriptor = struct("nbd block descriptor", "big", 8, {
  length: u32(0),
  status: u32(4),
});

/** Payload of a blockStatusExt chunk, before the descriptors. */
export const blockStatusExtHead = struct("nbd extended block status", "big", 8, {
  contextId: u32(0),
  count: u32(4),
});

export const blockDescriptorExt = struct("nbd extended block descriptor", "big", 16, {
  length: u64(0),
  status: u64(8),
});

/** Payload of a block status request with the flag payloadLen, before the list of context ids (32 bits each). */
export const blockStatusFilterHead = struct("nbd block status filter", "big", 8, {
  length: u64(0),
});
