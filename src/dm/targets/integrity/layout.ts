/** Where everything is: sizes that follow from what the superblock says and from the devices. Sectors count from the start of a device. */
import { SECTOR_BYTES, alignDown, alignUp, quotient } from "../../../base/units.ts";
import {
  BITMAP_BLOCK_BYTES,
  ENTRY_SECTORS,
  INTEGRITY_SUPERBLOCK_SECTORS,
  JOURNAL_SECTOR_DATA_BYTES,
  journalEntryBytes,
} from "../../../formats/dm-integrity.ts";

/** Between what the journal needs and the end of the device there must be more than that. */
const PADDING_SECTORS = 8;
const FIXED_RUN_PADDING_BYTES = 4096;
const OLD_RUN_PADDING_BYTES = 128 * 1024;
const MAX_INITIAL_SECTORS = 2 ** 32 - 1;
const MAX_BITMAP_BITS = 2 ** 32 - 1;
/** Buffers that do not fit are made smaller, but not beyond that. */
const MIN_BUFFER_SECTORS = 8;

export interface Sizes {
  readonly dataDeviceSectors: number;
  /** Of the device for metadata; null: the data device holds it. */
  readonly metaDeviceSectors: number | null;
  readonly startSector: number;
  readonly tagBytes: number;
  readonly sectorsPerBlock: number;
  /** Data between two runs of tags. */
  readonly interleaveSectors: number;
  readonly hasFixedPadding: boolean;
  readonly bufferSectors: number;
}

export interface JournalShape {
  readonly sectorsPerBlock: number;
  readonly tagBytes: number;
  readonly entryBytes: number;
  readonly sections: number;
  readonly sectionEntries: number;
  readonly sectionSectors: number;
}

export interface Layout extends Sizes {
  readonly journal: JournalShape;
  /** In front of tags and data: superblock and journal. */
  readonly initialSectors: number;
  /** A run of tags. */
  readonly tagRunSectors: number;
  /** What the target can hold. */
  readonly dataSectors: number;
}

function journalShape(
  sizes: Pick<Sizes, "sectorsPerBlock" | "tagBytes">,
  sections: number,
): JournalShape {
  const { sectorsPerBlock, tagBytes } = sizes;
  const entryBytes = journalEntryBytes(sectorsPerBlock, tagBytes);
  const sectionEntries = Math.floor(JOURNAL_SECTOR_DATA_BYTES / entryBytes) * ENTRY_SECTORS;
  const sectionSectors = ENTRY_SECTORS + sectionEntries * sectorsPerBlock;
  return { sectorsPerBlock, tagBytes, entryBytes, sections, sectionEntries, sectionSectors };
}

export function journalSectors({ sections, sectionSectors }: JournalShape): number {
  return sections * sectionSectors;
}

function tagRunSectors(sizes: Sizes): number {
  if (sizes.metaDeviceSectors !== null) return 1;
  const bytes = (sizes.interleaveSectors / sizes.sectorsPerBlock) * sizes.tagBytes;
  const padding = sizes.hasFixedPadding ? FIXED_RUN_PADDING_BYTES : OLD_RUN_PADDING_BYTES;
  return alignUp(bytes, padding) / SECTOR_BYTES;
}

/** The layout with room for so many data sectors; null: they do not fit. */
function layoutWith(sizes: Sizes, sections: number, dataSectors: number): Layout | null {
  const journal = journalShape(sizes, sections);
  const initialSectors = INTEGRITY_SUPERBLOCK_SECTORS + journalSectors(journal);
  const metaSectors = sizes.metaDeviceSectors ?? sizes.dataDeviceSectors;
  if (initialSectors + PADDING_SECTORS >= metaSectors || initialSectors > MAX_INITIAL_SECTORS)
    return null;
  const layout = {
    ...sizes,
    journal,
    initialSectors,
    tagRunSectors: tagRunSectors(sizes),
    dataSectors,
  };
  return isRoomFor(layout, metaSectors) ? layout : null;
}

function isRoomFor(layout: Layout, metaSectors: number): boolean {
  const { dataSectors, sectorsPerBlock, tagBytes, bufferSectors, initialSectors } = layout;
  if (layout.metaDeviceSectors === null)
    return dataSectors > 0 && dataPlace(layout, dataSectors - 1) < metaSectors;
  const bytes = Math.floor(dataSectors / sectorsPerBlock) * tagBytes;
  const tagSectors = alignUp(bytes, bufferSectors * SECTOR_BYTES) / SECTOR_BYTES;
  return initialSectors + tagSectors <= metaSectors;
}

