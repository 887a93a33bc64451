/**
 * Recovery: regions that may differ are copied from the default mirror to the other legs, by the sync engine. When all is alike 1 the legs
 * are flushed, 2 the log forgets who had been lost. A crash before 2 copies what is not clean again.
 *
 * Without a leg nothing is recovered: what it misses stays marked. A region that cannot be read from the default mirror stays as it is,
 * and is tried again when the device was suspended and resumed.
 */
import type { HoldfastError } from "../../../base/errors.ts";
import { SECTOR_BYTES } from "../../../base/units.ts";
import { readBio, writeBio } from "../../../block/bio.ts";
import type { RangeHold, RangeLock } from "../../../block/range-lock.ts";
import type { Env } from "../../../env/env.ts";
import type { BitmapTracker } from "../../../regions/bitmap-tracker.ts";
import { SyncPass } from "../../../sync/engine.ts";
import type { PassResult } from "../../../sync/engine.ts";
import { LifeCycle } from "../../../sync/life-cycle.ts";
import type { Job } from "../../../sync/life-cycle.ts";
import type { SyncClaim, SyncScheduler } from "../../../sync/scheduler.ts";
import type { Foreground } from "../../../sync/throttle.ts";
import type { StepOutcome, SyncWork } from "../../../sync/work.ts";
import type { MirrorFailures } from "./failures.ts";
import type { Leg, Legs } from "./legs.ts";

export interface RecoveryOptions {
  readonly env: Pick<Env, "clock" | "timers">;
  readonly scheduler: SyncScheduler;
  readonly sectors: number;
  readonly legs: Legs;
  readonly locks: RangeLock;
  readonly tracker: BitmapTracker;
  readonly failures: MirrorFailures;
  readonly foreground: Foreground;
  readonly flushData: () => Promise<boolean>;
  readonly event: () => void;
}

/** Sectors of a step, which is inside one region. */
const STEP_SECTORS = 1024;
const WINDOW = 4;
/** While others use the mirror, as md's. */
const MIN_KIBPS = 1000;

export class Recovery implements SyncWork {
  readonly sectors: number;
  readonly window = WINDOW;
  readonly #options: RecoveryOptions;
  readonly #cycle: LifeCycle<PassResult>;
  readonly #buffers: Uint8Array[] = [];
  #isStuck = false;

