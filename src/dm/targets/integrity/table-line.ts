/** The line of `dmsetup table`: what is used, be it from the words or from the superblock. */
import { SECTOR_BYTES } from "../../../base/units.ts";
import { INTEGRITY_SUPERBLOCK_SECTORS } from "../../../formats/dm-integrity.ts";
import { quoteWord } from "../../table.ts";
import { thresholdEntries } from "./activation.ts";
import { modeLetter } from "./integrity-words.ts";
import type { IntegrityLine } from "./integrity-words.ts";
import { sectorsPerBit } from "./layout.ts";
import type { Layout } from "./layout.ts";
import type { OpenDevice } from "./open-device.ts";

function when(isThere: boolean, ...options: readonly string[]): readonly string[] {
  return isThere ? options : [];
}

/** From the number of entries that it came to. */
function watermarkPercent(layout: Layout, wished: number): number {
  const { sections, sectionEntries } = layout.journal;
  const entries = sections * sectionEntries;
  const used = entries - thresholdEntries(layout, wished);
  return Math.floor((used * 100 + Math.floor(entries / 2)) / entries);
}

export function integrityTable(line: IntegrityLine, { superblock, layout }: OpenDevice): string {
  const { data, meta, mode, sectorsPerBlock, switches } = line;
  const options = [
    ...(meta === null ? [] : [`meta_device:${meta.id}`]),
    ...when(sectorsPerBlock !== 1, `block_size:${sectorsPerBlock * SECTOR_BYTES}`),
    ...when(superblock.has("recalculating"), "recalculate"),
    ...when(switches.has("reset_recalculate"), "reset_recalculate"),
    ...when(switches.has("allow_discards"), "allow_discards"),
    `journal_sectors:${layout.initialSectors - INTEGRITY_SUPERBLOCK_SECTORS}`,
    `interleave_sectors:${layout.interleaveSectors}`,
    `buffer_sectors:${layout.bufferSectors}`,
    ...when(
      mode === "journal",
      `journal_watermark:${watermarkPercent(layout, line.watermarkPercent)}`,
      `commit_time:${line.commitMs}`,
    ),
    ...when(
      mode === "bitmap",
      `sectors_per_bit:${sectorsPerBit(layout, line.bitSectors)}`,
      `bitmap_flush_interval:${line.bitmapFlushMs}`,
    ),
    ...when(superblock.has("fixedPadding"), "fix_padding"),
    ...when(superblock.has("fixedHmac"), "fix_hmac"),
    ...when(switches.has("legacy_recalculate"), "legacy_recalculate"),
    `internal_hash:${line.hash}`,
  ];
  const head = [quoteWord(data.id), line.startSector, line.tagBytes, modeLetter(mode)];
  return [...head, options.length, ...options.map(quoteWord)].join(" ");
}
