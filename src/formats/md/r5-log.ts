/**
 * The write journal of raid4/5/6 (raid5-cache): a ring of 4 KiB blocks on the data area of the journal device.
 *
 *   meta block | data and parity blocks of its payloads, in order | meta block | ...
 *
 * A meta block says of each block behind it where it belongs; sequence numbers go up by one. The tail, where reading
 * starts, is in the journal device's md superblock. Sectors of the log count from that device's data offset.
 *
 *   meta block, 32 bytes then payloads up to meta_size:    data, parity: 16 bytes + 4 a block     flush: 8 bytes + 8 a stripe
 *
 * Every checksum is CRC-32C with the array UUID's as seed and without the last inversion, over whole 4 KiB.
 * Facts: md_p.h, drivers/md/raid5-cache.c. docs/formats/md-journal.md.
 */
import { crc32cUpdate } from "../../codec/crc32c.ts";
import { array, asHex, shownAs, u16, u32, u64, u8 } from "../../codec/fields.ts";
import { struct } from "../../codec/struct.ts";
import { sectorNumber } from "./superblock-1-layout.ts";

export const R5_BLOCK_BYTES = 4096;
export const R5_BLOCK_SECTORS = 8;
export const R5_META_HEADER_BYTES = 32;
export const R5_MAGIC = 0x6433c509;
export const R5_VERSION = 1;
const CHECKSUM_OFFSET = 4;
/** So far ahead is the number of the empty block that a new log begins with, behind one that was replayed: no old block counts as its next. */
export const R5_SEQ_JUMP = 10_000n;

export const r5MetaBlock = struct("r5 log meta block", "little", R5_META_HEADER_BYTES, {
  magic: shownAs(u32(0), asHex),
  checksum: shownAs(u32(CHECKSUM_OFFSET), asHex),
  version: u8(8),
  zeroPadding1: u8(9),
  zeroPadding2: u16(10),
  /** Bytes, this header and all payloads. */
  metaSize: u32(12),
  seq: u64(16),
  /** Sector of the log. */
  position: u64(24),
});

/** Head of a data or parity payload; a checksum for each of its blocks follows. */
export const r5DataParity = struct("r5 log payload", "little", 16, {
  type: u16(0),
  flags: u16(2),
  /** Sectors. */
  size: u32(4),
  /** Data: array sector. Parity: member sector. */
  location: u64(8),
});

/** Head of a flush payload; the member sectors of its stripes follow. */
export const r5Flush = struct("r5 log flush payload", "little", 8, {
  type: u16(0),
  flags: u16(2),
  /** Bytes. */
  size: u32(4),
});

/** One block of the log that holds data or parity. */
export interface R5Block {
  /** Where it is in the log. */
  readonly logSector: number;
  readonly checksum: number;
}

export type R5Payload =
  /** 4 KiB of data for `arraySector`. */
  | { readonly kind: "data"; readonly arraySector: number; readonly block: R5Block }
  /** P, and in raid6 Q, of the stripe at `memberSector` (without data offset). */
  | {
      readonly kind: "parity";
      readonly memberSector: number;
      readonly p: R5Block;
      readonly q: R5Block | null;
    }
  /** These stripes are on the members: whatever stood in the log for them before is done with. */
  | { readonly kind: "flush"; readonly memberSectors: readonly number[] };

export interface R5Meta {
  readonly seq: bigint;
  /** Sector of the log where the meta block lies. */
  readonly position: number;
  readonly payloads: readonly R5Payload[];
  /** Sectors up to the next meta block, this one included. */
  readonly sectors: number;
}

export interface R5Log {
  /** Sectors of the ring, whole blocks: data size of the journal device rounded down. */
  readonly sectors: number;
  /** r5Seed() of the array's UUID. */
  readonly seed: number;
}

export type R5MetaDecode =
  | { readonly kind: "ok"; readonly meta: R5Meta }
  | { readonly kind: "bad"; readonly reason: string };

/** @param arrayUuid 16 bytes, arrayUuidBytes() */
export function r5Seed(arrayUuid: Uint8Array): number {
  return crc32cUpdate(0xffff_ffff, arrayUuid);
}

