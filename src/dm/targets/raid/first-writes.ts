/** What is written before the engine runs: superblocks and bitmaps of a set that is new, superblocks of devices that are to be filled. */
import { flush, writeSectors } from "../../../block/promises.ts";
import type { RaidArguments } from "./arguments.ts";
import { hasBitmap, newBitmap } from "./bitmap.ts";
import type { RaidGeometry } from "./geometry.ts";
import { FIRST_EVENTS } from "./judge.ts";
import type { JudgedSet, Pair } from "./judge.ts";
import { BITMAP_SECTOR, writeOwnSuperblock } from "./superblock.ts";

interface NewSet {
  readonly raid: RaidArguments;
  readonly geometry: RaidGeometry;
  readonly pairs: readonly Pair[];
}

/**
 * 1 bitmaps, 2 flush, 3 superblocks, those of devices that are to be filled first: a crash before all of those are there finds a set that was
 * never written, and makes it again; nobody takes a device that is not filled for a good one.
 */
export async function makeNew(
  { raid, geometry, pairs }: NewSet,
  rebuild: ReadonlySet<number>,
  resyncOffsetSectors: number,
): Promise<void> {
  const failed = missingFrom(
    geometry,
    pairs.map(({ index }) => index),
  );
  const bitmap = newBitmap(raid, geometry, resyncOffsetSectors === Infinity);
  bitmap.updateSuperblock({ events: FIRST_EVENTS, eventsCleared: FIRST_EVENTS });
  for (const { metadata } of pairs) {
    if (hasBitmap(raid, geometry))
      await writeSectors(metadata!.device, BITMAP_SECTOR, bitmap.bytes);
    await flush(metadata!.device);
  }
  const filledFirst = pairs.toSorted(
    (a, b) => Number(rebuild.has(b.index)) - Number(rebuild.has(a.index)),
  );
  for (const pair of filledFirst)
    await writeOwnSuperblock(geometry, pair, {
      events: FIRST_EVENTS,
      failed,
      recoveryOffsetSectors: rebuild.has(pair.index) ? 0 : null,
      resyncOffsetSectors,
    });
}

/**
 * 1 who is to be filled says so itself, 2 something is copied there: the next table need not say it, and a crash before a round of superblocks finds
 * nobody who is taken for a good one.
 */
export async function tellRebuilt(
  geometry: RaidGeometry,
  { judged, events, resyncOffsetSectors }: Extract<JudgedSet, { kind: "known" }>,
  rebuild: ReadonlySet<number>,
): Promise<void> {
  const failed = missingFrom(
    geometry,
    judged.map(({ pair }) => pair.index),
  );
  for (const { pair } of judged)
    if (rebuild.has(pair.index))
      await writeOwnSuperblock(geometry, pair, {
        events,
        failed,
        recoveryOffsetSectors: 0,
        resyncOffsetSectors,
      });
}

function missingFrom({ shape }: RaidGeometry, present: readonly number[]): Set<number> {
  const all = Array.from({ length: shape.raidDisks }, (_unused, slot) => slot);
  return new Set(all.filter((slot) => !present.includes(slot)));
}