function wholeBlocks({ dataDeviceSectors, sectorsPerBlock }: Sizes): number {
  return alignDown(dataDeviceSectors, sectorsPerBlock);
}

/** With as many data sectors as there is room for; null: there is none. */
export function largestLayout(sizes: Sizes, sections: number): Layout | null {
  if (sizes.metaDeviceSectors !== null) {
    const layout = layoutWith(sizes, sections, wholeBlocks(sizes));
    if (layout !== null || sizes.bufferSectors <= MIN_BUFFER_SECTORS) return layout;
    return largestLayout({ ...sizes, bufferSectors: sizes.bufferSectors / 2 }, sections);
  }
  let best: Layout | null = null;
  let dataSectors = 0;
  for (let bit = 2 ** Math.floor(Math.log2(sizes.dataDeviceSectors)); bit >= 8; bit /= 2) {
    const more = layoutWith(sizes, sections, dataSectors + bit);
    if (more === null) continue;
    best = more;
    dataSectors += bit;
  }
  return best === null ? null : withFittingBuffers(best);
}

/** Where all is on one device, buffers fit into runs of tags. */
function withFittingBuffers(layout: Layout): Layout {
  let { bufferSectors } = layout;
  while (layout.tagRunSectors % bufferSectors !== 0) bufferSectors /= 2;
  return { ...layout, bufferSectors };
}

/** The sections of a new journal. With a device for metadata there may be fewer than wished for, so that all fits; 0: nothing does. */
export function newSections(sizes: Sizes, wishedSectors: number): number {
  const wished = Math.max(1, Math.floor(wishedSectors / journalShape(sizes, 1).sectionSectors));
  if (sizes.metaDeviceSectors === null) return wished;
  let sections = 0;
  for (let { bufferSectors } = sizes; sections === 0 && bufferSectors >= 1; bufferSectors /= 2) {
    sections = sectionsThatFit({ ...sizes, bufferSectors }, wished);
    if (bufferSectors <= MIN_BUFFER_SECTORS) break;
  }
  return sections;
}

/** Bit by bit, from the highest on. */
function sectionsThatFit(sizes: Sizes, wished: number): number {
  const dataSectors = wholeBlocks(sizes);
  let sections = 0;
  for (let bit = 2 ** Math.floor(Math.log2(wished)); bit >= 1; bit /= 2) {
    const more = sections + bit;
    if (more <= wished && layoutWith(sizes, more, dataSectors) !== null) sections = more;
  }
  return sections;
}

/** Where a data sector is on the data device. */
export function dataPlace(layout: Layout, sector: number): number {
  if (layout.metaDeviceSectors !== null) return sector;
  const area = quotient(sector, layout.interleaveSectors);
  return layout.startSector + layout.initialSectors + (area + 1) * layout.tagRunSectors + sector;
}

/** Where tags begin on the device that holds them. */
export function tagsStart({ startSector, initialSectors }: Layout): number {
  return startSector + initialSectors;
}

/** Where the tag of a block is, in bytes behind `tagsStart`. @param sector the block's first */
export function tagPlaceBytes(layout: Layout, sector: number): number {
  const { interleaveSectors, tagRunSectors: run, sectorsPerBlock, tagBytes } = layout;
  if (layout.metaDeviceSectors !== null) return (sector / sectorsPerBlock) * tagBytes;
  const area = quotient(sector, interleaveSectors);
  const inArea = sector - area * interleaveSectors;
  return area * (interleaveSectors + run) * SECTOR_BYTES + (inArea / sectorsPerBlock) * tagBytes;
}

/** What one bit of the bitmap covers: what is wished for, unless there are too many then for the room that the journal leaves. */
export function sectorsPerBit(layout: Layout, wishedSectors: number): number {
  const bits = Math.min(MAX_BITMAP_BITS, journalSectors(layout.journal) * SECTOR_BYTES * 8);
  let sectors = Math.max(wishedSectors, layout.sectorsPerBlock);
  while (Math.ceil(layout.dataSectors / sectors) > bits) sectors *= 2;
  return sectors;
}

/** Blocks of the bitmap. */
export function bitmapBlocks(dataSectors: number, bitSectors: number): number {
  return Math.ceil(Math.ceil(dataSectors / bitSectors) / (BITMAP_BLOCK_BYTES * 8));
}
