/**
 * SyncControl: what an array does in the background, and what it is asked to do: md's policy on top of the sync engine.
 *
 * What comes next, in the order of kernels from 6.15 on: a resync that is not finished; recovery, if somebody stands in a slot and is not
 * full yet, or a spare can be put into one; then what was asked for. The first two give way to nobody, and drop what was asked for.
 *
 * A pass that failed by itself is not tried again until something happens to the array.
 */
import { HoldfastError } from "../../base/errors.ts";
import { alignDown } from "../../base/units.ts";
import { ignore } from "../../base/nothing.ts";
import type { PassResult, SyncFigures } from "../../sync/engine.ts";
import { LifeCycle } from "../../sync/life-cycle.ts";
import type { LifeCycleOptions } from "../../sync/life-cycle.ts";
import type { SyncScheduler } from "../../sync/scheduler.ts";
import type { Foreground, SpeedLimits } from "../../sync/throttle.ts";
import type { ArrayCore, RunningLevel, SyncAction } from "./core.ts";
import type { Member } from "./member.ts";
import { SyncJob } from "./sync-job.ts";
import { fillSlots, promoteReplacements, recoveredByAll, recovering } from "./sync-slots.ts";
import { SyncSettings } from "./sync-settings.ts";

/** Words of sync_action. */
export type SyncWord = SyncAction | "idle" | "frozen" | "reshape";

/** Words of last_sync_action. */
export type LastSync = "none" | "check" | "repair" | "resync" | "recovery";

export interface SyncControlOptions {
  readonly core: ArrayCore;
  readonly level: RunningLevel;
  /** One for all arrays. */
  readonly scheduler: SyncScheduler;
  /** For all arrays that have none of their own. */
  readonly systemLimits: SpeedLimits;
  readonly foreground: Foreground;
  /** The bitmap's daemon_sleep, ms; null: no bitmap. */
  readonly bitmapMs: number | null;
  /** What sync_max must be a multiple of; 0: of nothing. */
  readonly chunkSectors: number;
  /** What the member shares with partitions on the same disk, compared by identity. */
  readonly diskOf: (member: Member) => unknown;
  /** More is lost than the level can bear: nothing is synced. */
  readonly isBroken: () => boolean;
  /** Writes the whole bitmap to all members in slots; calls `done` at once if there is none. */
  readonly writeBitmap: (done: () => void) => void;
  /** A pass was registered, or reaped. */
  readonly onPass?: () => void;
  /** The usual one unless given. */
  readonly makeCycle?: (options: LifeCycleOptions<PassResult>) => LifeCycle<PassResult>;
}

/** For sync_completed and mdstat. */
export type SyncState =
  | { readonly kind: "none" }
  /** mdstat's PENDING: a resync is due and does not run. */
  | { readonly kind: "pending" }
  | { readonly kind: "delayed"; readonly action: SyncAction }
  | {
      readonly kind: "running";
      readonly action: SyncAction;
      /** Sectors, recorded. */
      readonly completed: number;
      readonly figures: SyncFigures;
    };

const CHECKPOINT_MS = 5 * 60 * 1000;

export class SyncControl {
  readonly settings: SyncSettings;
  readonly #options: SyncControlOptions;
  readonly #cycle: LifeCycle<PassResult>;
  #job: SyncJob | null = null;
  #requested: "check" | "repair" | null = null;
  #isByRequest = false;
  /** Failed, and nothing has happened since. */
  #failed: SyncAction | null = null;
  #last: LastSync = "none";
  #mismatches = 0;

