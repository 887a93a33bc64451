/**
 * Activation: what a device is brought to when its table becomes live. Everything is read anew: the table before may have changed it since.
 *
 *   superblock    journal area      journal, direct mode                       bitmap mode
 *   clean         a journal         written back, if a crash left entries      the same, then a bitmap in its place
 *   dirty bitmap  a bitmap          tags are recalculated, a new journal       stretches whose bits are set are recalculated
 */
import { ended } from "../../../block/promises.ts";
import type { BioEnd } from "../../../block/bio.ts";
import { COMMIT_SEQUENCES, INTEGRITY_SUPERBLOCK_SECTORS } from "../../../formats/dm-integrity.ts";
import { Bitmap } from "./bitmap.ts";
import type { IntegrityLine } from "./integrity-words.ts";
import type { JournalImage } from "./journal-image.ts";
import { Journal } from "./journal.ts";
import { bitmapBlocks, sectorsPerBit } from "./layout.ts";
import type { Layout } from "./layout.ts";
import type { IntegrityParts } from "./made-parts.ts";
import type { Parts } from "./parts.ts";
import { checkEntries, readFoundJournal } from "./replay.ts";
import type { FoundJournal } from "./replay.ts";

export interface Active {
  readonly journal: Journal | null;
  readonly bitmap: Bitmap | null;
}

/** When so few entries are free it is time to make room. */
export function thresholdEntries({ journal }: Layout, watermarkPercent: number): number {
  const entries = journal.sections * journal.sectionEntries;
  return Math.floor((entries * (100 - watermarkPercent) + 50) / 100);
}

export class Activation {
  readonly #parts: Parts;
  readonly #line: IntegrityLine;
  readonly #made: IntegrityParts;
  readonly #journalStart: number;

  constructor(parts: Parts, line: IntegrityLine, made: IntegrityParts) {
    this.#parts = parts;
    this.#line = line;
    this.#made = made;
    this.#journalStart = line.startSector + INTEGRITY_SUPERBLOCK_SECTORS;
  }

  /** @throws `bad-metadata` for a journal that no crash leaves, `io` */
  async run(): Promise<Active> {
    const { superblock, isReadOnly, mode } = this.#parts;
    if (mode === "recovery") return { journal: null, bitmap: null };
    if (isReadOnly) return this.#forReading();
    await this.#grow();
    if (superblock.has("dirtyBitmap"))
      return mode === "bitmap" ? this.#bitmapAgain() : this.#journalAfterBitmap();
    const journal = await this.#replayed();
    await this.#startRecalculation();
    if (mode !== "bitmap") return { journal: mode === "journal" ? journal : null, bitmap: null };
    return { journal: null, bitmap: await this.#newBitmap() };
  }

  /** What is asked for is durable before anything relies on it. */
  async #startRecalculation(): Promise<void> {
    const { superblock } = this.#parts;
    const { switches } = this.#line;
    const isAsked =
      switches.has("reset_recalculate") ||
      (switches.has("recalculate") && !superblock.has("recalculating"));
    if (!isAsked) return;
    superblock.recalculateAll();
    await this.#writeSuperblock();
  }

