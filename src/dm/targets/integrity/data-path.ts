/**
 * What happens to bios of whole blocks, once the device is active.
 *
 *   reads                 the journal, where it has a block; else data, whose tags are looked at
 *   writes, journal       into the journal (journal.ts)
 *   writes, bitmap        1 a bit of the bitmap, durably, 2 data and tags
 *   writes, direct        data and tags: a crash may leave data that has not its tag
 *   flushes, FUA          the journal is committed, or data and tags are flushed
 *   discards              1 tags that go with any data, 2 flush, 3 the data: a crash between leaves nothing that cannot be read
 */
import { HoldfastError } from "../../../base/errors.ts";
import { ignore } from "../../../base/nothing.ts";
import { SECTOR_BYTES } from "../../../base/units.ts";
import { BioFlags, discardBio, readBio, writeBio } from "../../../block/bio.ts";
import type { Bio, BioEnd } from "../../../block/bio.ts";
import { fanOut } from "../../../block/fan-out.ts";
import type { RangeHold } from "../../../block/range-lock.ts";
import type { Timer } from "../../../env/env.ts";
import { DISCARDED_TAG_BYTE } from "../../../formats/dm-integrity.ts";
import type { BitmapCleaner } from "./bitmap-cleaner.ts";
import type { Bitmap } from "./bitmap.ts";
import type { Journal } from "./journal.ts";
import { dataPlace, tagPlaceBytes } from "./layout.ts";
import { flushAll } from "./parts.ts";
import type { Parts } from "./parts.ts";

export interface DataPathOptions {
  /** In journal mode; when nothing may be written, what a crash left in the journal, in any mode. */
  readonly journal: Journal | null;
  readonly bitmap: Bitmap | null;
  readonly cleaner: BitmapCleaner | null;
  readonly allowsDiscards: boolean;
  readonly commitMs: number;
  /** A block had not its tag. */
  readonly mismatch: () => void;
}

export class DataPath {
  readonly #parts: Parts;
  readonly #options: DataPathOptions;
  /** The sector that was in the log last. */
  #lastWrong = -1;
  /** Tags that were changed without a journal go to the device after some time. */
  #timer: Timer | null = null;

  constructor(parts: Parts, options: DataPathOptions) {
    this.#parts = parts;
    this.#options = options;
  }

  submit(bio: Bio): void {
    const { failure, mode } = this.#parts;
    if (failure.error !== null) bio.end(failure.error);
    else if (bio.op === "read") this.#read(bio);
    else if (mode === "recovery") bio.end(bio.op === "flush" ? null : this.#isForReading());
    else if (bio.op === "flush") this.#flush((error) => bio.end(error));
    else if (bio.op === "write") this.#write(bio);
    else this.#discard(bio, true);
  }

  #isForReading(): HoldfastError {
    return new HoldfastError(
      "io",
      `${this.#parts.name} is in mode R, in which nothing is written.`,
    );
  }

