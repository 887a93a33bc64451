/**
 * The sync engine: one pass of background sync over [min, max), in steps that whoever has the copies defines (work.ts).
 *
 *   min       completed         position                    next     hold           max
 *    |------------|-----------------|--#####--####-----######--|- - - - |- - - - - - -|
 *      durable       steps ended       steps under way, or ended
 *                    without a gap     before an earlier one
 *
 * Everything below `position` is done. It is reported to `checkpoint` now and then, and counts (`completed`) once that
 * has called back: 1 the steps ended, 2 the checkpoint is durable, 3 `completed` moves. A crash before 2 does some steps again.
 *
 * However a pass comes to its end - finished, interrupted, failed - it lets its own steps end, waits for nothing else, and calls
 * `ended` once. It records nothing by then: its owner does (life-cycle.ts). A checkpoint that was under way may call back later.
 *
 * At `hold` it stops, checkpoints, and goes on when the hold is moved.
 */
import { assert } from "../base/assert.ts";
import type { HoldfastError } from "../base/errors.ts";
import type { Clock, Timer, Timers } from "../env/env.ts";
import { SpeedMarks } from "./speed.ts";
import { Throttle } from "./throttle.ts";
import type { Foreground, SpeedLimits } from "./throttle.ts";
import type { StepOutcome, SyncWork } from "./work.ts";

export interface PassResult {
  readonly kind: "finished" | "interrupted" | "failed";
  /** All below is done, though not necessarily recorded. */
  readonly position: number;
  /** Why it failed. */
  readonly error: HoldfastError | null;
}

export interface PassOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly work: SyncWork;
  /** From here on. */
  readonly min: number;
  /** Up to here. */
  readonly max: number;
  /** Not past this for the time being; Infinity: no hold. */
  readonly hold: number;
  readonly limits: SpeedLimits;
  readonly foreground: Foreground;
  /** A checkpoint is due when the last one is so old; others come earlier. */
  readonly checkpointMs: number;
  /** Records that everything below `position` is done, and calls `durable` when that survives a crash. One at a time. */
  checkpoint(position: number, durable: () => void): void;
  /** Called once, when no step is under way any more. */
  ended(result: PassResult): void;
}

export interface SyncFigures {
  /** Steps below this have ended, give or take those under way. */
  readonly sectors: number;
  readonly max: number;
  readonly kibPerSecond: number;
  /** Estimate. */
  readonly secondsLeft: number;
}

/** Steps that end at once are taken so many at a time, that others get their turn. */
const STEPS_A_TURN = 256;
/** Steps may end early by so many windows before the pass waits for the late one. */
const WINDOWS_AHEAD = 2;

class Step {
  isStarting = false;
  sector = 0;
  sectors = 0;
  outcome: StepOutcome | null = null;
  readonly end: (outcome: StepOutcome) => void;

  constructor(ended: (step: Step, outcome: StepOutcome) => void) {
    this.end = (outcome) => ended(this, outcome);
  }
}

export class SyncPass {
  readonly #options: PassOptions;
  readonly #throttle: Throttle;
  readonly #marks: SpeedMarks;
  /** Of steps started and not yet below `position`, in order, `#steps` of them from `#first` on. */
  readonly #ring: readonly Step[];
  #first = 0;
  #steps = 0;
  #underWay = 0;
  #sectorsUnderWay = 0;
  #state: "new" | "running" | "ending" | "ended" = "new";
  #error: HoldfastError | null = null;
  #next: number;
  #position: number;
  #completed: number;
  #hold: number;
  #isCheckpointing = false;
  #checkpointedMs: number;
  #isDraining = false;
  #isPumping = false;
  #timer: Timer | null = null;
  #mismatches = 0;

  constructor(options: PassOptions) {
    const { min, max, work, clock } = options;
    assert(min >= 0 && max <= work.sectors, "a pass stays on what it goes over");
    this.#options = options;
    this.#throttle = new Throttle(options.limits, options.foreground);
    this.#marks = new SpeedMarks(clock.monotonicMs());
    const length = work.window * WINDOWS_AHEAD;
    this.#ring = Array.from({ length }, () => new Step((step, end) => this.#stepEnded(step, end)));
    this.#next = min;
    this.#position = min;
    this.#completed = min;
    this.#hold = options.hold;
    this.#checkpointedMs = clock.monotonicMs();
  }

