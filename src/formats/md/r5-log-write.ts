/**
 * Writing the write journal of raid4/5/6: the meta block for some stripes, each with its changed data and all of its parity. What is
 * written is what a kernel writes in write-through mode; r5-log.ts has the layout and reads it.
 */
import { assert } from "../../base/assert.ts";
import {
  R5_BLOCK_BYTES,
  R5_BLOCK_SECTORS,
  R5_MAGIC,
  R5_META_HEADER_BYTES,
  R5_VERSION,
  r5DataParity,
  r5MetaBlock,
  r5MetaChecksum,
} from "./r5-log.ts";

/** What a meta block says of one stripe. Its blocks follow the meta block: data in this order, then P, then Q. */
export interface R5StripeRecord {
  readonly memberSector: number;
  readonly data: readonly { readonly arraySector: number; readonly checksum: number }[];
  /** Checksums of P, and of Q in raid6. */
  readonly parity: readonly number[];
}

/** For the payloads of a meta block. */
export const R5_PAYLOAD_BYTES = R5_BLOCK_BYTES - R5_META_HEADER_BYTES;

function payloadBytes(blocks: number): number {
  return r5DataParity.size + 4 * blocks;
}

/** What a stripe takes of them. */
export function r5RecordBytes(dataBlocks: number, parityBlocks: number): number {
  return dataBlocks * payloadBytes(1) + payloadBytes(parityBlocks);
}

function encodePayload(
  meta: Uint8Array,
  offset: number,
  type: 0 | 1,
  location: number,
  checksums: readonly number[],
): number {
  const size = checksums.length * R5_BLOCK_SECTORS;
  r5DataParity.encodeInto(meta, offset, { type, flags: 0, size, location: BigInt(location) });
  const view = new DataView(meta.buffer, meta.byteOffset, meta.byteLength);
  checksums.forEach((checksum, index) => {
    view.setUint32(offset + r5DataParity.size + 4 * index, checksum, true);
  });
  return offset + payloadBytes(checksums.length);
}

/**
 * @param meta 4 KiB, whatever they hold
 * @param seed r5Seed()
 * @param position sector of the log where the block is to lie
 */
export function encodeR5Meta(
  meta: Uint8Array,
  seed: number,
  position: number,
  seq: bigint,
  stripes: readonly R5StripeRecord[],
): void {
  meta.fill(0);
  let offset = R5_META_HEADER_BYTES;
  for (const { memberSector, data, parity } of stripes) {
    for (const { arraySector, checksum } of data)
      offset = encodePayload(meta, offset, 0, arraySector, [checksum]);
    offset = encodePayload(meta, offset, 1, memberSector, parity);
  }
  assert(offset <= R5_BLOCK_BYTES, "a meta block has room for its payloads");
  r5MetaBlock.encodeInto(meta, 0, {
    magic: R5_MAGIC,
    version: R5_VERSION,
    metaSize: offset,
    seq,
    position: BigInt(position),
  });
  r5MetaBlock.encodeInto(meta, 0, { checksum: r5MetaChecksum(seed, meta) });
}

/** A meta block without payloads: what a log starts with. @param position sector of the log */
export function emptyR5Meta(seed: number, position: number, seq: bigint): Uint8Array {
  const meta = new Uint8Array(R5_BLOCK_BYTES);
  encodeR5Meta(meta, seed, position, seq, []);
  return meta;
}