  #flush(end: BioEnd): void {
    const { journal } = this.#options;
    if (this.#parts.mode === "journal" && journal !== null) journal.commit(end);
    else flushAll(this.#parts, end);
  }

  /** Nothing begins any more. */
  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  #read(bio: Bio): void {
    const { sector, sectors } = bio;
    this.#parts.lock.lock(sector, sectors, "shared", (hold) => {
      this.#readRuns(bio, (error) => {
        this.#parts.lock.release(hold);
        bio.end(error);
      });
    });
  }

  /** What is in the journal at this moment is copied at once; the rest cannot come to its place while it is being read. */
  #readRuns({ sector, sectors, data }: Bio, end: BioEnd): void {
    const { journal } = this.#options;
    const last = sector + sectors;
    if (journal === null || journal.index.nextIn(sector, last) === last) {
      this.#readPlace(sector, data, end);
      return;
    }
    const runs: { readonly from: number; readonly to: number }[] = [];
    const { sectorsPerBlock } = this.#parts.layout;
    for (let at = sector; at < last;) {
      const entry = journal.index.find(at);
      const to = entry === undefined ? journal.index.nextIn(at, last) : at + sectorsPerBlock;
      if (entry === undefined) runs.push({ from: at, to });
      else journal.image.copyData(entry, slice(data, at - sector, to - sector));
      at = to;
    }
    if (runs.length === 0) {
      end(null);
      return;
    }
    const part = fanOut(runs.length, end);
    for (const { from, to } of runs)
      this.#readPlace(from, slice(data, from - sector, to - sector), part);
  }

  #readPlace(sector: number, data: Uint8Array, end: BioEnd): void {
    const { layout } = this.#parts;
    const read = readBio(dataPlace(layout, sector), data, (error) => {
      if (error !== null || !this.#areTagsKnown(sector, data.length / SECTOR_BYTES)) end(error);
      else this.#check(sector, data, end);
    });
    this.#parts.data.submit(read);
  }

  /** Nothing of it is about to be recalculated. */
  #areTagsKnown(sector: number, sectors: number): boolean {
    const { mode, superblock } = this.#parts;
    const end = sector + sectors;
    if (mode === "recovery") return false;
    if (superblock.has("recalculating") && end > superblock.values.recalculatedSectors)
      return false;
    return this.#options.bitmap?.unsure.areAll(sector, end, false) ?? true;
  }

  #check(sector: number, data: Uint8Array, end: BioEnd): void {
    const { hash, layout, buffers } = this.#parts;
    const tags = hash.tags(sector, data);
    const stored = new Uint8Array(tags.length);
    buffers.load(tagPlaceBytes(layout, sector), stored, (error) => {
      end(error ?? this.#compare(sector, tags, stored));
    });
  }

  #compare(sector: number, tags: Uint8Array, stored: Uint8Array): HoldfastError | null {
    if (Buffer.compare(tags, stored) === 0) return null;
    const { name, env, layout } = this.#parts;
    const { tagBytes, sectorsPerBlock } = layout;
    for (let at = 0; at < tags.length; at += tagBytes) {
      const found = stored.subarray(at, at + tagBytes);
      const isDiscarded =
        this.#options.allowsDiscards && found.every((byte) => byte === DISCARDED_TAG_BYTE);
      if (isDiscarded || Buffer.compare(found, tags.subarray(at, at + tagBytes)) === 0) continue;
      const wrong = sector + (at / tagBytes) * sectorsPerBlock;
      const error = new HoldfastError(
        "io",
        `${name}: the data of sector ${wrong} does not match its tag.`,
      );
      this.#options.mismatch();
      // Whoever reads it in ever smaller pieces is told with every read, the log once.
      if (wrong !== this.#lastWrong) env.log.write("error", error.message);
      this.#lastWrong = wrong;
      return error;
    }
    return null;
  }

  #write(bio: Bio): void {
    const { journal } = this.#options;
    const isFua = (bio.flags & BioFlags.fua) !== 0;
    if (journal !== null) {
      journal.write(bio.sector, bio.data, isFua, (error) => bio.end(error));
      return;
    }
    this.#change(bio, (hold) => {
      const { data, layout } = this.#parts;
      const part = fanOut(2, (error) => this.#changed(bio, hold, error));
      const tags = this.#parts.hash.tags(bio.sector, bio.data);
      // A FUA write is flushed for when tags are there too.
      const place = dataPlace(layout, bio.sector);
      data.submit(writeBio(place, bio.data, BioFlags.none, part));
      this.#parts.buffers.store(tagPlaceBytes(layout, bio.sector), tags, part);
    });
  }

  /** Holds the sectors; with a bitmap their bits are durable before anything changes. */
  #change(bio: Bio, change: (hold: RangeHold) => void): void {
    const { lock, failure } = this.#parts;
    const { bitmap, cleaner } = this.#options;
    lock.lock(bio.sector, bio.sectors, "exclusive", (hold) => {
      if (bitmap === null) {
        change(hold);
        return;
      }
      bitmap.mark(bio.sector, bio.sector + bio.sectors, (error) => {
        cleaner?.later();
        if (error === null) {
          change(hold);
          return;
        }
        failure.set(error);
        lock.release(hold);
        bio.end(error);
      });
    });
  }

  #changed(bio: Bio, hold: RangeHold, error: HoldfastError | null): void {
    const { lock, env } = this.#parts;
    lock.release(hold);
    this.#timer ??= env.timers.set(this.#options.commitMs, () => {
      this.#timer = null;
      flushAll(this.#parts, ignore);
    });
    if (error === null && (bio.flags & BioFlags.fua) !== 0)
      flushAll(this.#parts, (failed) => bio.end(failed));
    else bio.end(error);
  }

  /** What the journal has of it goes to its place first, and then is discarded; what comes meanwhile is as if it came later. */
  #discard(bio: Bio, drainsJournal: boolean): void {
    const { journal } = this.#options;
    const end = bio.sector + bio.sectors;
    if (drainsJournal && journal !== null && journal.index.nextIn(bio.sector, end) < end) {
      const again: BioEnd = (error) =>
        error === null ? this.#discard(bio, false) : bio.end(error);
      journal.commit((error) => (error === null ? journal.writeBack(again) : bio.end(error)));
      return;
    }
    this.#change(bio, (hold) => {
      const { layout, mode, buffers } = this.#parts;
      const blocks = bio.sectors / layout.sectorsPerBlock;
      const tags = new Uint8Array(blocks * layout.tagBytes).fill(DISCARDED_TAG_BYTE);
      buffers.store(tagPlaceBytes(layout, bio.sector), tags, (error) => {
        if (error !== null || mode === "direct") this.#discardData(bio, hold, error);
        else flushAll(this.#parts, (failed) => this.#discardData(bio, hold, failed));
      });
    });
  }

  #discardData(bio: Bio, hold: RangeHold, error: HoldfastError | null): void {
    const { data, layout } = this.#parts;
    const ended: BioEnd = (failed) => this.#changed(bio, hold, failed);
    if (error !== null) ended(error);
    else data.submit(discardBio(dataPlace(layout, bio.sector), bio.sectors, ended));
  }
}

function slice(data: Uint8Array, fromSectors: number, toSectors: number): Uint8Array {
  return data.subarray(fromSectors * SECTOR_BYTES, toSectors * SECTOR_BYTES);
}
