/**
 * What a journal on a device says: which sections a crash left whole, oldest first, and where the next commit goes. Nothing is written.
 *
 * Every sector of a section has the commit id of its turn, one of four. Sections written in the newest turn come last; the oldest is right behind
 * them. Whatever a crash tore is where the newest commit went, so it ends the run of whole sections, and nobody was told that it is durable.
 */
import { HoldfastError } from "../../../base/errors.ts";
import { SECTOR_BYTES } from "../../../base/units.ts";
import { COMMIT_SEQUENCES } from "../../../formats/dm-integrity.ts";
import type { BlockHash } from "./block-hash.ts";
import type { JournalImage, Sections } from "./journal-image.ts";

export interface FoundJournal {
  /** With no entries in them, nothing is to be written back. */
  readonly whole: Sections;
  readonly isEmpty: boolean;
  /** Some section was torn: the journal is cleared before it is used again. */
  readonly isTorn: boolean;
  /** Of the next commit, at `whole.first`, if nothing is torn. */
  readonly nextSequence: number;
  /** What sections that are cleared get: whatever a crash leaves of old ones then, none of it counts. */
  readonly clearedSequence: number;
}

function previous(sequence: number, turns = 1): number {
  return (sequence + COMMIT_SEQUENCES - turns) % COMMIT_SEQUENCES;
}

function next(sequence: number): number {
  return (sequence + 1) % COMMIT_SEQUENCES;
}

/** Of each commit id the last section that has a sector with it; null: there is none. */
function lastSections(image: JournalImage, name: string): (number | null)[] {
  const last: (number | null)[] = Array.from({ length: COMMIT_SEQUENCES }, () => null);
  const { sections, sectionSectors } = image.shape;
  for (let section = 0; section < sections; section += 1)
    for (let sector = 0; sector < sectionSectors; sector += 1) {
      const sequence = image.sequenceOf(section, sector);
      if (sequence === null)
        throw damaged(name, `sector ${sector} of section ${section} has no commit id`);
      last[sequence] = section;
    }
  return last;
}

function damaged(name: string, what: string): HoldfastError {
  return new HoldfastError(
    "bad-metadata",
    `${name}: the journal is damaged: ${what}; mode R reads what is there without it.`,
  );
}

/** The sequence of the newest turn: the next one is on no sector. */
function newestSequence(last: readonly (number | null)[], name: string): number {
  const isUsed = (sequence: number): boolean => last[sequence] !== null;
  let unused = COMMIT_SEQUENCES - 1;
  if (!isUsed(unused)) {
    while (unused > 0 && !isUsed(unused - 1)) unused -= 1;
  } else {
    unused = last.indexOf(null);
    if (unused < 0) throw damaged(name, "it has all commit ids there are");
  }
  return previous(unused);
}

function hasEntries(image: JournalImage): boolean {
  for (let entry = 0; entry < image.entries; entry += 1)
    if (image.sectorOf(entry) !== null) return true;
  return false;
}

function isWhole(image: JournalImage, section: number, sequence: number): boolean {
  for (let sector = 0; sector < image.shape.sectionSectors; sector += 1)
    if (!image.hasSequence(section, sector, sequence)) return false;
  return true;
}

/** @throws `bad-metadata` for a journal that no crash leaves */
export function readFoundJournal(image: JournalImage, name: string): FoundJournal {
  const { sections } = image.shape;
  const last = lastSections(image, name);
  const newest = newestSequence(last, name);
  let wanted = previous(newest);
  // A crash in the middle of clearing it: older turns are there, and the one that they would come before is not.
  const isHalfCleared = last[wanted] === null && last[previous(wanted)] !== null;
  const first = (last[newest]! + 1) % sections;
  if (first === 0) wanted = next(wanted);
  let count = 0;
  for (; count < sections; count += 1) {
    const section = (first + count) % sections;
    if (!isWhole(image, section, wanted)) break;
    if (section === sections - 1) wanted = next(wanted);
  }
  return {
    whole: { first, count },
    isEmpty: isHalfCleared || !hasEntries(image),
    isTorn: count < sections,
    nextSequence: wanted,
    clearedSequence: previous(newest, 2),
  };
}

/**
 * Entries behind the end of the data count for nothing: the device has become smaller.
 * @throws `bad-metadata` for one whose tag is not that of its data
 */
export function checkEntries(
  image: JournalImage,
  { first, count }: Sections,
  hash: BlockHash,
  dataSectors: number,
  name: string,
): void {
  const { sectionEntries, sectorsPerBlock, tagBytes } = image.shape;
  const block = new Uint8Array(sectorsPerBlock * SECTOR_BYTES);
  const tag = new Uint8Array(tagBytes);
  for (let each = 0; each < count * sectionEntries; each += 1) {
    const entry = (first * sectionEntries + each) % image.entries;
    const sector = image.sectorOf(entry);
    if (sector === null) continue;
    if (sector >= dataSectors) {
      image.setUnused(entry);
      continue;
    }
    if (sector % sectorsPerBlock !== 0)
      throw damaged(name, `an entry has sector ${sector}, in the middle of a block`);
    image.copyData(entry, block);
    hash.tag(sector, block, tag);
    if (!image.tagOf(entry).every((byte, at) => byte === tag[at]))
      throw damaged(name, `the data of the entry of sector ${sector} does not match its tag`);
  }
}
