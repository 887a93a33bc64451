/**
 * NBD messages as bytes, written out by hand and apart from the server's own structures, so that a mistake in those shows.
 * `ReplySplitter` cuts a server's stream into messages and fails on the first byte that does not fit the protocol.
 */

const FIXED_NEWSTYLE = 1;
const NO_ZEROES = 2;
/** NBDMAGIC IHAVEOPT, fixed newstyle and no zeroes. */
export const GREETING = Buffer.from("4e42444d4147494349484156454f50540003", "hex");

export type WireMode = "simple" | "structured" | "extended";

export function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

export function u64(value: number | bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

export function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([u32(bytes.length), bytes]);
}

export function flagBytes(flags = FIXED_NEWSTYLE | NO_ZEROES): Buffer {
  return u32(flags);
}

export function optionBytes(option: number, data: Uint8Array = Buffer.alloc(0)): Buffer {
  return Buffer.concat([Buffer.from("IHAVEOPT"), u32(option), u32(data.length), data]);
}

/** Data of INFO (6) and GO (7). */
export function infoData(name: string, infos: readonly number[] = []): Buffer {
  return Buffer.concat([text(name), u16(infos.length), ...infos.map(u16)]);
}

/** Data of LIST_META_CONTEXT (9) and SET_META_CONTEXT (10). */
export function contextData(name: string, queries: readonly string[]): Buffer {
  return Buffer.concat([text(name), u32(queries.length), ...queries.map(text)]);
}

export interface WireRequest {
  readonly type: number;
  readonly flags?: number;
  readonly cookie?: number | bigint;
  readonly offset?: number | bigint;
  readonly length?: number | bigint;
  readonly data?: Uint8Array;
}

export function requestBytes(mode: WireMode, request: WireRequest): Buffer {
  const { type, flags = 0, cookie = 1, offset = 0, data = Buffer.alloc(0) } = request;
  const length = request.length ?? data.length;
  const isExtended = mode === "extended";
  return Buffer.concat([
    u32(isExtended ? 0x21e41c71 : 0x25609513),
    u16(flags),
    u16(type),
    u64(cookie),
    u64(offset),
    isExtended ? u64(length) : u32(Number(length)),
    data,
  ]);
}

export interface OptionReply {
  readonly option: number;
  readonly type: number;
  readonly data: Buffer;
}

/** Reads an option reply at the start of `bytes`: null if it is not complete. */
export function takeOptionReply(bytes: Buffer): { reply: OptionReply; size: number } | null {
  if (bytes.length < 20) return null;
  const magic = bytes.readBigUInt64BE(0);
  if (magic !== 0x3e889045565a9n) throw new Error(`bad option reply magic ${magic.toString(16)}`);
  const size = 20 + bytes.readUInt32BE(16);
  if (bytes.length < size) return null;
  const reply = { option: bytes.readUInt32BE(8), type: bytes.readUInt32BE(12) };
  return { reply: { ...reply, data: bytes.subarray(20, size) }, size };
}

export interface Chunk {
  readonly cookie: bigint;
  readonly isDone: boolean;
  /** -1: a simple reply. */
  readonly type: number;
  readonly errno: number;
  readonly payload: Buffer;
  /** Extended: the offset in the header. */
  readonly headerOffset: bigint | null;
}

/** @param readLength how much data follows a simple reply without error to `cookie` */
export function takeChunk(
  bytes: Buffer,
  readLength: (cookie: bigint) => number,
): { chunk: Chunk; size: number } | null {
  if (bytes.length < 4) return null;
  const magic = bytes.readUInt32BE(0);
  if (magic === 0x67446698) return takeSimple(bytes, readLength);
  const isExtended = magic === 0x6e8a278c;
  if (!isExtended && magic !== 0x668e33ef) throw new Error(`bad reply magic ${magic.toString(16)}`);
  const head = isExtended ? 32 : 20;
  if (bytes.length < head) return null;
  const length = isExtended ? Number(bytes.readBigUInt64BE(24)) : bytes.readUInt32BE(16);
  if (bytes.length < head + length) return null;
  const type = bytes.readUInt16BE(6);
  const flags = bytes.readUInt16BE(4);
  if (flags > 1) throw new Error(`unknown reply flags ${flags}`);
  const payload = bytes.subarray(head, head + length);
  const chunk = {
    cookie: bytes.readBigUInt64BE(8),
    isDone: flags === 1,
    type,
    errno: type >= 0x8000 ? payload.readUInt32BE(0) : 0,
    payload,
    headerOffset: isExtended ? bytes.readBigUInt64BE(16) : null,
  };
  return { chunk, size: head + length };
}

function takeSimple(
  bytes: Buffer,
  readLength: (cookie: bigint) => number,
): { chunk: Chunk; size: number } | null {
  if (bytes.length < 16) return null;
  const errno = bytes.readUInt32BE(4);
  const cookie = bytes.readBigUInt64BE(8);
  const size = 16 + (errno === 0 ? readLength(cookie) : 0);
  if (bytes.length < size) return null;
  const payload = bytes.subarray(16, size);
  return { chunk: { cookie, isDone: true, type: -1, errno, payload, headerOffset: null }, size };
}

/** The data of a read out of its chunks; throws where the protocol's rules for chunks are broken. */
export function readResult(chunks: readonly Chunk[], offset: number, length: number): Buffer {
  if (chunks[0]?.type === -1) return chunks[0].payload;
  const data = Buffer.alloc(length, 0xee);
  const covered = new Uint8Array(length);
  for (const { type, payload } of chunks) {
    if (type === 0) continue;
    const at = Number(payload.readBigUInt64BE(0)) - offset;
    const isHole = type === 2;
    if (type !== 1 && !isHole) throw new Error(`unexpected chunk type ${type} in a read`);
    const count = isHole ? payload.readUInt32BE(8) : payload.length - 8;
    if (isHole && payload.length !== 12) throw new Error("a hole chunk has 12 bytes");
    if (count === 0 || at < 0 || at + count > length) throw new Error("a chunk lies outside");
    if (covered.subarray(at, at + count).some((byte) => byte !== 0))
      throw new Error("chunks overlap");
    covered.fill(1, at, at + count);
    if (isHole) data.fill(0, at, at + count);
    else payload.copy(data, at, 8);
  }
  if (covered.includes(0)) throw new Error("the chunks do not cover the request");
  return data;
}