/** The checksum of a data or parity block, as its payload has it. */
export function r5BlockChecksum(seed: number, block: Uint8Array): number {
  return crc32cUpdate(seed, block);
}

/** The checksum of a meta block, its own field taken as 0. */
export function r5MetaChecksum(seed: number, block: Uint8Array): number {
  const copy = block.slice(0, R5_BLOCK_BYTES);
  copy.fill(0, CHECKSUM_OFFSET, CHECKSUM_OFFSET + 4);
  return crc32cUpdate(seed, copy);
}

/** Next place in the ring. */
export function r5Advance(log: Pick<R5Log, "sectors">, position: number, sectors: number): number {
  const next = position + sectors;
  return next >= log.sectors ? next - log.sectors : next;
}

/** Where reading starts, given the superblock's tail: the beginning when the tail cannot be right, as the kernel has it. */
export function r5Start(log: R5Log, tailSectors: number): number {
  return tailSectors < log.sectors && tailSectors % R5_BLOCK_SECTORS === 0 ? tailSectors : 0;
}

interface Cursor {
  /** In the meta block. */
  offset: number;
  /** Of the next data or parity block. */
  logSector: number;
  /** Sectors of blocks so far, to keep a meta block from going round the ring. */
  taken: number;
}

/** The payload at the cursor, which is moved behind it; a sentence if there is none. */
function readPayload(
  block: Uint8Array,
  metaSize: number,
  log: R5Log,
  cursor: Cursor,
): R5Payload | string {
  const left = metaSize - cursor.offset;
  if (left < r5Flush.size) return "cut payload";
  const head = r5Flush.decode(block, cursor.offset);
  switch (head.type) {
    case 2:
      return readFlush(block, head.size, left, cursor);
    case 0:
    case 1:
      return left < r5DataParity.size ? "cut payload" : readBlocks(block, left, log, cursor);
    default:
      return `payload of unknown type ${head.type}`;
  }
}

function readFlush(
  block: Uint8Array,
  size: number,
  left: number,
  cursor: Cursor,
): R5Payload | string {
  if (r5Flush.size + size > left) return "cut flush payload";
  const list = array(u64, cursor.offset + r5Flush.size, Math.floor(size / 8));
  const view = new DataView(block.buffer, block.byteOffset, block.byteLength);
  cursor.offset += r5Flush.size + size;
  return { kind: "flush", memberSectors: list.read(view, 0, "little").map(sectorNumber) };
}

function readBlocks(
  block: Uint8Array,
  left: number,
  log: R5Log,
  cursor: Cursor,
): R5Payload | string {
  const head = r5DataParity.decode(block, cursor.offset);
  const count = head.size / R5_BLOCK_SECTORS;
  const isData = head.type === 0;
  if (isData ? count !== 1 : count !== 1 && count !== 2) return `payload of ${head.size} sectors`;
  if (r5DataParity.size + 4 * count > left) return "cut payload";
  const location = sectorNumber(head.location);
  if (location === Infinity || location % R5_BLOCK_SECTORS !== 0)
    return `payload for sector ${head.location}`;
  const view = new DataView(block.buffer, block.byteOffset, block.byteLength);
  const blocks = Array.from({ length: count }, (_unused, i): R5Block => {
    const logSector = r5Advance(log, cursor.logSector, i * R5_BLOCK_SECTORS);
    return { logSector, checksum: view.getUint32(cursor.offset + r5DataParity.size + 4 * i, true) };
  });
  cursor.offset += r5DataParity.size + 4 * count;
  cursor.logSector = r5Advance(log, cursor.logSector, head.size);
  cursor.taken += head.size;
  if (isData) return { kind: "data", arraySector: location, block: blocks[0]! };
  return { kind: "parity", memberSector: location, p: blocks[0]!, q: blocks[1] ?? null };
}

function bad(reason: string): R5MetaDecode {
  return { kind: "bad", reason };
}

/**
 * @param block the 4 KiB at `position` of the log
 * @param seq the number it must have; null: any (the block at the tail)
 */