  /** Once. It may call `ended` before it returns. */
  start(): void {
    assert(this.#state === "new", "a pass starts once");
    this.#state = "running";
    this.#pump();
  }

  /** Starts no further steps; `ended` follows when those under way have ended, perhaps at once. */
  interrupt(): void {
    if (this.#state === "running") this.#state = "ending";
    this.#pump();
  }

  set hold(sector: number) {
    this.#hold = sector;
    this.#pump();
  }

  /** Everything below is recorded as done. */
  get completed(): number {
    return this.#completed;
  }

  /** Sectors found to differ. */
  get mismatches(): number {
    return this.#mismatches;
  }

  get figures(): SyncFigures {
    const { max, clock } = this.#options;
    const nowMs = clock.monotonicMs();
    this.#marks.advance(nowMs);
    const sectors = this.#next - this.#sectorsUnderWay;
    const seconds = Math.max(1, Math.floor(this.#marks.recentMs(nowMs) / 1000));
    const done = this.#marks.recentSectors;
    // As in mdstat: in units of 32 sectors, and one more so as not to divide by nothing.
    const units = Math.floor(done / 32) + 1;
    return {
      sectors,
      max,
      kibPerSecond: Math.floor(done / 2 / seconds),
      secondsLeft: Math.floor((Math.floor((max - sectors) / units) * seconds) / 32),
    };
  }

  #pump(): void {
    if (this.#isPumping || this.#state === "new" || this.#state === "ended") return;
    this.#isPumping = true;
    let started = 0;
    while (this.#mayStart()) {
      if (started === STEPS_A_TURN) {
        this.#goOnIn(0);
        break;
      }
      started += 1;
      this.#startStep();
    }
    this.#checkpointIfDue();
    this.#isPumping = false;
    this.#endIfDrained();
  }

  #mayStart(): boolean {
    const { max, work, clock } = this.#options;
    if (this.#state !== "running" || this.#timer !== null) return false;
    if (this.#next >= Math.min(max, this.#hold)) return false;
    if (this.#steps === this.#ring.length || this.#underWay === work.window) return false;
    if (this.#isDraining) {
      if (this.#underWay > 0) return false;
      this.#isDraining = false;
      return true;
    }
    const nowMs = clock.monotonicMs();
    this.#marks.advance(nowMs);
    const verdict = this.#throttle.ask(this.#marks, nowMs);
    if (verdict === "go") return true;
    if (verdict !== "drain") this.#goOnIn(verdict);
    else if (this.#underWay > 0) this.#isDraining = true;
    else return true;
    return false;
  }

  #goOnIn(delayMs: number): void {
    this.#timer = this.#options.timers.set(delayMs, () => {
      this.#timer = null;
      this.#pump();
    });
  }

  #startStep(): void {
    const { work, max } = this.#options;
    const limit = Math.min(max, this.#hold);
    const step = this.#ring[(this.#first + this.#steps) % this.#ring.length]!;
    step.sector = this.#next;
    step.outcome = null;
    step.isStarting = true;
    this.#steps += 1;
    this.#underWay += 1;
    step.sectors = work.step(step.sector, limit, step.end);
    assert(step.sectors >= 1 && step.sector + step.sectors <= limit, "a step stays in its limits");
    step.isStarting = false;
    this.#next += step.sectors;
    this.#sectorsUnderWay += step.sectors;
    if (step.outcome === null) this.#throttle.count(step.sectors);
    else this.#settle(step, step.outcome, true);
  }

  #stepEnded(step: Step, outcome: StepOutcome): void {
    assert(step.outcome === null && this.#underWay > 0, "a step ends once");
    step.outcome = outcome;
    // It ended before `step` returned: it is settled when its length is known.
    if (step.isStarting) return;
    this.#settle(step, outcome, false);
    this.#pump();
  }

  #settle(step: Step, outcome: StepOutcome, isUncounted: boolean): void {
    this.#underWay -= 1;
    this.#sectorsUnderWay -= step.sectors;
    if (outcome.kind === "done") {
      this.#mismatches += outcome.mismatches;
      this.#marks.add(step.sectors, this.#options.clock.monotonicMs());
      if (isUncounted) this.#throttle.count(step.sectors);
    }
    if (outcome.kind === "failed") {
      this.#error ??= outcome.error;
      if (this.#state === "running") this.#state = "ending";
    }
    this.#advancePosition();
  }

  /** Never past a step that is under way or has failed. */
  #advancePosition(): void {
    while (this.#steps > 0) {
      const step = this.#ring[this.#first]!;
      if (step.outcome === null || step.outcome.kind === "failed") return;
      this.#position = step.sector + step.sectors;
      this.#first = (this.#first + 1) % this.#ring.length;
      this.#steps -= 1;
    }
  }

  #checkpointIfDue(): void {
    const { clock } = this.#options;
    if (this.#state !== "running" || this.#isCheckpointing || !this.#isCheckpointDue()) return;
    this.#isCheckpointing = true;
    this.#checkpointedMs = clock.monotonicMs();
    const at = this.#position;
    this.#options.checkpoint(at, () => {
      this.#isCheckpointing = false;
      this.#completed = at;
      this.#pump();
    });
  }

  /** When much was done since the last, or long ago, or half of what is left before the hold; the end is its owner's to record. */
  #isCheckpointDue(): boolean {
    const { max, checkpointMs, clock } = this.#options;
    const done = this.#position - this.#completed;
    if (done <= 0 || this.#position >= max) return false;
    if (done > max / 16) return true;
    if (clock.monotonicMs() - this.#checkpointedMs >= checkpointMs) return true;
    return done * 2 >= this.#hold - this.#completed;
  }

  #endIfDrained(): void {
    if (this.#state === "ended" || this.#underWay > 0) return;
    const isFinished = this.#position >= this.#options.max;
    if (this.#state === "running" && !isFinished) return;
    this.#state = "ended";
    this.#timer?.cancel();
    this.#timer = null;
    const position = this.#position;
    if (this.#error !== null) {
      this.#options.ended({ kind: "failed", position, error: this.#error });
      return;
    }
    const kind = isFinished ? "finished" : "interrupted";
    this.#options.ended({ kind, position, error: null });
  }
}
