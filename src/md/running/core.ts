/**
 * What a running array offers to its level: the members, the regions, and the ways to have something recorded. The array itself
 * (array.ts) keeps what all levels have in common: refusals, the write gate, flushes, suspended ranges, states.
 */
import type { HoldfastError } from "../../base/errors.ts";
import type { Bio, BioEnd } from "../../block/bio.ts";
import type { Extent } from "../../block/device.ts";
import type { RangeLock } from "../../block/range-lock.ts";
import type { Clock, Timers } from "../../env/env.ts";
import type { ParityEngine } from "../../parity/engine.ts";
import type { RegionTracker } from "../../regions/region-tracker.ts";
import type { SyncWork } from "../../sync/work.ts";
import type { Era } from "./eras.ts";
import type { Member } from "./member.ts";
import type { Members } from "./members.ts";
import type { ArrayRecord, Change } from "./metadata.ts";
import type { MismatchList } from "./mismatches.ts";
import type { ArraySettings } from "./settings.ts";

export interface ArrayCore {
  readonly name: string;
  readonly members: Members;
  readonly record: ArrayRecord;
  readonly regions: RegionTracker;
  /**
   * Writes and background sync hold what they touch: in array sectors for raid1, raid10 and plain levels, in member sectors for those
   * with parity.
   */
  readonly locks: RangeLock;
  readonly settings: ArraySettings;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly parity: () => ParityEngine;
  /** Without this member everything is still there; true also of those that hold nothing yet. */
  canMiss(member: Member): boolean;
  /**
   * A member is not to be used any more. `recorded` when the superblocks of the others say so, and then whoever waited for this
   * member may be told of success (law 3). Without a member that cannot be missed the array is broken (failure-rule.ts): then
   * `recorded` gets the error, and so does every write from then on.
   */
  memberFailed(member: Member, why: HoldfastError, recorded: BioEnd): void;
  /** Lists sectors (of the device) as bad; `recorded` when the log that says so is durable. Where there is no room, the member fails. */
  blocksFailed(
    member: Member,
    sector: number,
    sectors: number,
    why: HoldfastError,
    recorded: BioEnd,
  ): void;
  commit(change: Change, done: () => void): void;
  /**
   * `recorded` when every failure up to now, of members and of sectors, is on stable storage, whoever reported it; perhaps at once. Who left
   * something out of a write because of such a failure waits for this before the write ends (law 3).
   */
  whenRecorded(recorded: BioEnd): void;
  /**
   * A write that is under way goes on although whoever asked for it is about to be told. Until `endUnderWay` the array stays dirty, and who
   * waits for what is under way waits for it too.
   */
  keepUnderWay(): Era;
  endUnderWay(kept: Era): void;
  /** False: nothing may be written, not even to mend what cannot be read. */
  readonly isWritable: boolean;
}

/** What the journal of an array is to it: where writes go first, or where they may stay for a while. */
export const JOURNAL_MODES = ["write-through", "write-back"] as const;
export type JournalMode = (typeof JOURNAL_MODES)[number];

/** What background sync is about to do. */
export type SyncAction = "resync" | "recover" | "check" | "repair";

/** The part of a running array that differs from level to level. Bios come admitted, inside the volume, without preflush. */
export interface RunningLevel {
  /** Reads, writes, discards and write-zeroes. A write ends when all that its members could not do is recorded. */
  run(bio: Bio, end: BioEnd): void;
  /** What the last check or repair has found; levels with redundancy only. */
  readonly mismatches?: MismatchList;
  /** Writes that may be behind on write-mostly members at a time, as the bitmap says (md's backlog). */
  writeBehindLimit?: number;
  /** `through` when every write whose client has been told is on all members, or what failed is recorded; perhaps at once. */
  whenThrough?(through: () => void): void;
  /** md's journal_mode; null or nothing: there is no journal. */
  readonly journalMode?: JournalMode | null;
  /** @throws HoldfastError `unsupported` */
  setJournalMode?(mode: JournalMode): void;
  /** Before anything is written: what earlier writes left in a log is put in order. Called whenever the array becomes read-write. */
  startWriting?(started: () => void): void;
  /** Null, or why the array cannot become read-write as it is. */
  whyReadOnly?(): HoldfastError | null;
  /** Before a superblock tells of a new device: the level puts on it what it keeps on every device. An error: it cannot join. */
  join?(member: Member, joined: BioEnd): void;
  /** No write is under way, nor will be: `settled` when the level has nothing else under way either. */
  settle?(settled: () => void): void;
  /** As BlockDevice.extents; without it everything is data. */
  extents?(sector: number, sectors: number, maxExtents: number): Extent[];
  /** How the level does it, with the members as they stand; null: there is nothing of the kind to do for this level. Asking does nothing. */
  syncWork(action: SyncAction): SyncWork | null;
}