export function decodeR5Meta(
  block: Uint8Array,
  log: R5Log,
  position: number,
  seq: bigint | null,
): R5MetaDecode {
  const raw = r5MetaBlock.decode(block);
  if (raw.magic !== R5_MAGIC || raw.version !== R5_VERSION) return bad("no meta block");
  if (r5MetaChecksum(log.seed, block) !== raw.checksum) return bad("wrong checksum");
  if (raw.position !== BigInt(position)) return bad(`it belongs at sector ${raw.position}`);
  if (seq !== null && raw.seq !== seq) return bad(`sequence number ${raw.seq}, not ${seq}`);
  if (raw.metaSize > R5_BLOCK_BYTES) return bad(`size of ${raw.metaSize} bytes`);

  const payloads: R5Payload[] = [];
  const cursor: Cursor = {
    offset: R5_META_HEADER_BYTES,
    logSector: r5Advance(log, position, R5_BLOCK_SECTORS),
    taken: R5_BLOCK_SECTORS,
  };
  while (cursor.offset < raw.metaSize) {
    const payload = readPayload(block, raw.metaSize, log, cursor);
    if (typeof payload === "string") return bad(payload);
    if (cursor.taken > log.sectors) return bad("more blocks than the log has");
    payloads.push(payload);
  }
  return { kind: "ok", meta: { seq: raw.seq, position, payloads, sectors: cursor.taken } };
}

/** Data and parity blocks of a payload. */
function r5Blocks(payload: R5Payload): readonly R5Block[] {
  switch (payload.kind) {
    case "data":
      return [payload.block];
    case "parity":
      return payload.q === null ? [payload.p] : [payload.p, payload.q];
    case "flush":
      return [];
  }
}

/** Reads sectors of the log, counted from the journal device's data offset; never across the ring's end. */
export type R5Reader = (sector: number, sectors: number) => Promise<Uint8Array>;

async function blocksIntact(read: R5Reader, log: R5Log, meta: R5Meta): Promise<boolean> {
  for (const { logSector, checksum } of meta.payloads.flatMap(r5Blocks)) {
    const block = await read(logSector, R5_BLOCK_SECTORS);
    if (r5BlockChecksum(log.seed, block) !== checksum) return false;
  }
  return true;
}

/**
 * The meta blocks that are to be replayed, from the tail on, each with all its blocks verified. Ends at the first that is
 * not valid or whose blocks are not. (The kernel, at a block that is not, looks for a next meta block right behind the
 * meta block, where there can only be that payload: it ends there too.) Nothing at all: the log is empty.
 */
export async function* readR5Log(
  read: R5Reader,
  log: R5Log,
  tailSectors: number,
): AsyncGenerator<R5Meta> {
  let position = r5Start(log, tailSectors);
  let seq: bigint | null = null;
  let walked = 0;
  while (walked < log.sectors) {
    const block = await read(position, R5_BLOCK_SECTORS);
    const decoded = decodeR5Meta(block, log, position, seq);
    if (decoded.kind === "bad" || !(await blocksIntact(read, log, decoded.meta))) return;
    yield decoded.meta;
    seq = decoded.meta.seq + 1n;
    walked += decoded.meta.sectors;
    position = r5Advance(log, position, decoded.meta.sectors);
  }
}

/**
 * Where the log begins that was written last, of a journal whose tail nobody recorded: each was begun right behind the one before it, the
 * first at 0. 0 too where there is none.
 */
export async function lastR5Start(read: R5Reader, log: R5Log): Promise<number> {
  let start = 0;
  for (let walked = 0; walked < log.sectors;) {
    let end = start;
    let next = null;
    for await (const meta of readR5Log(read, log, start)) {
      end = r5Advance(log, end, meta.sectors);
      walked += meta.sectors;
      next = meta.seq + 1n;
    }
    if (next === null) break;
    const behind = decodeR5Meta(await read(end, R5_BLOCK_SECTORS), log, end, next + R5_SEQ_JUMP);
    if (behind.kind === "bad") break;
    start = end;
  }
  return start;
}
