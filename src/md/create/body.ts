/** What is written to a device that becomes a member, besides its superblock. */
import { encodeBadBlocks } from "../../formats/md/bad-blocks.ts";
import type { BitmapImage } from "../../formats/md/bitmap-image.ts";
import { emptyPplHeader } from "../../formats/md/ppl.ts";
import { emptyR5Meta } from "../../formats/md/r5-log-write.ts";
import { r5Seed } from "../../formats/md/r5-log.ts";
import { BAD_BLOCK_LOG_SECTORS } from "./places.ts";
import type { MetadataPlaces } from "./places.ts";
import type { NewDevice, PlannedWrite } from "./request.ts";

const OLD_SUPERBLOCK_BYTES = 4096;

export interface BodyOptions {
  readonly device: Pick<NewDevice, "isJournal" | "oldSuperblockSectors">;
  readonly places: MetadataPlaces;
  /** The array's, as bitmaps, PPL and journals have it. */
  readonly uuid: Uint8Array;
  readonly bitmap: BitmapImage | null;
  readonly journalSequence: bigint;
}

/** Everything but the superblock, which is written behind all of it. */
export function bodyOf(options: BodyOptions): PlannedWrite[] {
  const { device, places, uuid, bitmap, journalSequence } = options;
  const writes: PlannedWrite[] = device.oldSuperblockSectors.map((sector) => ({
    what: "old-superblock",
    sector,
    bytes: new Uint8Array(OLD_SUPERBLOCK_BYTES),
  }));
  const add = (what: PlannedWrite["what"], sector: number, bytes: Uint8Array): void => {
    writes.push({ what, sector, bytes });
  };
  const { badBlockSector, bitmapSector, pplSector, dataOffset } = places;
  if (badBlockSector !== null)
    add("bad-block-log", badBlockSector, encodeBadBlocks([], 0, BAD_BLOCK_LOG_SECTORS * 512)!);
  if (device.isJournal) add("journal", dataOffset, emptyR5Meta(r5Seed(uuid), 0, journalSequence));
  else if (pplSector !== null) add("ppl", pplSector, emptyPplHeader(uuid));
  else if (bitmap !== null && bitmapSector !== null) add("bitmap", bitmapSector, bitmap.bytes);
  return writes;
}
