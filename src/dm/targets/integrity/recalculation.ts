/**
 * Recalculation: tags are made from the data that is there, from the first sector on; how far is in the superblock. Behind that place tags are not
 * looked at when data is read. With a bitmap only stretches whose bits a crash left are worked on.
 *
 *   1 tags of a piece, while nobody reads or writes it, ... 2 flush, 3 the superblock says how far: a crash before 3 does it once more.
 */
import { toHoldfastError } from "../../../base/errors.ts";
import { SECTOR_BYTES, alignDown } from "../../../base/units.ts";
import { ended, readInto } from "../../../block/promises.ts";
import type { BitmapCleaner } from "./bitmap-cleaner.ts";
import type { Bitmap } from "./bitmap.ts";
import { dataPlace, tagPlaceBytes } from "./layout.ts";
import { flushed, locked } from "./parts.ts";
import type { Parts } from "./parts.ts";

/** 1 MiB. */
const PIECE_SECTORS = 2048;
const SECTORS_PER_SUPERBLOCK = 2 ** 19;

export interface RecalculationBitmap {
  readonly bitmap: Bitmap;
  readonly cleaner: BitmapCleaner;
}

export class Recalculation {
  readonly #parts: Parts;
  readonly #with: RecalculationBitmap | null;
  #isStopped = false;
  #running: Promise<void> | null = null;

  constructor(parts: Parts, bitmap: RecalculationBitmap | null) {
    this.#parts = parts;
    this.#with = bitmap;
  }

  start(): void {
    const { superblock, failure, layout } = this.#parts;
    if (!superblock.has("recalculating")) return;
    if (superblock.values.recalculatedSectors === layout.dataSectors) return;
    this.#running = this.#run().catch((error: unknown) => failure.set(toHoldfastError(error)));
  }

  /** Ends it after the piece that is under way; how far it came is durable when it resolves. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
  }

  get #at(): number {
    return this.#parts.superblock.values.recalculatedSectors;
  }

  async #run(): Promise<void> {
    const { layout, failure } = this.#parts;
    let noted = this.#at;
    while (!this.#isStopped && this.#at < layout.dataSectors && failure.error === null) {
      await this.#piece();
      if (this.#at - noted < SECTORS_PER_SUPERBLOCK) continue;
      noted = this.#at;
      await this.#note();
      this.#with?.cleaner.later();
    }
    if (failure.error !== null) return;
    if (this.#with !== null && this.#at >= layout.dataSectors) {
      this.#with.bitmap.unsure.fill(0, layout.dataSectors, false);
      this.#with.cleaner.later(0);
    }
    await this.#note();
  }

  async #note(): Promise<void> {
    await flushed(this.#parts);
    await this.#parts.superblock.write(this.#with !== null);
  }

  async #piece(): Promise<void> {
    const { superblock, lock, layout } = this.#parts;
    const unsure = this.#with?.bitmap.unsure;
    const first = Math.min(this.#at, layout.dataSectors);
    const from = unsure?.runEnd(first, layout.dataSectors, false) ?? first;
    const { interleaveSectors, metaDeviceSectors, dataSectors } = layout;
    const areaEnd =
      metaDeviceSectors === null
        ? alignDown(from, interleaveSectors) + interleaveSectors
        : dataSectors;
    const to = Math.min(from + PIECE_SECTORS, areaEnd, dataSectors);
    if (from < to) {
      const hold = await locked(this.#parts, from, to);
      try {
        await this.#make(from, to);
        // Of whole stretches: the rest of the last one comes with the next piece.
        if (unsure !== undefined)
          unsure.fill(alignDown(from, unsure.bitSectors), alignDown(to, unsure.bitSectors), false);
        superblock.recalculatedSectors = to;
      } finally {
        lock.release(hold);
      }
    } else superblock.recalculatedSectors = from;
  }

  async #make(from: number, to: number): Promise<void> {
    const { data, hash, layout, buffers } = this.#parts;
    const bytes = new Uint8Array((to - from) * SECTOR_BYTES);
    await readInto(data, dataPlace(layout, from), bytes);
    const tags = hash.tags(from, bytes);
    await ended((end) => buffers.store(tagPlaceBytes(layout, from), tags, end));
  }
}
