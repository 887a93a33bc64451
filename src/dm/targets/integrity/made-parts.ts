/** IntegrityParts: who makes the parts of an integrity target that put things in order on its devices. */
import type { BioEnd } from "../../../block/bio.ts";
import type { BlockDevice } from "../../../block/device.ts";
import { BitmapCleaner } from "./bitmap-cleaner.ts";
import type { Bitmap } from "./bitmap.ts";
import { JournalImage } from "./journal-image.ts";
import type { Sections } from "./journal-image.ts";
import type { Journal } from "./journal.ts";
import type { JournalShape } from "./layout.ts";
import type { Parts } from "./parts.ts";
import { WriteBack } from "./write-back.ts";
import type { WriteBackPlaces } from "./write-back.ts";

export interface IntegrityParts {
  readonly journalImage: (
    device: BlockDevice,
    startSector: number,
    shape: JournalShape,
  ) => JournalImage;
  readonly writeBack: (
    journal: Journal,
    places: WriteBackPlaces,
    sections: Sections,
    end: BioEnd,
  ) => WriteBack;
  readonly cleaner: (parts: Parts, bitmap: Bitmap, intervalMs: number) => BitmapCleaner;
}

export const INTEGRITY_PARTS: IntegrityParts = {
  journalImage: (device, startSector, shape) => new JournalImage(device, startSector, shape),
  writeBack: (journal, places, sections, end) => new WriteBack(journal, places, sections, end),
  cleaner: (parts, bitmap, intervalMs) => new BitmapCleaner(parts, bitmap, intervalMs),
};
