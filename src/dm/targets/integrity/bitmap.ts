/**
 * The bitmap, which stands where the journal would: a bit for each stretch of data whose tags may be wrong after a crash.
 *
 *   1 the bit, with FUA, 2 data and tags, 3 both flushed, 4 bits are cleared: while nothing is being written, long after a bit was set.
 * A cut before 4 costs a recalculation of the stretch; before 2 too, though nothing has changed.
 */
import type { HoldfastError } from "../../../base/errors.ts";
import { SECTOR_BYTES, quotient } from "../../../base/units.ts";
import { BioFlags, writeBio } from "../../../block/bio.ts";
import type { BioEnd } from "../../../block/bio.ts";
import type { BlockDevice } from "../../../block/device.ts";
import { readInto, writeSectors } from "../../../block/promises.ts";
import { BITMAP_BLOCK_BYTES } from "../../../formats/dm-integrity.ts";

const BLOCK_BITS = BITMAP_BLOCK_BYTES * 8;
const BLOCK_SECTORS = BITMAP_BLOCK_BYTES / SECTOR_BYTES;

/** Bits in memory, by data sector. */
export class StretchBits {
  readonly bitSectors: number;
  readonly bytes: Uint8Array;

  /** @param bits whole blocks of the bitmap */
  constructor(bitSectors: number, bits: Uint8Array) {
    this.bitSectors = bitSectors;
    this.bytes = bits;
  }

  has(sector: number): boolean {
    const bit = quotient(sector, this.bitSectors);
    return (this.bytes[Math.floor(bit / 8)]! & (1 << (bit % 8))) !== 0;
  }

  /** Of all stretches that the sectors touch. */
  fill(from: number, to: number, value: boolean): void {
    if (from >= to) return;
    const last = quotient(to - 1, this.bitSectors);
    for (let bit = quotient(from, this.bitSectors); bit <= last; bit += 1) {
      const at = Math.floor(bit / 8);
      if (bit % 8 === 0 && bit + 8 <= last) {
        this.bytes[at] = value ? 0xff : 0;
        bit += 7;
      } else if (value) this.bytes[at]! |= 1 << (bit % 8);
      else this.bytes[at]! &= ~(1 << (bit % 8));
    }
  }

  /** The first sector from `from` on whose stretch has another value than `value`; `to` if there is none before. */
  runEnd(from: number, to: number, value: boolean): number {
    const whole = value ? 0xff : 0;
    let at = from;
    while (at < to && this.has(at) === value) {
      const bit = quotient(at, this.bitSectors);
      const isWhole = bit % 8 === 0 && this.bytes[bit / 8] === whole;
      at = (bit + (isWhole ? 8 : 1)) * this.bitSectors;
    }
    return Math.min(at, to);
  }

  areAll(from: number, to: number, value: boolean): boolean {
    return this.runEnd(from, to, value) === to;
  }
}

interface Marking {
  readonly from: number;
  readonly to: number;
  readonly end: BioEnd;
}

export class Bitmap {
  readonly #device: BlockDevice;
  readonly #startSector: number;
  readonly #dataSectors: number;
  /** As it is on the device, or will be. */
  readonly #image: StretchBits;
  /** Durable: there may be written. */
  readonly #mayWrite: StretchBits;
  /** Tags that are not to be looked at: they may be wrong since a crash. */
  readonly unsure: StretchBits;
  /** By block of the bitmap: who waits for it to be written. */
  readonly #marking = new Map<number, Marking[]>();
  readonly #writing = new Set<number>();

  /** @param startSector where the journal would be */
  constructor(
    device: BlockDevice,
    startSector: number,
    sizes: { readonly blocks: number; readonly bitSectors: number; readonly dataSectors: number },
  ) {
    const { blocks, bitSectors, dataSectors } = sizes;
    const bits = (): StretchBits =>
      new StretchBits(bitSectors, new Uint8Array(blocks * BITMAP_BLOCK_BYTES));
    this.#device = device;
    this.#startSector = startSector;
    this.#dataSectors = dataSectors;
    this.#image = bits();
    this.#mayWrite = bits();
    this.unsure = bits();
  }

  get bitSectors(): number {
    return this.#image.bitSectors;
  }

  /** What a crash left: nothing is known of those tags. @returns whether there are such */
  async load(): Promise<boolean> {
    await readInto(this.#device, this.#startSector, this.#image.bytes);
    this.#mayWrite.bytes.set(this.#image.bytes);
    this.unsure.bytes.set(this.#image.bytes);
    return !this.unsure.areAll(0, this.#dataSectors, false);
  }

  /** A new one: set from there on, so tags behind it are not known. */
  async make(unsureFrom: number): Promise<void> {
    for (const bits of [this.#image, this.#mayWrite, this.unsure]) {
      bits.bytes.fill(0);
      bits.fill(unsureFrom, this.#dataSectors, true);
    }
    await this.#writeAll();
  }

  /** Bits of what a device has gained are set, and nothing else changes. */
  async grow(from: number): Promise<void> {
    await readInto(this.#device, this.#startSector, this.#image.bytes);
    this.#image.fill(from, this.#dataSectors, true);
    await this.#writeAll();
  }

  async #writeAll(): Promise<void> {
    await writeSectors(this.#device, this.#startSector, this.#image.bytes.slice(), BioFlags.fua);
  }

  /** Ends when those sectors may be written. They lie in one block of the bitmap. */
  mark(from: number, to: number, end: BioEnd): void {
    if (this.#mayWrite.areAll(from, to, true)) {
      end(null);
      return;
    }
    this.#image.fill(from, to, true);
    const block = Math.floor(quotient(from, this.bitSectors) / BLOCK_BITS);
    const marking = this.#marking.get(block);
    if (marking === undefined) this.#marking.set(block, [{ from, to, end }]);
    else marking.push({ from, to, end });
    this.#writeBlock(block);
  }

  #writeBlock(block: number): void {
    const marking = this.#marking.get(block);
    if (marking === undefined || this.#writing.has(block)) return;
    this.#marking.delete(block);
    this.#writing.add(block);
    const at = block * BITMAP_BLOCK_BYTES;
    const bytes = this.#image.bytes.slice(at, at + BITMAP_BLOCK_BYTES);
    const sector = this.#startSector + block * BLOCK_SECTORS;
    const written = (error: HoldfastError | null): void => {
      this.#writing.delete(block);
      for (const { from, to, end } of marking) {
        if (error === null) this.#mayWrite.fill(from, to, true);
        end(error);
      }
      this.#writeBlock(block);
    };
    this.#device.submit(writeBio(sector, bytes, BioFlags.fua, written));
  }

  /** Everything up to there was flushed, and nobody writes: its bits are cleared, durably. */
  async clear(to: number): Promise<void> {
    this.#image.fill(0, to, false);
    this.#mayWrite.fill(0, to, false);
    await this.#writeAll();
  }
}