  constructor(options: SyncControlOptions) {
    const { core, scheduler, systemLimits, chunkSectors } = options;
    this.#options = options;
    const cycle: LifeCycleOptions<PassResult> = {
      choose: () => this.#choose(),
      schedule: (turn) => core.timers.set(0, turn),
    };
    this.#cycle = options.makeCycle?.(cycle) ?? new LifeCycle(cycle);
    this.settings = new SyncSettings({
      systemLimits,
      chunkSectors,
      isRunning: () => this.#job !== null,
      changed: () => {
        if (this.#job?.pass) this.#job.pass.hold = this.settings.max;
        scheduler.look();
      },
    });
  }

  /** Something has happened to the array: it was started, somebody joined, or is to be replaced. */
  changed(): void {
    this.#failed = null;
    this.#cycle.want();
  }

  /** Somebody in a slot has failed: a pass that goes on must think again. */
  memberFailed(): void {
    this.#cycle.interrupt();
    this.changed();
  }

  /** The array's metadata may be left alone once `quiet` was called: until then the end of a pass is recorded. */
  becomeReadOnly(quiet: () => void): void {
    this.#cycle.becomeReadOnly(quiet);
  }

  becomeWritable(): void {
    this.#cycle.becomeWritable();
  }

  /** For good. @param stopped when the last pass is recorded */
  stop(stopped: () => void): void {
    this.#cycle.stop(stopped);
  }

  get action(): SyncWord {
    if (this.#cycle.isFrozen) return "frozen";
    if (this.#job !== null) return this.#job.action;
    return this.#requested ?? "idle";
  }

  /**
   * @throws HoldfastError busy: a pass is there; unsupported: reshape
   */
  async setAction(word: SyncWord): Promise<void> {
    switch (word) {
      case "idle":
        this.#requested = null;
        this.#cycle.thaw();
        await new Promise<void>((quiet) => this.#cycle.interrupt(quiet));
        break;
      case "frozen":
        this.#requested = null;
        await new Promise<void>((quiet) => this.#cycle.freeze(quiet));
        break;
      default:
        this.#ask(word);
    }
  }

  #ask(word: SyncAction | "reshape"): void {
    const { name } = this.#options.core;
    if (this.#job !== null)
      throw new HoldfastError("busy", `${name} is busy with ${this.#job.action}: stop that first`);
    if (word === "reshape") throw new HoldfastError("unsupported", `${name} cannot be reshaped`);
    if (word === "check" || word === "repair") this.#requested = word;
    this.#cycle.thaw();
    this.changed();
  }

  /** Nothing is being synced, nor is about to be. */
  get isAtRest(): boolean {
    return this.#cycle.isAtRest;
  }

  /** Resolves when it is so. */
  whenAtRest(): Promise<void> {
    return new Promise((atRest) => this.#cycle.whenAtRest(atRest));
  }

  get last(): LastSync {
    return this.#last;
  }

  /** mismatch_cnt, sectors. */
  get mismatches(): number {
    const job = this.#job;
    return job !== null && job.action !== "recover"
      ? (job.pass?.mismatches ?? 0)
      : this.#mismatches;
  }

  get state(): SyncState {
    const job = this.#job;
    if (job === null) {
      const isDue = this.#options.core.record.resyncOffsetSectors < Infinity;
      return { kind: isDue ? "pending" : "none" };
    }
    const { action, pass } = job;
    if (pass === null) return { kind: "delayed", action };
    return { kind: "running", action, completed: pass.completed, figures: pass.figures };
  }

  #choose(): SyncJob | null {
    const { core, level, isBroken } = this.#options;
    if (isBroken()) return null;
    const { record, members } = core;
    const isPromoted = promoteReplacements(members);
    const canSync = level.syncWork("resync") !== null;
    if (record.resyncOffsetSectors < Infinity && canSync) {
      // What is not in sync is nothing to recover from: a resync that failed keeps all else waiting.
      if (this.#failed === "resync") return null;
      const start = this.#options.bitmapMs === null ? record.resyncOffsetSectors : 0;
      return this.#make("resync", this.#regionStart(start), [], isPromoted);
    }
    if (canSync && this.#failed !== "recover") {
      const hasJoined = fillSlots(members) || isPromoted;
      const targets = recovering(members);
      if (targets.length > 0)
        return this.#make(
          "recover",
          this.#regionStart(recoveredByAll(targets)),
          targets,
          hasJoined,
        );
    }
    if (isPromoted) core.commit("members", ignore);
    return this.#chooseRequested();
  }

  /** A region that is synced only from its middle on would stay to be synced. */
  #regionStart(sector: number): number {
    return sector === Infinity
      ? sector
      : alignDown(sector, this.#options.core.regions.regionSectors);
  }

  #chooseRequested(): SyncJob | null {
    const requested = this.#requested;
    if (requested === null) return null;
    this.#requested = null;
    const job = this.#make(requested, this.settings.min, [], false);
    this.#isByRequest = job !== null;
    return job;
  }

  #make(
    action: SyncAction,
    start: number,
    targets: readonly Member[],
    hasJoined: boolean,
  ): SyncJob | null {
    const { core, level, scheduler, foreground, bitmapMs, diskOf, writeBitmap } = this.#options;
    const { settings } = this;
    const work = level.syncWork(action);
    if (work === null) return null;
    this.#requested = null;
    this.#isByRequest = false;
    const inSlots = core.members.attached.filter(({ slot }) => slot !== null);
    if (action !== "recover") this.#mismatches = 0;
    this.#last = action === "recover" ? "recovery" : action;
    this.#job = new SyncJob({
      core,
      action,
      work,
      start,
      targets,
      hasJoined,
      scheduler,
      claim: {
        disks: new Set(inSlots.map(diskOf)),
        get isParallel() {
          return settings.forceParallel;
        },
      },
      limits: settings.limits,
      foreground,
      checkpointMs: bitmapMs ?? CHECKPOINT_MS,
      hold: () => settings.max,
      writeBitmap,
      reaped: (job, result) => this.#reaped(job, result),
    });
    this.#options.onPass?.();
    return this.#job;
  }

  #reaped(job: SyncJob, result: PassResult): void {
    this.#mismatches = this.mismatches;
    this.#job = null;
    if (result.kind === "failed") this.#failed = job.action;
    if (result.kind === "finished") this.settings.passFinished(this.#isByRequest);
    else if (this.#isByRequest) this.settings.passInterrupted(alignDown(result.position, 8));
    this.#options.onPass?.();
  }
}
