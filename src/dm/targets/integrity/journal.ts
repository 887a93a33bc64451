/**
 * The journal of an integrity device in use: a ring of sections. Writes become entries; a commit makes sections of them durable, and then they count;
 * write-back (write-back.ts) brings them to their places and makes the sections free.
 *
 *        committed        uncommitted      free
 *   ... |---------------|---------------|-----------------|---------------| ...
 *        ^ write-back    ^ commit         ^ next entry
 *
 *   1 the sections with FUA, 2 flushes and FUA writes that waited are answered,
 *   3 tags and data to their places, 4 flush, 5 the sections are free, to be overwritten by 1.
 * A cut before 2 leaves old or new data; one between 2 and 5 is mended by writing the journal back when the device is used again.
 */
import type { HoldfastError } from "../../../base/errors.ts";
import { ignore } from "../../../base/nothing.ts";
import { SECTOR_BYTES } from "../../../base/units.ts";
import type { BioEnd } from "../../../block/bio.ts";
import { ended } from "../../../block/promises.ts";
import type { Timer, Timers } from "../../../env/env.ts";
import { COMMIT_SEQUENCES } from "../../../formats/dm-integrity.ts";
import type { BlockHash } from "./block-hash.ts";
import type { JournalImage, Sections } from "./journal-image.ts";
import { JournalIndex } from "./journal-index.ts";

export interface JournalOptions {
  readonly image: JournalImage;
  readonly hash: BlockHash;
  readonly timers: Timers;
  readonly commitMs: number;
  /** When so few entries are free it is committed and written back. */
  readonly thresholdEntries: number;
  /** Brings committed sections to their places, durably. */
  readonly writeBack: (sections: Sections, end: BioEnd) => void;
  /** Nothing can be promised any more. */
  readonly fail: (error: HoldfastError) => void;
}

/** A write of which not all blocks are entries yet. */
interface PendingWrite {
  readonly sector: number;
  readonly data: Uint8Array;
  doneBytes: number;
  readonly isFua: boolean;
  readonly end: BioEnd;
}

export class Journal {
  readonly image: JournalImage;
  readonly index: JournalIndex;
  readonly #options: JournalOptions;
  #sequence: number;
  #committed: number;
  #committedSections = 0;
  #uncommitted: number;
  #uncommittedSections = 0;
  /** The next entry to be filled. */
  #freeEntry: number;
  #freeEntries: number;
  readonly #pending: PendingWrite[] = [];
  #isFilling = false;
  #committing: BioEnd[] = [];
  #isCommitting = false;
  #writingBack: BioEnd[] = [];
  #isWritingBack = false;
  #timer: Timer | null = null;
  #hasWritten = false;
  #failure: HoldfastError | null = null;

  /** @param section where to go on, with that commit id */
  constructor(options: JournalOptions, section: number, sequence: number) {
    this.#options = options;
    this.image = options.image;
    const { sectorsPerBlock } = this.image.shape;
    this.index = new JournalIndex(this.image.entries, sectorsPerBlock);
    this.#sequence = sequence;
    this.#committed = section;
    this.#uncommitted = section;
    this.#freeEntry = section * this.image.shape.sectionEntries;
    this.#freeEntries = this.image.entries;
  }

  /** Sections that were found on the device, committed long ago; they are all there is. */
  adopt({ first, count }: Sections): void {
    const { sections, sectionEntries } = this.image.shape;
    this.#committed = first;
    this.#committedSections = count;
    this.#uncommitted = (first + count) % sections;
    this.#freeEntry = this.#uncommitted * sectionEntries;
    this.#freeEntries = (sections - count) * sectionEntries;
    for (let each = 0; each < count * sectionEntries; each += 1) {
      const entry = (first * sectionEntries + each) % this.image.entries;
      const sector = this.image.sectorOf(entry);
      if (sector !== null) this.index.add(sector, entry);
    }
  }

  /** An entry is on its way to its place, or need not go there. */
  forget(sector: number, entry: number): void {
    this.index.remove(sector, entry);
    this.image.setUnused(entry);
  }

