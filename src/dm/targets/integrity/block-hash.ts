/** The tag of a block: a hash of the salt, if there is one, of the block's first sector as 8 bytes, and of its data; cut, or filled with zeros. */
import { createHash } from "node:crypto";
import { SECTOR_BYTES } from "../../../base/units.ts";
import { crc32Update } from "../../../codec/crc32.ts";
import { crc32cUpdate } from "../../../codec/crc32c.ts";

interface Algorithm {
  readonly digestBytes: number;
  /** Writes the digest of both, one behind the other, to `into`, which has room for a tag: what does not fit is cut. */
  digest(head: Uint8Array, data: Uint8Array, into: Uint8Array): void;
}

/** @param finish what the register becomes at the end */
function crc(
  update: (seed: number, data: Uint8Array) => number,
  seed: number,
  finish: (register: number) => number,
): Algorithm {
  return {
    digestBytes: 4,
    digest(head, data, into) {
      const value = finish(update(update(seed, head), data));
      for (let at = 0; at < Math.min(4, into.length); at += 1) into[at] = value >>> (8 * at);
    },
  };
}

function cryptographic(name: string, digestBytes: number): Algorithm {
  return {
    digestBytes,
    digest(head, data, into) {
      const digest = createHash(name).update(head).update(data).digest();
      into.set(digest.subarray(0, into.length));
    },
  };
}

/** By the kernel's names. Its crc32 neither begins with ones nor ends with an inversion. */
const ALGORITHMS: Readonly<Record<string, Algorithm>> = {
  crc32c: crc(crc32cUpdate, 0xffff_ffff, (register) => ~register),
  crc32: crc(crc32Update, 0, (register) => register),
  sha1: cryptographic("sha1", 20),
  sha256: cryptographic("sha256", 32),
};

export const HASH_NAMES: readonly string[] = Object.keys(ALGORITHMS);

/** Bytes of its digest; null: there is no such hash here. */
export function hashBytes(name: string): number | null {
  return ALGORITHMS[name]?.digestBytes ?? null;
}

export class BlockHash {
  readonly tagBytes: number;
  readonly #algorithm: Algorithm;
  readonly #blockBytes: number;
  readonly #head: Uint8Array;
  readonly #view: DataView;
  readonly #sectorAt: number;

  /** @param salt empty: there is none */
  constructor(name: string, tagBytes: number, sectorsPerBlock: number, salt: Uint8Array) {
    this.#algorithm = ALGORITHMS[name]!;
    this.tagBytes = tagBytes;
    this.#blockBytes = sectorsPerBlock * SECTOR_BYTES;
    this.#head = new Uint8Array(salt.length + 8);
    this.#head.set(salt);
    this.#view = new DataView(this.#head.buffer);
    this.#sectorAt = salt.length;
  }

  /** Writes the tag of one block, whose first sector that is, to `into`. */
  tag(sector: number, block: Uint8Array, into: Uint8Array): void {
    this.#view.setBigUint64(this.#sectorAt, BigInt(sector), true);
    into.fill(0);
    this.#algorithm.digest(this.#head, block, into);
  }

  /** The tags of whole blocks, one behind the other. */
  tags(sector: number, data: Uint8Array): Uint8Array {
    const blocks = data.length / this.#blockBytes;
    const tags = new Uint8Array(blocks * this.tagBytes);
    for (let block = 0; block < blocks; block += 1) {
      const from = block * this.#blockBytes;
      const at = sector + from / SECTOR_BYTES;
      const into = tags.subarray(block * this.tagBytes, (block + 1) * this.tagBytes);
      this.tag(at, data.subarray(from, from + this.#blockBytes), into);
    }
    return tags;
  }
}