  #writeSuperblock(): Promise<void> {
    return this.#parts.superblock.write(this.#parts.mode === "bitmap");
  }

  #image(): JournalImage {
    const { meta, layout } = this.#parts;
    return this.#made.journalImage(meta, this.#journalStart, layout.journal);
  }

  #bitmap(): Bitmap {
    const { meta, layout } = this.#parts;
    const { dataSectors } = layout;
    const bitSectors = sectorsPerBit(layout, this.#line.bitSectors);
    const sizes = { blocks: bitmapBlocks(dataSectors, bitSectors), bitSectors, dataSectors };
    return new Bitmap(meta, this.#journalStart, sizes);
  }

  /** Whether the bitmap on the device has bits for stretches as long as the table has. */
  #hasSameBits({ bitSectors }: Bitmap): boolean {
    const { superblock, layout } = this.#parts;
    return 2 ** superblock.values.logBlocksPerBit * layout.sectorsPerBlock === bitSectors;
  }

  /** The device has another size than last time: 1 bits of what it has gained, 2 the superblock. */
  async #grow(): Promise<void> {
    const { superblock, layout, mode } = this.#parts;
    const before = superblock.values.dataSectors;
    if (before === layout.dataSectors) return;
    const bitmap = this.#bitmap();
    const hasBits = mode === "bitmap" && superblock.has("dirtyBitmap") && this.#hasSameBits(bitmap);
    if (hasBits && layout.dataSectors > before) await bitmap.grow(before);
    superblock.dataSectors = layout.dataSectors;
    await this.#writeSuperblock();
  }

  async #bitmapAgain(): Promise<Active> {
    const { superblock } = this.#parts;
    const bitmap = this.#bitmap();
    if (this.#hasSameBits(bitmap) && !this.#line.switches.has("reset_recalculate")) {
      if (await bitmap.load()) superblock.recalculateAll();
    } else {
      // 1 all bits, 2 how many there are: a crash between finds all those set that it looks at.
      await bitmap.make(0);
      this.#setBits(bitmap);
      superblock.recalculateAll();
    }
    await this.#writeSuperblock();
    return { journal: null, bitmap };
  }

  #setBits({ bitSectors }: Bitmap): void {
    const { superblock, layout } = this.#parts;
    superblock.logBlocksPerBit = Math.log2(bitSectors / layout.sectorsPerBlock);
  }

  /**
   * 1 the superblock says that there is a bitmap, 2 the bitmap: a crash between finds a journal, whose bytes make some stretches recalculated. Where
   * others need it, 1 says also that no bits are to be trusted, and 3 that these are: bytes of a journal say nothing of those.
   */
  async #newBitmap(): Promise<Bitmap> {
    const { superblock, layout } = this.#parts;
    const bitmap = this.#bitmap();
    const { hasTagsToMake } = superblock;
    superblock.set("dirtyBitmap");
    if (hasTagsToMake) superblock.distrustBits();
    else this.#setBits(bitmap);
    await this.#writeSuperblock();
    const known = superblock.has("recalculating")
      ? superblock.values.recalculatedSectors
      : layout.dataSectors;
    await bitmap.make(known);
    if (hasTagsToMake) {
      this.#setBits(bitmap);
      await this.#writeSuperblock();
    }
    return bitmap;
  }

  /** 1 that tags are to be recalculated, 2 a new journal over the bitmap, 3 that there is a journal: no crash forgets what the bitmap said. */
  async #journalAfterBitmap(): Promise<Active> {
    const { superblock, layout, mode } = this.#parts;
    await this.#recalculateForBitmap();
    await this.#writeSuperblock();
    const image = this.#image();
    await image.writeCleared({ first: 0, count: layout.journal.sections }, 0);
    superblock.clear("dirtyBitmap");
    await this.#writeSuperblock();
    return { journal: mode === "journal" ? this.#journal(image, 0, 1) : null, bitmap: null };
  }

  async #recalculateForBitmap(): Promise<void> {
    const { superblock } = this.#parts;
    const { switches } = this.#line;
    const bitmap = this.#bitmap();
    const isWrong = !this.#hasSameBits(bitmap) || (await bitmap.load());
    const isAsked = switches.has("recalculate") && !superblock.has("recalculating");
    if (isWrong || isAsked || switches.has("reset_recalculate")) superblock.recalculateAll();
  }

  #journal(image: JournalImage, section: number, sequence: number): Journal {
    const { hash, env, layout, failure } = this.#parts;
    const { commitMs, watermarkPercent } = this.#line;
    const journal: Journal = new Journal(
      {
        image,
        hash,
        timers: env.timers,
        commitMs,
        thresholdEntries: thresholdEntries(layout, watermarkPercent),
        writeBack: (sections, end) =>
          this.#made.writeBack(journal, this.#parts, sections, end).start(),
        fail: (error) => failure.set(error),
      },
      section,
      sequence,
    );
    return journal;
  }

  async #found(): Promise<{ readonly image: JournalImage; readonly found: FoundJournal }> {
    const { name, hash, layout } = this.#parts;
    const image = this.#image();
    await image.read();
    const found = readFoundJournal(image, name);
    if (!found.isEmpty) checkEntries(image, found.whole, hash, layout.dataSectors, name);
    return { image, found };
  }

  /** 1 entries come to their places, 2 flush, 3 a torn journal, or one that is not used, is cleared. */
  async #replayed(): Promise<Journal> {
    const { mode, failure } = this.#parts;
    const { image, found } = await this.#found();
    const { whole, isEmpty, isTorn } = found;
    const journal = this.#journal(image, whole.first, found.nextSequence);
    if (!isEmpty) {
      journal.adopt(whole);
      await ended((end: BioEnd) => journal.writeBack(end));
    }
    if (failure.error !== null) throw failure.error;
    if (!isTorn && (isEmpty || mode === "journal")) return journal;
    const sequence = found.clearedSequence;
    await clear(image, whole.first, sequence);
    return this.#journal(image, 0, (sequence + 1) % COMMIT_SEQUENCES);
  }

  /** Nothing is written: what the journal has is read from there, tags that a bitmap says nothing good of are not looked at. */
  async #forReading(): Promise<Active> {
    const { superblock, mode } = this.#parts;
    if (superblock.has("dirtyBitmap")) {
      const bitmap = this.#bitmap();
      const isKnown = this.#hasSameBits(bitmap);
      const isUnsure = !isKnown || (await bitmap.load());
      const hasBits = isKnown && mode === "bitmap";
      if (isUnsure && !hasBits) superblock.recalculateAll();
      return { journal: null, bitmap: hasBits ? bitmap : null };
    }
    const { image, found } = await this.#found();
    if (found.isEmpty) return { journal: null, bitmap: null };
    const journal = this.#journal(image, found.whole.first, found.nextSequence);
    journal.adopt(found.whole);
    return { journal, bitmap: null };
  }
}

/** The oldest section first, the newest last: whatever a crash leaves then, no older sections count without the newer ones. */
async function clear(image: JournalImage, oldest: number, sequence: number): Promise<void> {
  const { sections } = image.shape;
  const at = (section: number): number => (oldest + section) % sections;
  await image.writeCleared({ first: at(0), count: 1 }, sequence);
  if (sections < 2) return;
  await image.writeCleared({ first: at(1), count: sections - 2 }, sequence);
  await image.writeCleared({ first: at(sections - 1), count: 1 }, sequence);
}