  /** Another entry of the same block counts: this one need not be written back. One that is not committed does not: a crash may take it. */
  isOutdated(entry: number): boolean {
    const newer = this.index.newerThan(entry);
    if (newer === null) return false;
    const { sections, sectionEntries } = this.image.shape;
    const section = Math.floor(newer / sectionEntries);
    return (section - this.#committed + sections) % sections < this.#committedSections;
  }

  /** `data` is not needed any more when it ends. */
  write(sector: number, data: Uint8Array, isFua: boolean, end: BioEnd): void {
    if (this.#failure !== null) {
      end(this.#failure);
      return;
    }
    this.#pending.push({ sector, data, doneBytes: 0, isFua, end });
    this.#fillPending();
  }

  /** Writes become entries in the order in which they came, as far as there is room. */
  #fillPending(): void {
    if (this.#isFilling) return;
    this.#isFilling = true;
    for (let write = this.#pending[0]; write !== undefined; write = this.#pending[0]) {
      this.#fill(write);
      const isDone = write.doneBytes === write.data.length;
      if (isDone) this.#pending.shift();
      if (this.#isShort) this.commit(ignore);
      else this.#commitLater();
      if (isDone && write.isFua) this.commit(write.end);
      else if (isDone) write.end(null);
      else if (this.#freeEntries === 0) break;
    }
    this.#isFilling = false;
  }

  #fill(write: PendingWrite): void {
    const blockBytes = this.image.shape.sectorsPerBlock * SECTOR_BYTES;
    while (write.doneBytes < write.data.length && this.#freeEntries > 0) {
      const block = write.data.subarray(write.doneBytes, write.doneBytes + blockBytes);
      this.#add(write.sector + write.doneBytes / SECTOR_BYTES, block);
      write.doneBytes += blockBytes;
    }
  }

  #add(sector: number, block: Uint8Array): void {
    const { sectionEntries } = this.image.shape;
    const entry = this.#freeEntry;
    this.image.put(entry, sector, block);
    this.#options.hash.tag(sector, block, this.image.tagOf(entry));
    this.index.add(sector, entry);
    this.#freeEntries -= 1;
    this.#freeEntry = (entry + 1) % this.image.entries;
    if (this.#freeEntry % sectionEntries === 0) this.#uncommittedSections += 1;
  }

  get #isShort(): boolean {
    return this.#freeEntries <= this.#options.thresholdEntries;
  }

  #commitLater(): void {
    this.#timer ??= this.#options.timers.set(this.#options.commitMs, () => this.commit(ignore));
  }

  /** All that was written by then is durable when it ends. */
  commit(end: BioEnd): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#committing.push(end);
    if (!this.#isCommitting) this.#commitNext();
  }

  #commitNext(): void {
    const asking = this.#committing;
    this.#committing = [];
    this.#isCommitting = asking.length > 0;
    if (!this.#isCommitting) return;
    this.#commitOnce((error) => {
      for (const end of asking) end(error);
      this.#commitNext();
    });
  }

  #commitOnce(end: BioEnd): void {
    this.#padSection();
    const sections = { first: this.#uncommitted, count: this.#uncommittedSections };
    if (this.#failure !== null || sections.count === 0) {
      end(this.#failure);
      return;
    }
    this.#hasWritten = true;
    this.#stamp(sections);
    this.image.write(sections, (error) => {
      if (error !== null) this.#fail(error);
      else this.#areCommitted(sections);
      end(this.#failure);
    });
  }

  /** What is left of a section that has entries stays unused. */
  #padSection(): void {
    const { sectionEntries } = this.image.shape;
    const used = this.#freeEntry % sectionEntries;
    if (used === 0) return;
    this.#freeEntries -= sectionEntries - used;
    this.#freeEntry = (this.#freeEntry + sectionEntries - used) % this.image.entries;
    this.#uncommittedSections += 1;
  }

  #stamp({ first, count }: Sections): void {
    const { sections } = this.image.shape;
    for (let each = 0; each < count; each += 1) {
      const section = (first + each) % sections;
      this.image.stamp(section, this.#sequence);
      if (section === sections - 1) this.#sequence = next(this.#sequence);
    }
  }

  #areCommitted({ first, count }: Sections): void {
    this.#uncommitted = (first + count) % this.image.shape.sections;
    this.#uncommittedSections -= count;
    this.#committedSections += count;
    if (this.#isShort) this.writeBack(ignore);
  }

  /** All that was committed by then is in its place when it ends. */
  writeBack(end: BioEnd): void {
    this.#writingBack.push(end);
    if (!this.#isWritingBack) this.#writeBackNext();
  }

  #writeBackNext(): void {
    const asking = this.#writingBack;
    this.#writingBack = [];
    this.#isWritingBack = asking.length > 0;
    if (!this.#isWritingBack) return;
    const sections = { first: this.#committed, count: this.#committedSections };
    const done: BioEnd = (error) => {
      if (error !== null) this.#fail(error);
      else this.#areFree(sections);
      for (const end of asking) end(this.#failure);
      this.#writeBackNext();
    };
    if (this.#failure !== null) done(this.#failure);
    else if (sections.count === 0) done(null);
    else this.#options.writeBack(sections, done);
  }

  #areFree({ first, count }: Sections): void {
    const { sections, sectionEntries } = this.image.shape;
    this.#committed = (first + count) % sections;
    this.#committedSections -= count;
    this.#freeEntries += count * sectionEntries;
    this.#fillPending();
  }

  #fail(error: HoldfastError): void {
    if (this.#failure !== null) return;
    this.#failure = error;
    this.#options.fail(error);
    for (const { end } of this.#pending.splice(0)) end(error);
  }

  /**
   * Nothing is written any more. 1 commit, 2 write-back with its flush, 3 an empty journal: a crash in it leaves sections that are written back
   * once more, to what they hold already.
   */
  async settle(): Promise<void> {
    await ended((end) => this.commit(end));
    await ended((end) => this.writeBack(end));
    if (!this.#hasWritten) return;
    const { sections, sectionEntries } = this.image.shape;
    const section = this.#freeEntry / sectionEntries;
    await this.image.writeCleared({ first: section, count: sections - section }, this.#sequence);
    await this.image.writeCleared({ first: 0, count: section }, next(this.#sequence));
    this.#hasWritten = false;
  }
}

function next(sequence: number): number {
  return (sequence + 1) % COMMIT_SEQUENCES;
}
