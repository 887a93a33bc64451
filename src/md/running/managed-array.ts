/**
 * ManagedArray: a running array with all that belongs to it: its bitmap, and the background sync that looks after it by itself. What
 * administers arrays goes through here, what reads and writes them goes to `array`.
 *
 *   array.ts      what the clients and the superblocks see   -- failed, read-write -->  SyncControl
 *   sync-control  what is to be synced, and when              <-- quiet before anything is made read-only or stopped
 *
 * Taking away waits in this order: background sync has ended and is recorded; writes have ended; the bitmap has settled; the superblocks say
 * "clean".
 */
import { HoldfastError } from "../../base/errors.ts";
import { ended } from "../../block/promises.ts";
import { OneByOne } from "../../base/one-by-one.ts";
import { ignore } from "../../base/nothing.ts";
import type { BitmapTracker } from "../../regions/bitmap-tracker.ts";
import type { SyncScheduler } from "../../sync/scheduler.ts";
import type { SpeedLimits } from "../../sync/throttle.ts";
import type { AssemblyPlan } from "../plan.ts";
import type { RunningArray } from "./array.ts";
import { wantedState } from "./array-state.ts";
import { assemble, isJournalMissing } from "./assemble.ts";
import type { AssembleOptions } from "./assemble.ts";
import { loadBitmap } from "./bitmap-load.ts";
import type { RunningBitmap } from "./bitmap-load.ts";
import type { Member } from "./member.ts";
import { ARRAY_PARTS } from "./parts.ts";
import type { ArrayParts } from "./parts.ts";
import { SyncControl } from "./sync-control.ts";

export interface ManageOptions extends Omit<
  AssembleOptions,
  "openBitmap" | "openLog" | "makeLevel" | "parts"
> {
  /** One for all arrays. */
  readonly scheduler: SyncScheduler;
  /** Of background sync, for arrays that have none of their own. */
  readonly systemLimits: SpeedLimits;
  /** What the member shares with others on the same disk, compared by identity; its device unless given. */
  readonly diskOf?: (member: Member) => unknown;
  /** As in SyncControlOptions. */
  readonly onPass?: () => void;
  /** As in BitmapTrackerOptions. */
  readonly syncUsers: (() => Promise<boolean>) | null;
  /** Who makes what it is made of; the usual ones unless given. */
  readonly parts?: ArrayParts;
}

/**
 * Assembles what was planned, for writing or reading, and lets background sync begin.
 * @throws HoldfastError as `assemble` and `loadBitmap` do
 */
export async function startManaged(
  plan: AssemblyPlan,
  options: ManageOptions,
): Promise<ManagedArray> {
  let bitmap: RunningBitmap | null = null;
  const { mode, parts = ARRAY_PARTS } = options;
  const array: RunningArray = await assemble(plan, {
    ...options,
    parts,
    makeLevel: parts.level,
    openLog: parts.openLog,
    // What prepares it for writing may find that a member fails, and needs the array then.
    mode: mode === "read-write" ? "read-only" : mode,
    openBitmap: async (members, record) => {
      const { name, timers, syncUsers } = options;
      bitmap = await loadBitmap({
        name,
        members,
        record,
        timers,
        syncUsers,
        parts,
        memberFailed: (member, error, recorded) => array.memberFailed(member, error, recorded),
        whenRecorded: (recorded) => array.whenRecorded(recorded),
      });
      if (bitmap === null) {
        const text = `${name}: its superblocks tell of a bitmap, and no member in sync has one.`;
        throw new HoldfastError("bad-metadata", text);
      }
      const { store, tracker } = bitmap;
      return {
        regions: tracker,
        bitmap: {
          writeSuperblock: (events) => store.writeSuperblock(events),
          settle: () => tracker.settle(),
        },
        begin: bitmap.begin,
      };
    },
  });
  const shape = plan.superblock.shape!;
  const managed = new ManagedArray(array, bitmap, shape.chunkSectors, options);
  if (mode === "read-write" && !isJournalMissing(plan)) await array.startWriting();
  managed.sync.changed();
  return managed;
}

export class ManagedArray {
  readonly array: RunningArray;
  readonly sync: SyncControl;
  readonly bitmap: RunningBitmap | null;
  /** Of the state: bitmap and log are settled by one of them at a time. */
  readonly #changes = new OneByOne();

