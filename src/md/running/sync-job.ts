/**
 * SyncJob: one pass of md's background sync, from the moment it is registered until it is reaped, and what is recorded of it.
 *
 *   preparing   recovery only: 1 the bitmap is written to whoever joined, 2 superblocks say that they stand in their slots,
 *               3 writes that were under way before they joined have ended (they have not got those)
 *   delayed     another array's pass has one of the disks
 *   running     steps, and checkpoints: members are flushed before a superblock says how far they are good (metadata.ts; law 1)
 *   ended       reaped: how far it came is recorded
 *
 * At the end of a recovery there are two updates: the first says that the members are good up to their end, the second that they are
 * in sync. A crash between the two repeats nothing.
 *
 * Wherever it is interrupted, it ends without waiting for anything but steps under way.
 */
import { assert } from "../../base/assert.ts";
import { ignore } from "../../base/nothing.ts";
import { SyncPass } from "../../sync/engine.ts";
import type { PassResult } from "../../sync/engine.ts";
import type { Job } from "../../sync/life-cycle.ts";
import type { SyncClaim, SyncScheduler } from "../../sync/scheduler.ts";
import type { Foreground, SpeedLimits } from "../../sync/throttle.ts";
import type { SyncWork } from "../../sync/work.ts";
import type { ArrayCore, SyncAction } from "./core.ts";
import type { Member } from "./member.ts";
import { activate } from "./sync-slots.ts";

export interface SyncJobOptions {
  readonly core: ArrayCore;
  readonly action: SyncAction;
  readonly work: SyncWork;
  readonly start: number;
  /** Recovery: the members that are being filled. */
  readonly targets: readonly Member[];
  /** Some of them joined just now. */
  readonly hasJoined: boolean;
  readonly scheduler: SyncScheduler;
  readonly claim: Omit<SyncClaim, "granted">;
  readonly limits: SpeedLimits;
  readonly foreground: Foreground;
  readonly checkpointMs: number;
  /** sync_max, sectors. */
  readonly hold: () => number;
  /** Writes the whole bitmap to all members in slots. */
  readonly writeBitmap: (done: () => void) => void;
  /** Called when all is recorded. */
  readonly reaped: (job: SyncJob, result: PassResult) => void;
}

type Stage =
  | { readonly kind: "preparing" }
  | { readonly kind: "delayed"; readonly claim: SyncClaim }
  | { readonly kind: "running"; readonly claim: SyncClaim; readonly pass: SyncPass }
  | { readonly kind: "ended"; readonly pass: SyncPass | null };

/** Behind every sector of an array. */
const EVERYWHERE = Number.MAX_SAFE_INTEGER;

export class SyncJob implements Job<PassResult> {
  readonly #options: SyncJobOptions;
  #stage: Stage = { kind: "preparing" };
  #running: () => void = ignore;
  #ended: (result: PassResult) => void = ignore;

  constructor(options: SyncJobOptions) {
    this.#options = options;
  }

  get action(): SyncAction {
    return this.#options.action;
  }

  get isDelayed(): boolean {
    return this.#stage.kind === "delayed";
  }

  /** Null until it runs. */
  get pass(): SyncPass | null {
    return this.#stage.kind === "running" || this.#stage.kind === "ended" ? this.#stage.pass : null;
  }

  /** Sectors of the whole pass. */
  get sectors(): number {
    return this.#options.work.sectors;
  }

  start(running: () => void, ended: (result: PassResult) => void): void {
    this.#running = running;
    this.#ended = ended;
    if (!this.#options.hasJoined) {
      this.#passBarrier();
      return;
    }
    const { core, writeBitmap } = this.#options;
    // 1 the bitmap, 2 the superblocks that make somebody look at it.
    writeBitmap(() => {
      if (this.#stage.kind !== "preparing") return;
      core.commit("members", () => this.#passBarrier());
    });
  }

  /** Writes that began before do not know of the members that joined: the first step comes after them. */
  #passBarrier(): void {
    if (this.#stage.kind !== "preparing") return;
    if (this.action !== "recover") {
      this.#delay();
      return;
    }
    const { locks } = this.#options.core;
    locks.lock(0, EVERYWHERE, "exclusive", (hold) => {
      locks.release(hold);
      if (this.#stage.kind === "preparing") this.#delay();
    });
  }

  #delay(): void {
    const { scheduler, claim: asked } = this.#options;
    const claim: SyncClaim = {
      disks: asked.disks,
      get isParallel() {
        return asked.isParallel;
      },
      granted: () => this.#run(claim),
    };
    this.#stage = { kind: "delayed", claim };
    scheduler.enter(claim);
  }

  #run(claim: SyncClaim): void {
    const { core, work, start, limits, foreground, checkpointMs, hold } = this.#options;
    const pass = new SyncPass({
      clock: core.clock,
      timers: core.timers,
      work,
      min: Math.min(start, work.sectors),
      max: work.sectors,
      hold: hold(),
      limits,
      foreground,
      checkpointMs,
      checkpoint: (position, durable) => this.#checkpoint(position, durable),
      ended: (result) => this.#end(result),
    });
    this.#stage = { kind: "running", claim, pass };
    this.#running();
    pass.start();
  }

  interrupt(): void {
    const stage = this.#stage;
    if (stage.kind === "running") stage.pass.interrupt();
    else if (stage.kind !== "ended")
      this.#end({ kind: "interrupted", position: this.#options.start, error: null });
  }

  #end(result: PassResult): void {
    const stage = this.#stage;
    assert(stage.kind !== "ended", "a job ends once");
    this.#stage = { kind: "ended", pass: stage.kind === "running" ? stage.pass : null };
    if (stage.kind === "running") this.#options.core.regions.closeSync();
    if (stage.kind !== "preparing") this.#options.scheduler.leave(stage.claim);
    this.#ended(result);
  }

  #checkpoint(position: number, durable: () => void): void {
    if (this.#note(position)) this.#options.core.commit("progress", durable);
    else durable();
  }

  /** What is to be recorded when everything below `position` is done. False: nothing is. */
  #note(position: number): boolean {
    const { core, action, targets } = this.#options;
    if (action === "resync") {
      const { record } = core;
      // By bitmap a resync starts from 0, below what was recorded.
      record.resyncOffsetSectors = Math.max(record.resyncOffsetSectors, position);
      return true;
    }
    if (action !== "recover") return false;
    for (const target of targets) {
      const { standing } = target;
      if (standing.kind !== "recovering") continue;
      const recoveredSectors = Math.max(standing.recoveredSectors, position);
      target.standing = { ...standing, recoveredSectors };
    }
    return true;
  }

  reap(result: PassResult, reaped: () => void): void {
    const { core, action, targets } = this.#options;
    const done = (): void => {
      this.#options.reaped(this, result);
      reaped();
    };
    if (!this.#note(result.kind === "finished" ? Infinity : result.position)) {
      done();
      return;
    }
    core.commit("members", () => {
      if (action !== "recover" || result.kind !== "finished") {
        done();
        return;
      }
      activate(targets, core.members);
      core.commit("members", done);
    });
  }
}
