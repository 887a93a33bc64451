/**
 * Taking over the write-intent bitmap when an array starts.
 *
 *   bitmap on a member in sync    what its bits mean
 *   older than the array, stale   every chunk is dirty
 *   otherwise                     set: dirty
 *   and of dirty chunks           beyond what the superblocks call in sync: need sync, the others only cool off
 *
 * After a crash the members' bitmaps may differ in bits that were being written, so `begin` writes them all before anything relies on them.
 *
 * Facts: docs/kernel/md-metadata.md, section 7.3.
 */
import { HoldfastError } from "../../base/errors.ts";
import { quotient } from "../../base/units.ts";
import type { BioEnd } from "../../block/bio.ts";
import type { Timers } from "../../env/env.ts";
import type { MdBitmap } from "../../formats/md/bitmap.ts";
import { bitmapRuns, needsSync } from "../../formats/md/bitmap-runs.ts";
import type { BitmapReader } from "../../formats/md/bitmap-runs.ts";
import { arrayUuidBytes } from "../../formats/md/superblock.ts";
import type { BitmapTracker } from "../../regions/bitmap-tracker.ts";
import { readMemberBitmap } from "../probe.ts";
import type { MemberBitmapStore } from "./bitmap-store.ts";
import type { Member } from "./member.ts";
import type { Members } from "./members.ts";
import type { ArrayRecord } from "./metadata.ts";
import { BITMAP_PARTS } from "./bitmap-parts.ts";
import type { BitmapParts } from "./bitmap-parts.ts";

export interface BitmapStart {
  readonly name: string;
  readonly members: Members;
  /** As found: `resyncOffsetSectors` is 0 for an array that was not stopped. */
  readonly record: Pick<ArrayRecord, "events" | "resyncOffsetSectors">;
  readonly timers: Timers;
  readonly memberFailed: (member: Member, error: HoldfastError, recorded: BioEnd) => void;
  readonly whenRecorded: (recorded: BioEnd) => void;
  /** As in BitmapTrackerOptions. */
  readonly syncUsers: (() => Promise<boolean>) | null;
  /** Who makes what it is made of; the usual ones unless given. */
  readonly parts?: BitmapParts;
}

export interface RunningBitmap {
  readonly store: MemberBitmapStore;
  readonly tracker: BitmapTracker;
  /** daemon_sleep. */
  readonly periodMs: number;
  /** Writes that may be behind on write-mostly members; 0: none. */
  readonly writeBehind: number;
  /**
   * Before the first write to an array, and before its superblocks are written; an array that is only read does not need it.
   * Rejects when no member could be written.
   */
  readonly begin: () => Promise<void>;
}

interface Found {
  readonly bitmap: MdBitmap;
  readonly read: BitmapReader;
}

/**
 * Null: the array has none. Writes nothing.
 * @throws HoldfastError bad-metadata when what lies there is no bitmap of this array, unsupported for those of clusters and lockless ones
 */
export async function loadBitmap(start: BitmapStart): Promise<RunningBitmap | null> {
  const { members, record, parts = BITMAP_PARTS } = start;
  // Whoever came back by the bitmap got all of it when it joined; the others have had it for longer.
  const inSync = members.attached.filter(
    ({ isInSync, superblock }) => isInSync && superblock.bitmapSector !== null,
  );
  const source = inSync.find(({ superblock }) => !superblock.recoveryByBitmap) ?? inSync[0];
  const found = source === undefined ? null : await findBitmap(source);
  if (found === null) return null;
  const { bitmap, read } = found;
  const isStale = bitmap.untrustworthy || bitmap.events < record.events;
  const image = await read(0, 4096);
  const store = parts.bitmapStore({ ...start, bitmap, image, events: record.events, isStale });
  const periodMs = Math.max(1, bitmap.daemonSleepSeconds) * 1000;
  const tracker = parts.tracker({
    store,
    timers: start.timers,
    periodMs,
    isWhole: () => members.degraded === 0,
    syncUsers: start.syncUsers,
  });
  const isWhole = members.degraded === 0 || store.eventsCleared === record.events;
  await loadBits(tracker, found, isStale, isWhole ? record.resyncOffsetSectors : 0);
  const mustWrite = isStale || record.resyncOffsetSectors !== Infinity || !isWhole;
  return {
    store,
    tracker,
    periodMs,
    writeBehind: bitmap.writeBehind,
    begin: () => (mustWrite ? tracker.writeAll() : Promise.resolve()),
  };
}

async function findBitmap({ label, device, superblock }: Member): Promise<Found | null> {
  const found = await readMemberBitmap(device, superblock);
  if (found === null) return null;
  const { decoded, read } = found;
  if (decoded.kind !== "ok") {
    const reason =
      decoded.kind === "bad" ? decoded.reason : "there is no bitmap where its superblock says";
    throw new HoldfastError("bad-metadata", `${label}: ${reason}.`);
  }
  const { bitmap } = decoded;
  const uuid = arrayUuidBytes(superblock);
  if (bitmap.uuid.some((byte, index) => byte !== uuid[index]))
    throw new HoldfastError("bad-metadata", `${label}: its bitmap is that of another array.`);
  if (bitmap.major > 4) {
    const kind = bitmap.major === 5 ? "of a cluster" : "a lockless one";
    throw new HoldfastError("unsupported", `${label}: its bitmap is ${kind}; open it read-only.`);
  }
  return { bitmap, read };
}

/** @param syncFrom chunks that end behind this need sync, sectors */
async function loadBits(
  tracker: BitmapTracker,
  { bitmap, read }: Found,
  isStale: boolean,
  syncFrom: number,
): Promise<void> {
  const split = Math.min(bitmap.chunks, quotient(syncFrom, bitmap.chunkSectors));
  const load = (from: number, to: number): void => {
    const middle = Math.min(Math.max(from, split), to);
    if (middle > from) tracker.load(from, middle - from, false);
    if (to > middle) tracker.load(middle, to - middle, true);
  };
  if (isStale) load(0, bitmap.chunks);
  else
    for await (const run of bitmapRuns(bitmap, read))
      if (needsSync(run.state)) load(run.chunk, run.chunk + run.chunks);
}
