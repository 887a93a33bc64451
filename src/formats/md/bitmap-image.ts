/**
 * Writing a write-intent bitmap: its superblock and bits as they lie on the device, in memory as one piece, written in pages of 4 KiB.
 *
 *   page 0: superblock, 256 bytes | bits of the first 30720 chunks        page n: bits of the next 32768        last page: cut to whole sectors
 *
 * What stands behind the last chunk's bit, in its byte and its page, means nothing and stays as it was found.
 *
 * Majors 4 and 5 are written (5: one node's bitmap). 3 has its bits in words of a host that nobody knows any more, and 6 has no bits.
 * Facts: drivers/md/md-bitmap.c, mdadm's super1.c; docs/formats/md-bitmap.md.
 */
import { assert } from "../../base/assert.ts";
import { HoldfastError } from "../../base/errors.ts";
import { SECTOR_BYTES, alignUp } from "../../base/units.ts";
import { BITMAP_MAGIC, BITMAP_SUPER_BYTES, bitmapSuper, decodeBitmap } from "./bitmap.ts";
import type { BitmapSuper } from "./bitmap.ts";

export const BITMAP_PAGE_BYTES = 4096;

export interface NewBitmap {
  /** arrayUuidBytes(). */
  readonly uuid: Uint8Array;
  /** What it covers: member sectors, for raid10 array sectors. */
  readonly syncSectors: number;
  /** A power of two. */
  readonly chunkSectors: number;
  readonly daemonSleepSeconds: number;
  /** Writes that may be behind on write-mostly members; 0: none. */
  readonly writeBehind: number;
}

/** What changes in a bitmap's superblock; what is left out stays. */
export interface BitmapChanges {
  readonly events?: number;
  readonly eventsCleared?: number;
  /** BITMAP_STATE. */
  readonly state?: number;
  readonly syncSectors?: number;
  readonly daemonSleepSeconds?: number;
  readonly writeBehind?: number;
  readonly reservedSectors?: number;
}

function refuse(reason: string): never {
  throw new HoldfastError("unsupported", `this bitmap cannot be written: ${reason}`);
}

/** Bytes of superblock and bits. */
export function bitmapBytes(chunks: number): number {
  return BITMAP_SUPER_BYTES + Math.ceil(chunks / 8);
}

export class BitmapImage {
  readonly chunks: number;
  readonly chunkSectors: number;
  readonly #bytes: Uint8Array;

  private constructor(bytes: Uint8Array, chunks: number, chunkSectors: number) {
    assert(bytes.length === alignUp(bitmapBytes(chunks), BITMAP_PAGE_BYTES), "whole pages");
    this.#bytes = bytes;
    this.chunks = chunks;
    this.chunkSectors = chunkSectors;
  }

  /**
   * A bitmap that stands on a device.
   * @param bytes from its start; what is missing at the end of its last page is taken for zeros
   * Throws `unsupported` for majors that are not written, `bad-metadata` for what is no bitmap.
   */
  static load(bytes: Uint8Array): BitmapImage {
    const decoded = decodeBitmap(bytes);
    if (decoded.kind === "none") throw new HoldfastError("bad-metadata", "there is no bitmap");
    if (decoded.kind === "bad") throw new HoldfastError("bad-metadata", decoded.reason);
    const { major, chunks, chunkSectors } = decoded.bitmap;
    if (major === 3) refuse("it is of version 3, whose bits depend on the machine that wrote it");
    if (major === 6) refuse("it is of version 6, the lockless one");
    const length = alignUp(bitmapBytes(chunks), BITMAP_PAGE_BYTES);
    if (bytes.length < bitmapBytes(chunks))
      throw new HoldfastError(
        "bad-metadata",
        `its bitmap has ${chunks} chunks, and ends before them`,
      );
    const whole = new Uint8Array(length);
    whole.set(bytes.subarray(0, length));
    return new BitmapImage(whole, chunks, chunkSectors);
  }

  /** A new one: every chunk is dirty, and so is what stands behind the last, as mdadm makes them. */
  static allDirty(options: NewBitmap): BitmapImage {
    const chunks = Math.ceil(options.syncSectors / options.chunkSectors);
    const bytes = new Uint8Array(alignUp(bitmapBytes(chunks), BITMAP_PAGE_BYTES)).fill(0xff);
    bytes.set(newSuperblock(options));
    return new BitmapImage(bytes, chunks, options.chunkSectors);
  }

