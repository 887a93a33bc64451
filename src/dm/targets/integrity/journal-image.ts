/** The journal in memory as it is on the device: entries, their data, commit ids. What is written is whole sections. */
import { SECTOR_BYTES } from "../../../base/units.ts";
import { BioFlags, readBio, writeBio } from "../../../block/bio.ts";
import type { BioEnd } from "../../../block/bio.ts";
import type { BlockDevice } from "../../../block/device.ts";
import { fanOut } from "../../../block/fan-out.ts";
import { ended } from "../../../block/promises.ts";
import {
  COMMIT_ID_BYTES,
  COMMIT_SEQUENCES,
  ENTRY_SECTORS,
  JOURNAL_SECTOR_DATA_BYTES,
  UNUSED_ENTRY,
  commitIdHigh,
  commitIdLow,
} from "../../../formats/dm-integrity.ts";
import { journalSectors } from "./layout.ts";
import type { JournalShape } from "./layout.ts";

const WORD = 2 ** 32;
/** Reads go in pieces of that. */
const READ_SECTORS = 8192;

/** Sections that follow each other; the journal is a ring, so they may go over its end. */
export interface Sections {
  readonly first: number;
  readonly count: number;
}

export class JournalImage {
  readonly shape: JournalShape;
  readonly #device: BlockDevice;
  /** Where the journal begins on it. */
  readonly #startSector: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  constructor(device: BlockDevice, startSector: number, shape: JournalShape) {
    this.#device = device;
    this.#startSector = startSector;
    this.shape = shape;
    this.#bytes = new Uint8Array(journalSectors(shape) * SECTOR_BYTES);
    this.#view = new DataView(this.#bytes.buffer);
  }

  get entries(): number {
    return this.shape.sections * this.shape.sectionEntries;
  }

  async read(): Promise<void> {
    const sectors = journalSectors(this.shape);
    for (let at = 0; at < sectors; at += READ_SECTORS) {
      const part = this.#bytes.subarray(at * SECTOR_BYTES, (at + READ_SECTORS) * SECTOR_BYTES);
      await ended((end) => this.#device.submit(readBio(this.#startSector + at, part, end)));
    }
  }

  /** Where a sector of a section is, in bytes. */
  #sectorAt(section: number, sector: number): number {
    return (section * this.shape.sectionSectors + sector) * SECTOR_BYTES;
  }

  /** Entries are counted through all sections. */
  #entryAt(entry: number): number {
    const { sectionEntries, entryBytes } = this.shape;
    const inSection = entry % sectionEntries;
    const section = (entry - inSection) / sectionEntries;
    const row = Math.floor(inSection / ENTRY_SECTORS);
    return this.#sectorAt(section, inSection % ENTRY_SECTORS) + row * entryBytes;
  }

  #dataAt(entry: number): number {
    const { sectionEntries, sectorsPerBlock } = this.shape;
    const inSection = entry % sectionEntries;
    const section = (entry - inSection) / sectionEntries;
    return this.#sectorAt(section, ENTRY_SECTORS + inSection * sectorsPerBlock);
  }

  /** The sector that an entry is of; null: it holds nothing. */
  sectorOf(entry: number): number | null {
    const at = this.#entryAt(entry);
    const high = this.#view.getUint32(at + 4, true);
    return high === UNUSED_ENTRY ? null : high * WORD + this.#view.getUint32(at, true);
  }

  setUnused(entry: number): void {
    this.#view.setUint32(this.#entryAt(entry) + 4, UNUSED_ENTRY, true);
  }

  /** The tag, to be read or filled in. */
  tagOf(entry: number): Uint8Array {
    const { sectorsPerBlock, tagBytes } = this.shape;
    const at = this.#entryAt(entry) + 8 + sectorsPerBlock * COMMIT_ID_BYTES;
    return this.#bytes.subarray(at, at + tagBytes);
  }

  /** Fills an entry, all but its tag. */
  put(entry: number, sector: number, block: Uint8Array): void {
    const at = this.#entryAt(entry);
    this.#bytes.set(block, this.#dataAt(entry));
    for (let each = 0; each < this.shape.sectorsPerBlock; each += 1) {
      const from = each * SECTOR_BYTES + JOURNAL_SECTOR_DATA_BYTES;
      const last = block.subarray(from, from + COMMIT_ID_BYTES);
      this.#bytes.set(last, at + 8 + each * COMMIT_ID_BYTES);
    }
    this.#view.setUint32(at, sector % WORD, true);
    this.#view.setUint32(at + 4, Math.floor(sector / WORD), true);
  }

  /** The data of an entry, as it was put in. */
  copyData(entry: number, into: Uint8Array): void {
    const from = this.#dataAt(entry);
    into.set(this.#bytes.subarray(from, from + into.length));
    this.#copyLastBytes(entry, into, 0);
  }

  #copyLastBytes(entry: number, into: Uint8Array, at: number): void {
    const from = this.#entryAt(entry) + 8;
    for (let each = 0; each < this.shape.sectorsPerBlock; each += 1) {
      const last = from + each * COMMIT_ID_BYTES;
      into.set(
        this.#bytes.subarray(last, last + COMMIT_ID_BYTES),
        at + each * SECTOR_BYTES + JOURNAL_SECTOR_DATA_BYTES,
      );
    }
  }

  /**
   * The data of entries that follow each other in a section, without commit ids in it: these are in the way of nothing any more once the section is on
   * the device.
   */
  restoredData(entry: number, count: number): Uint8Array {
    const from = this.#dataAt(entry);
    const blockBytes = this.shape.sectorsPerBlock * SECTOR_BYTES;
    for (let each = 0; each < count; each += 1)
      this.#copyLastBytes(entry + each, this.#bytes, from + each * blockBytes);
    return this.#bytes.subarray(from, from + count * blockBytes);
  }

  /** Which of the commit ids a sector has; null: none. */
  sequenceOf(section: number, sector: number): number | null {
    for (let sequence = 0; sequence < COMMIT_SEQUENCES; sequence += 1)
      if (this.hasSequence(section, sector, sequence)) return sequence;
    return null;
  }

  hasSequence(section: number, sector: number, sequence: number): boolean {
    const at = this.#sectorAt(section, sector) + JOURNAL_SECTOR_DATA_BYTES;
    return (
      this.#view.getUint32(at, true) === commitIdLow(sequence, sector) &&
      this.#view.getUint32(at + 4, true) === commitIdHigh(sequence, section)
    );
  }

  /** Every sector of the section gets that commit id. */
  stamp(section: number, sequence: number): void {
    const high = commitIdHigh(sequence, section);
    for (let sector = 0; sector < this.shape.sectionSectors; sector += 1) {
      const at = this.#sectorAt(section, sector) + JOURNAL_SECTOR_DATA_BYTES;
      this.#view.setUint32(at, commitIdLow(sequence, sector), true);
      this.#view.setUint32(at + 4, high, true);
    }
  }

  /** A section without entries. */
  clear(section: number, sequence: number): void {
    const { sectionSectors, sectionEntries } = this.shape;
    this.#bytes.fill(0, this.#sectorAt(section, 0), this.#sectorAt(section, sectionSectors));
    for (let each = 0; each < sectionEntries; each += 1)
      this.setUnused(section * sectionEntries + each);
    this.stamp(section, sequence);
  }

  /** Durable when it ends; those over the end of the ring are a second write, at the same time. */
  write({ first, count }: Sections, end: BioEnd): void {
    const toEnd = this.shape.sections - first;
    if (count <= toEnd) {
      this.#writeRun(first, count, end);
      return;
    }
    const part = fanOut(2, end);
    this.#writeRun(first, toEnd, part);
    this.#writeRun(0, count - toEnd, part);
  }

  #writeRun(first: number, count: number, end: BioEnd): void {
    const from = this.#sectorAt(first, 0);
    const data = this.#bytes.subarray(from, this.#sectorAt(first + count, 0));
    const sector = this.#startSector + from / SECTOR_BYTES;
    this.#device.submit(writeBio(sector, data, BioFlags.fua, end));
  }

  /** Clears these sections, and makes that durable. */
  async writeCleared({ first, count }: Sections, sequence: number): Promise<void> {
    if (count === 0) return;
    for (let each = 0; each < count; each += 1)
      this.clear((first + each) % this.shape.sections, sequence);
    await ended((end) => this.write({ first, count }, end));
  }
}
