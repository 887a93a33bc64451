/**
 * Block cache: the metadata blocks that are in memory. A block is checked when it is read, and sealed (number and checksum) when it is
 * written. Changed blocks stay until `writeDirty`, which comes before the superblock that makes them count.
 *
 *   absent --read--> clean <--writeDirty-- dirty <--zero, markDirty
 *      ^---- room is needed ---'
 */
import { HoldfastError, errorIn, toHoldfastError } from "../base/errors.ts";
import { ended, flush, readInto, readSectors } from "../block/promises.ts";
import { BioFlags, writeBio } from "../block/bio.ts";
import type { BlockDevice } from "../block/device.ts";
import {
  METADATA_BLOCK_BYTES,
  METADATA_BLOCK_SECTORS,
  blockProblem,
  sealBlock,
} from "../formats/persistent-data.ts";
import type { BlockKind } from "../formats/persistent-data.ts";

export interface CachedBlock {
  readonly location: number;
  readonly kind: BlockKind;
  readonly data: Uint8Array;
  readonly view: DataView;
  isDirty: boolean;
  /** It was looked at since room was last needed. */
  isWanted: boolean;
  /** Of a node: it was found fit for a tree with values of so many bytes; 0: not yet. */
  checkedFor: number;
}

/** 16 MiB. */
const DEFAULT_CLEAN_BLOCKS = 4096;
const WRITES_AT_A_TIME = 32;

export class BlockCache {
  readonly device: BlockDevice;
  readonly #maxClean: number;
  readonly #cached = new Map<number, CachedBlock>();
  readonly #dirty = new Set<CachedBlock>();
  readonly #reading = new Map<number, Promise<CachedBlock>>();

  /** @param maxClean blocks that are kept though they could be read again */
  constructor(device: BlockDevice, maxClean = DEFAULT_CLEAN_BLOCKS) {
    this.device = device;
    this.#maxClean = maxClean;
  }

  /** A device may grow. */
  get blocks(): number {
    return Math.floor(this.device.sectors / METADATA_BLOCK_SECTORS);
  }

  get dirtyBlocks(): number {
    return this.#dirty.size;
  }

  /** The block if it is in memory. @throws `bad-metadata` if it is there as a block of another kind */
  peek(location: number, kind: BlockKind): CachedBlock | null {
    const block = this.#cached.get(location);
    if (block === undefined) return null;
    if (block.kind !== kind)
      throw this.#bad(location, `it is a ${block.kind.name}, and a ${kind.name} was expected`);
    block.isWanted = true;
    return block;
  }

  /** @throws `bad-metadata` for a damaged block, `io` for one that cannot be read */
  async read(location: number, kind: BlockKind): Promise<CachedBlock> {
    const cached = this.peek(location, kind);
    if (cached !== null) return cached;
    let reading = this.#reading.get(location);
    if (reading === undefined) {
      reading = this.#fetch(location, kind).finally(() => this.#reading.delete(location));
      this.#reading.set(location, reading);
    }
    await reading;
    return this.read(location, kind);
  }

  async #fetch(location: number, kind: BlockKind): Promise<CachedBlock> {
    if (location >= this.blocks)
      throw this.#bad(location, `a ${kind.name} was expected there, behind the end of the device`);
    const data = new Uint8Array(METADATA_BLOCK_BYTES);
    await readInto(this.device, location * METADATA_BLOCK_SECTORS, data).catch((error: unknown) => {
      throw errorIn(`metadata block ${location}`, toHoldfastError(error));
    });
    // It may have been made anew meanwhile; what was read then is of no interest.
    const made = this.#cached.get(location);
    if (made !== undefined) return made;
    const problem = blockProblem(kind, data, location);
    if (problem !== null) throw this.#bad(location, problem);
    return this.#keep(location, kind, data);
  }

  #keep(location: number, kind: BlockKind, data: Uint8Array): CachedBlock {
    const view = new DataView(data.buffer);
    const block = { location, kind, data, view, isDirty: false, isWanted: true, checkedFor: 0 };
    this.#makeRoom();
    this.#cached.set(location, block);
    return block;
  }

  /** Takes out clean blocks, those first that were not looked at for a whole round. */
  #makeRoom(): void {
    if (this.#cached.size - this.#dirty.size < this.#maxClean) return;
    for (const block of this.#cached.values()) {
      this.#cached.delete(block.location);
      if (!block.isDirty && !block.isWanted) return;
      // To the end of the round.
      block.isWanted = false;
      this.#cached.set(block.location, block);
    }
  }

  /** A new block of zeros, whatever was there. */
  zero(location: number, kind: BlockKind): CachedBlock {
    const before = this.#cached.get(location);
    if (before !== undefined) this.#dirty.delete(before);
    this.#cached.delete(location);
    const block = this.#keep(location, kind, new Uint8Array(METADATA_BLOCK_BYTES));
    this.markDirty(block);
    return block;
  }

  markDirty(block: CachedBlock): void {
    if (block.isDirty) return;
    block.isDirty = true;
    this.#dirty.add(block);
  }

  /** Nobody needs what is there any more: it need not be written. */
  forget(location: number): void {
    const block = this.#cached.get(location);
    if (block === undefined) return;
    block.isDirty = false;
    this.#dirty.delete(block);
    this.#cached.delete(location);
  }

  /** All changed blocks, in any order. */
  async writeDirty(): Promise<void> {
    const blocks = [...this.#dirty].toSorted((a, b) => a.location - b.location);
    for (let at = 0; at < blocks.length; at += WRITES_AT_A_TIME)
      await Promise.all(blocks.slice(at, at + WRITES_AT_A_TIME).map((block) => this.#write(block)));
  }

  /** A block that is not in the cache: a superblock. @param flags BioFlags */
  async writeThrough(
    location: number,
    kind: BlockKind,
    data: Uint8Array,
    flags: number,
  ): Promise<void> {
    sealBlock(kind, data, location);
    const sector = location * METADATA_BLOCK_SECTORS;
    await ended((end) => this.device.submit(writeBio(sector, data, flags, end))).catch(
      (error: unknown) => {
        throw errorIn(`metadata block ${location}`, toHoldfastError(error));
      },
    );
  }

  async #write(block: CachedBlock): Promise<void> {
    await this.writeThrough(block.location, block.kind, block.data, BioFlags.none);
    block.isDirty = false;
    this.#dirty.delete(block);
  }

  flush(): Promise<void> {
    return flush(this.device);
  }

  #bad(location: number, what: string): HoldfastError {
    return new HoldfastError(
      "bad-metadata",
      `${this.device.name}, metadata block ${location}: ${what}.`,
    );
  }
}

/** Where the superblock would be there is nothing but zeros: metadata may be made there. */
export async function isBlank(device: BlockDevice): Promise<boolean> {
  const data = await readSectors(device, 0, METADATA_BLOCK_SECTORS);
  return data.every((byte) => byte === 0);
}