  /** A new one with these chunks dirty, and zeros behind the last. */
  static withDirty(options: NewBitmap, dirty: Iterable<number>): BitmapImage {
    const chunks = Math.ceil(options.syncSectors / options.chunkSectors);
    const bytes = new Uint8Array(alignUp(bitmapBytes(chunks), BITMAP_PAGE_BYTES));
    bytes.set(newSuperblock(options));
    const image = new BitmapImage(bytes, chunks, options.chunkSectors);
    for (const chunk of dirty) image.set(chunk);
    return image;
  }

  isSet(chunk: number): boolean {
    return (this.#bytes[this.#byteOf(chunk)]! & (1 << (chunk & 7))) !== 0;
  }

  set(chunk: number): void {
    this.#bytes[this.#byteOf(chunk)]! |= 1 << (chunk & 7);
  }

  clear(chunk: number): void {
    this.#bytes[this.#byteOf(chunk)]! &= ~(1 << (chunk & 7));
  }

  /** Every chunk, as for a bitmap that is out of date; what stands behind the last stays. */
  setAll(): void {
    const whole = this.chunks >> 3;
    this.#bytes.fill(0xff, BITMAP_SUPER_BYTES, BITMAP_SUPER_BYTES + whole);
    for (let chunk = whole * 8; chunk < this.chunks; chunk += 1) this.set(chunk);
  }

  get superblock(): BitmapSuper {
    return bitmapSuper.decode(this.#bytes);
  }

  updateSuperblock(changes: BitmapChanges): void {
    const { events, eventsCleared, syncSectors, ...rest } = changes;
    bitmapSuper.encodeInto(this.#bytes, 0, {
      ...(events === undefined ? {} : { events: BigInt(events) }),
      ...(eventsCleared === undefined ? {} : { eventsCleared: BigInt(eventsCleared) }),
      ...(syncSectors === undefined ? {} : { syncSize: BigInt(syncSectors) }),
      ...(rest.state === undefined ? {} : { state: rest.state }),
      ...(rest.daemonSleepSeconds === undefined ? {} : { daemonSleep: rest.daemonSleepSeconds }),
      ...(rest.writeBehind === undefined ? {} : { writeBehind: rest.writeBehind }),
      ...(rest.reservedSectors === undefined ? {} : { sectorsReserved: rest.reservedSectors }),
    });
  }

  get pages(): number {
    return this.#bytes.length / BITMAP_PAGE_BYTES;
  }

  /** The page that has a chunk's bit. */
  pageOf(chunk: number): number {
    return Math.floor(this.#byteOf(chunk) / BITMAP_PAGE_BYTES);
  }

  /** The bytes of a page that are written, `page` pages from the bitmap's start: all, or of the last one the sectors that are in use. A view. */
  page(page: number): Uint8Array {
    const start = page * BITMAP_PAGE_BYTES;
    const used = alignUp(bitmapBytes(this.chunks), SECTOR_BYTES);
    assert(start < used, "a page of the bitmap");
    return this.#bytes.subarray(start, Math.min(start + BITMAP_PAGE_BYTES, used));
  }

  /** Everything in whole pages, as it is written to a new member. A view. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  #byteOf(chunk: number): number {
    assert(chunk >= 0 && chunk < this.chunks, "a chunk of the bitmap");
    return BITMAP_SUPER_BYTES + Math.floor(chunk / 8);
  }
}

function newSuperblock(options: NewBitmap): Uint8Array {
  return bitmapSuper.encode({
    magic: BITMAP_MAGIC,
    version: 4,
    uuid: options.uuid,
    events: 0n,
    eventsCleared: 0n,
    syncSize: BigInt(options.syncSectors),
    state: 0,
    chunksize: options.chunkSectors * SECTOR_BYTES,
    daemonSleep: options.daemonSleepSeconds,
    writeBehind: options.writeBehind,
    sectorsReserved: 0,
    nodes: 0,
    clusterName: "",
    pad: new Uint8Array(120),
  });
}