  constructor(
    array: RunningArray,
    bitmap: RunningBitmap | null,
    chunkSectors: number,
    options: ManageOptions,
  ) {
    this.array = array;
    this.bitmap = bitmap;
    this.sync = new SyncControl({
      core: array,
      level: array.level,
      scheduler: options.scheduler,
      systemLimits: options.systemLimits,
      foreground: array.foreground,
      bitmapMs: bitmap?.periodMs ?? null,
      chunkSectors,
      diskOf: options.diskOf ?? (({ device }) => device),
      isBroken: () => array.broken !== null,
      writeBitmap: (done) => void this.#writeBitmap(done),
      onPass: options.onPass ?? ignore,
      makeCycle: (options.parts ?? ARRAY_PARTS).lifeCycle,
    });
    if (array.level.writeBehindLimit !== undefined)
      array.level.writeBehindLimit = bitmap?.writeBehind ?? 0;
    if (array.mode !== "read-write") this.sync.becomeReadOnly(ignore);
    array.listen((event) => {
      if (event.kind === "failed") this.sync.memberFailed();
      // Whose sectors were lost by a write is to be replaced, if there is a spare.
      else if (event.kind === "bad-blocks" && event.member.wantsReplacement) this.sync.changed();
      else if (event.kind === "mode" && event.mode === "read-write") this.sync.becomeWritable();
    });
  }

  get tracker(): BitmapTracker | null {
    return this.bitmap?.tracker ?? null;
  }

  /**
   * What writing the word to md's array_state does.
   * @throws HoldfastError as RunningArray.setState
   */
  setState(word: string): Promise<void> {
    return this.#changes.run(() => this.#setState(word));
  }

  async #setState(word: string): Promise<void> {
    const wanted = wantedState(word);
    if (wanted === "stop") return this.#close();
    const stopsWriting = wanted === "read-only" || wanted === "read-auto";
    if (stopsWriting) await this.#quiet();
    try {
      await this.array.setState(word);
    } finally {
      if (this.array.mode === "read-write") this.sync.becomeWritable();
    }
  }

  /** Background sync has ended, and what it did is recorded. */
  #quiet(): Promise<void> {
    return new Promise((quiet) => this.sync.becomeReadOnly(quiet));
  }

  /** A device joins, and is put to use if there is a place for it; resolves when the superblocks tell of it. @throws as RunningArray.attach */
  async addMember(member: Member): Promise<void> {
    await this.array.attach(member);
    this.sync.changed();
  }

  /** Somebody wants it out; resolves when the others' superblocks say so. @throws HoldfastError when the array cannot do without it */
  failMember(member: Member, why: HoldfastError): Promise<void> {
    return ended((end) => this.array.memberFailed(member, why, end));
  }

  /** Lets go of a spare, or of a faulty device, once nothing is under way to it. @throws as RunningArray.detach */
  async removeMember(member: Member): Promise<void> {
    await this.array.detach(member);
  }

  /** As soon as there is a spare, it is filled with what this member has, and then takes its place. */
  wantReplacement(member: Member): void {
    member.wantsReplacement = true;
    this.array.commit("members", ignore);
    this.sync.changed();
  }

  /** In order: background sync, writes, bitmap, superblocks. */
  close(): Promise<void> {
    return this.#changes.run(() => this.#close());
  }

  async #close(): Promise<void> {
    await new Promise<void>((stopped) => this.sync.stop(stopped));
    await this.array.close();
  }

  /**
   * All of it, to those who joined too. Whoever comes back to its old place missed what was written meanwhile, and may have lost what it had
   * in a cache when it left: both are what is not clean.
   */
  async #writeBitmap(done: () => void): Promise<void> {
    const { tracker } = this;
    if (tracker !== null) {
      const { attached } = this.array.members;
      const isBack = attached.some(
        ({ standing, savedSlot }) => standing.kind === "recovering" && standing.slot === savedSlot,
      );
      if (isBack) tracker.copyReturned();
      try {
        await tracker.writeAll();
      } catch {
        // Whoever could not be written has failed, and the array knows.
      }
    }
    done();
  }
}
