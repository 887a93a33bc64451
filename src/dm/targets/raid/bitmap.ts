/**
 * The bitmaps on the metadata devices: made, read when a set starts, and fitted to a table that gives the set another length or its regions
 * another size.
 *
 * What was dirty stays so, and what is new is dirty: its copies and parity are made by the first sync. Facts: md_bitmap_resize in md-bitmap.c.
 */
import { HoldfastError } from "../../../base/errors.ts";
import { SECTOR_BYTES } from "../../../base/units.ts";
import type { SectorRange } from "../../../base/units.ts";
import { flush, writeSectors } from "../../../block/promises.ts";
import { BitmapImage } from "../../../formats/md/bitmap-image.ts";
import { bitmapRuns, dirtyRanges, needsSync } from "../../../formats/md/bitmap-runs.ts";
import type { BitmapReader } from "../../../formats/md/bitmap-runs.ts";
import type { MdBitmap } from "../../../formats/md/bitmap.ts";
import type { MdCandidate } from "../../../md/candidate.ts";
import { readMemberBitmap } from "../../../md/probe.ts";
import type { TargetDevice } from "../../target.ts";
import type { RaidArguments } from "./arguments.ts";
import type { RaidGeometry } from "./geometry.ts";
import { BITMAP_SECTOR } from "./superblock.ts";

/** raid0 has nothing to sync, and a journal tells what was being written. */
export function hasBitmap({ journal }: RaidArguments, { shape }: RaidGeometry): boolean {
  return shape.level !== "raid0" && journal === null;
}

/** The place of its id in the superblock is empty: the target has none. */
export function newBitmap(
  raid: RaidArguments,
  geometry: RaidGeometry,
  isClean: boolean,
): BitmapImage {
  const options = optionsOf(raid, geometry, geometry.regionSectors);
  return isClean ? BitmapImage.withDirty(options, []) : BitmapImage.allDirty(options);
}

function optionsOf(
  { numbers }: RaidArguments,
  { syncSectors }: RaidGeometry,
  chunkSectors: number,
): Parameters<typeof BitmapImage.withDirty>[0] {
  return {
    uuid: new Uint8Array(16),
    syncSectors,
    chunkSectors,
    daemonSleepSeconds: Math.max(1, Math.round((numbers.get("daemon_sleep") ?? 5000) / 1000)),
    writeBehind: Math.floor((numbers.get("max_write_behind") ?? 0) / 2),
  };
}

/** Sectors of a metadata device that superblock and bitmap take. */
export function metadataSectors(raid: RaidArguments, geometry: RaidGeometry): number {
  if (!hasBitmap(raid, geometry)) return 1;
  return BITMAP_SECTOR + newBitmap(raid, geometry, true).bytes.length / SECTOR_BYTES;
}

export interface Bits {
  readonly isAnySet: boolean;
  readonly eventsCleared: number;
  /** The set is longer than its bitmaps were. */
  readonly isGrown: boolean;
}

export const NO_BITS: Bits = { isAnySet: false, eventsCleared: Infinity, isGrown: false };

export interface BitmapSource {
  readonly raid: RaidArguments;
  readonly geometry: RaidGeometry;
  /** Of the set; an older bitmap is not to be trusted. */
  readonly events: number;
  /** In sync, and as fresh as any. */
  readonly from: MdCandidate;
  /** Everybody who has a bitmap. */
  readonly metadata: readonly TargetDevice[];
  /** What is new of the set needs no sync. */
  readonly isNewAlike: boolean;
  readonly isReadOnly: boolean;
}

/** The bits that count, once the bitmaps fit the set. What is wrong with a bitmap the engine says. */
export async function readBits(source: BitmapSource): Promise<Bits> {
  const { from, events } = source;
  const found = await readMemberBitmap(from.device, from.superblock);
  if (found?.decoded.kind === "none") return makeMissing(source);
  if (found?.decoded.kind !== "ok") return NO_BITS;
  const { bitmap } = found.decoded;
  if (isMisfit(source, bitmap)) return fit(source, bitmap, found.read);
  let isAnySet = isStale(bitmap, events);
  for await (const run of bitmapRuns(bitmap, found.read)) if (needsSync(run.state)) isAnySet = true;
  return { isAnySet, eventsCleared: bitmap.eventsCleared, isGrown: false };
}

/** A set had a journal, and has none now: all of it may differ. */
async function makeMissing(source: BitmapSource): Promise<Bits> {
  const { raid, geometry, events } = source;
  const image = newBitmap(raid, geometry, false);
  image.updateSuperblock({ events, eventsCleared: events });
  await writeAll(source, image);
  return { isAnySet: true, eventsCleared: events, isGrown: false };
}

function isStale(bitmap: MdBitmap, events: number): boolean {
  return bitmap.events < events || bitmap.untrustworthy;
}

/** Regions keep the size they have unless the table says another. */
function isMisfit({ raid, geometry }: BitmapSource, bitmap: MdBitmap): boolean {
  const isOtherRegion =
    (raid.numbers.get("region_size") ?? 0) > 0 && bitmap.chunkSectors !== geometry.regionSectors;
  return bitmap.syncSectors !== geometry.syncSectors || isOtherRegion;
}

/**
 * 1 bitmaps, 2 flush; the superblocks follow when the set runs. A crash before that finds a bitmap that does not fit, or is the new one, and
 * superblocks with the old length: it is fitted again, with the same bits and what is new.
 */
async function fit(source: BitmapSource, old: MdBitmap, read: BitmapReader): Promise<Bits> {
  const { raid, geometry, events, isNewAlike } = source;
  const { syncSectors } = geometry;
  const isSaid = (raid.numbers.get("region_size") ?? 0) > 0;
  const chunkSectors = isSaid ? geometry.regionSectors : old.chunkSectors;
  const image = BitmapImage.withDirty(optionsOf(raid, geometry, chunkSectors), []);
  let isAnySet = false;
  const mark = ({ sector, sectors }: SectorRange): void => {
    const end = Math.min(sector + sectors, syncSectors);
    for (let chunk = Math.floor(sector / chunkSectors); chunk * chunkSectors < end; chunk += 1) {
      image.set(chunk);
      isAnySet = true;
    }
  };
  if (isStale(old, events)) mark({ sector: 0, sectors: syncSectors });
  else for await (const range of dirtyRanges(old, read)) mark(range);
  const isGrown = syncSectors > old.syncSectors && !isNewAlike;
  if (isGrown) mark({ sector: old.syncSectors, sectors: syncSectors - old.syncSectors });
  image.updateSuperblock({ events, eventsCleared: old.eventsCleared });
  await writeAll(source, image);
  return { isAnySet, eventsCleared: old.eventsCleared, isGrown };
}

/** Durable when it resolves. */
async function writeAll({ metadata, isReadOnly }: BitmapSource, image: BitmapImage): Promise<void> {
  if (isReadOnly)
    throw new HoldfastError(
      "read-only",
      "raid: the bitmap does not fit the table, and the set may not be written.",
    );
  const sectors = BITMAP_SECTOR + image.bytes.length / SECTOR_BYTES;
  for (const { device, id } of metadata)
    if (device.sectors < sectors)
      throw new HoldfastError(
        "usage",
        `raid: ${id} has ${device.sectors} sectors, and the bitmap of a set of that length needs ${sectors}; say a larger region_size.`,
      );
  await Promise.all(
    metadata.map(async ({ device }) => {
      await writeSectors(device, BITMAP_SECTOR, image.bytes);
      await flush(device);
    }),
  );
}