  constructor(options: RecoveryOptions) {
    this.#options = options;
    this.sectors = options.sectors;
    const { timers } = options.env;
    this.#cycle = new LifeCycle<PassResult>({
      choose: () => this.#choose(),
      schedule: (turn) => timers.set(0, turn),
    });
  }

  want(): void {
    this.#cycle.want();
  }

  /** A leg is lost. */
  interrupt(): void {
    this.#cycle.interrupt();
  }

  /** Nothing starts any more until `resume`. */
  freeze(): void {
    this.#cycle.freeze();
  }

  /** Frozen, and nothing is under way. */
  quiet(): Promise<void> {
    return new Promise((resolve) => this.#cycle.freeze(resolve));
  }

  resume(): void {
    this.#isStuck = false;
    this.#cycle.thaw();
    this.#cycle.want();
  }

  #choose(): Job<PassResult> | null {
    const { legs, tracker } = this.#options;
    if (this.#isStuck || !legs.isWhole) return null;
    if (!tracker.needsSync && legs.record === null) return null;
    return new RecoveryJob(this.#options, this, (result) => this.#reap(result));
  }

  async #reap({ kind }: PassResult): Promise<void> {
    const { tracker, legs, failures, flushData, event } = this.#options;
    if (kind !== "finished") return;
    if (tracker.needsSync) {
      this.#isStuck = true;
      return;
    }
    if (legs.isWhole && (await flushData()) && legs.isWhole && !tracker.needsSync)
      await new Promise<void>((resolve) => failures.allAlike(() => resolve()));
    else this.#isStuck = legs.isWhole;
    event();
  }

  step(sector: number, limit: number, end: (outcome: StepOutcome) => void): number {
    const { tracker, locks } = this.#options;
    const alike = tracker.alikeRun(sector, limit - sector);
    if (alike > 0) {
      end({ kind: "skipped" });
      return alike;
    }
    const toEdge = tracker.regionSectors - (sector % tracker.regionSectors);
    const sectors = Math.min(limit - sector, toEdge, STEP_SECTORS);
    locks.lock(sector, sectors, "exclusive", (hold) => this.#copy(hold, sector, sectors, end));
    return sectors;
  }

  #copy(
    hold: RangeHold,
    sector: number,
    sectors: number,
    end: (outcome: StepOutcome) => void,
  ): void {
    const { legs, tracker, locks, failures } = this.#options;
    const finish = (isDone: boolean, outcome: StepOutcome): void => {
      tracker.endSync(sector, sectors, isDone);
      locks.release(hold);
      end(outcome);
    };
    if (tracker.beginSync(sector, sectors, legs.isWhole) < 0) {
      locks.release(hold);
      end({ kind: "skipped" });
      return;
    }
    const source = legs.default;
    const data = this.#buffers.pop() ?? new Uint8Array(STEP_SECTORS * SECTOR_BYTES);
    const part = data.subarray(0, sectors * SECTOR_BYTES);
    const read = readBio(source.offset + sector, part, (error) => {
      if (error === null && source === legs.default && legs.isWhole)
        this.#writeCopies(source, sector, part, (isDone, outcome) => {
          this.#buffers.push(data);
          finish(isDone, outcome);
        });
      else {
        this.#buffers.push(data);
        if (error !== null) failures.sourceFailed(source);
        // The next region may be readable.
        finish(false, { kind: "done", mismatches: 0 });
      }
    });
    source.on.device.submit(read);
  }

  #writeCopies(
    source: Leg,
    sector: number,
    data: Uint8Array,
    end: (isDone: boolean, outcome: StepOutcome) => void,
  ): void {
    const { legs, failures } = this.#options;
    const targets = legs.inUse.filter((leg) => leg !== source);
    const failed: Leg[] = [];
    let first: HoldfastError | null = null;
    let left = targets.length;
    for (const leg of targets) {
      const write = writeBio(leg.offset + sector, data, 0, (error) => {
        if (error !== null) failed.push(leg);
        first ??= error;
        left -= 1;
        if (left > 0) return;
        if (first === null) end(true, { kind: "done", mismatches: 0 });
        else this.#copyFailed(failures, failed, first, end);
      });
      leg.on.device.submit(write);
    }
  }

  #copyFailed(
    failures: MirrorFailures,
    failed: readonly Leg[],
    error: HoldfastError,
    end: (isDone: boolean, outcome: StepOutcome) => void,
  ): void {
    failures.lose(failed, "sync", error, () => end(false, { kind: "failed", error }));
  }
}

/** One pass, which waits for other passes over the same devices. */
class RecoveryJob implements Job<PassResult> {
  readonly #options: RecoveryOptions;
  readonly #work: SyncWork;
  readonly #reaped: (result: PassResult) => Promise<void>;
  #claim: SyncClaim | null = null;
  #pass: SyncPass | null = null;
  #ended: ((result: PassResult) => void) | null = null;

  constructor(
    options: RecoveryOptions,
    work: SyncWork,
    reaped: (result: PassResult) => Promise<void>,
  ) {
    this.#options = options;
    this.#work = work;
    this.#reaped = reaped;
  }

  start(running: () => void, ended: (result: PassResult) => void): void {
    this.#ended = ended;
    const { legs, scheduler } = this.#options;
    const disks = new Set<unknown>(legs.all.map(({ on }) => on.key));
    this.#claim = { disks, isParallel: false, granted: () => this.#run(running) };
    scheduler.enter(this.#claim);
  }

  #run(running: () => void): void {
    const { env, foreground, sectors } = this.#options;
    this.#pass = new SyncPass({
      clock: env.clock,
      timers: env.timers,
      work: this.#work,
      min: 0,
      max: sectors,
      hold: Infinity,
      limits: { minKiBps: MIN_KIBPS, maxKiBps: Infinity },
      foreground,
      checkpointMs: Infinity,
      // The tracker's bits say how far it is.
      checkpoint: (_position, durable) => durable(),
      ended: (result) => this.#end(result),
    });
    running();
    this.#pass.start();
  }

  interrupt(): void {
    if (this.#pass !== null) this.#pass.interrupt();
    else this.#end({ kind: "interrupted", position: 0, error: null });
  }

  #end(result: PassResult): void {
    this.#options.tracker.closeSync();
    this.#options.scheduler.leave(this.#claim!);
    this.#ended!(result);
  }

  reap(result: PassResult, reaped: () => void): void {
    void this.#reaped(result).then(reaped);
  }
}
