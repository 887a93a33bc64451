/**
 * Fast commits of ext4: small changes behind the journal's ring, told as "this inode", "this name", "this extent", not as
 * blocks. Here they are only counted. Little-endian, each value behind a tag and a length; a head names the
 * transaction that they continue, a tail ends each one with a CRC-32C of all since the last tail (seed 0, no inversion).
 * Facts: fs/ext4/fast_commit.{h,c}.
 */
import { crc32cUpdate } from "../codec/crc32c.ts";
import { u16, u32 } from "../codec/fields.ts";
import { struct } from "../codec/struct.ts";

const ExtFastTag = { tail: 8, head: 9 } as const;

const extFastTag = struct("extFastTag", "little", 4, { tag: u16(0), valueBytes: u16(2) });
const extFastHead = struct("extFastHead", "little", 8, {
  features: u32(0),
  sequence: u32(4),
});
const extFastTail = struct("extFastTail", "little", 8, { sequence: u32(0), crc: u32(4) });

/** Counts the complete fast commits of a transaction, block by block. */
export class FastCommitCounter {
  count = 0;
  readonly #sequence: number;
  #crc = 0;
  #hasHead = false;

  /** @param sequence of the transaction that was not committed in full any more */
  constructor(sequence: number) {
    this.#sequence = sequence;
  }

  /** @returns whether the next block may hold more */
  take(block: Uint8Array): boolean {
    for (let at = 0; at + extFastTag.size < block.length;) {
      const { tag, valueBytes } = extFastTag.decode(block, at);
      const from = at + extFastTag.size;
      const end = from + valueBytes;
      if (end > block.length || tag === 0 || tag > ExtFastTag.head) return false;
      if (!this.#hasHead && tag !== ExtFastTag.head) return false;
      const value = block.subarray(from, end);
      if (tag === ExtFastTag.head && !this.#takeHead(value)) return false;
      if (tag === ExtFastTag.tail) {
        const crcAt = from + extFastTail.fields.crc.offset;
        this.#crc = crc32cUpdate(this.#crc, block.subarray(at, crcAt));
        if (!this.#takeTail(value)) return false;
      } else this.#crc = crc32cUpdate(this.#crc, block.subarray(at, end));
      at = end;
    }
    return true;
  }

  #takeHead(value: Uint8Array): boolean {
    if (value.length !== extFastHead.size) return false;
    this.#hasHead = true;
    return extFastHead.decode(value).sequence === this.#sequence;
  }

  #takeTail(value: Uint8Array): boolean {
    if (value.length < extFastTail.size) return false;
    const { sequence, crc } = extFastTail.decode(value);
    if (sequence !== this.#sequence || crc !== this.#crc) return false;
    this.count += 1;
    this.#crc = 0;
    return true;
  }
}
