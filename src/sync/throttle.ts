/**
 * Throttle: how much of the disks a pass may have.
 *
 *   below the lower limit          go on, whatever else happens
 *   between the limits             while nobody else uses the array: go on; else one batch at a time
 *   above the upper limit          wait until the average has come down
 *
 * It looks once every 128 KiB of work. Facts: sync_speed_min and sync_speed_max in Documentation/admin-guide/md.rst.
 */
import type { SpeedMarks } from "./speed.ts";

/** KiB a second; may change at any time. */
export interface SpeedLimits {
  readonly minKiBps: number;
  readonly maxKiBps: number;
}

/** Requests of the array's users, counted from its start on. */
export interface Foreground {
  readonly started: number;
  readonly ended: number;
}

export type Verdict =
  | "go"
  /** When nothing of the pass is under way any more. */
  | "drain"
  /** When so many milliseconds have passed. */
  | number;

/** Sectors between two looks. */
const LOOK_EVERY = 256;
/** Somebody who waits for one request before he makes the next is busy in between as well. */
const QUIET_MS = 100;
const MIN_WAIT_MS = 10;
/** Limits may be raised, so no wait is long. */
const MAX_WAIT_MS = 500;

export class Throttle {
  readonly #limits: SpeedLimits;
  readonly #foreground: Foreground;
  #started: number;
  #busyMs = -Infinity;
  #sectors = 0;

  constructor(limits: SpeedLimits, foreground: Foreground) {
    this.#limits = limits;
    this.#foreground = foreground;
    this.#started = foreground.started;
  }

  /** A step of so many sectors was started. */
  count(sectors: number): void {
    this.#sectors += sectors;
  }

  /** May another step be started? After "drain" it may, without asking again. */
  ask(marks: SpeedMarks, nowMs: number): Verdict {
    if (this.#sectors < LOOK_EVERY) return "go";
    const waitMs = this.#tooFastForMs(marks, nowMs);
    if (waitMs > 0) return Math.min(MAX_WAIT_MS, Math.max(MIN_WAIT_MS, waitMs));
    this.#sectors = 0;
    const isBusy = this.#lookAtForeground(nowMs);
    return isBusy && this.#isFasterThan(this.#limits.minKiBps, marks, nowMs) ? "drain" : "go";
  }

  #lookAtForeground(nowMs: number): boolean {
    const { started, ended } = this.#foreground;
    if (started !== this.#started || started !== ended) this.#busyMs = nowMs;
    this.#started = started;
    return nowMs - this.#busyMs < QUIET_MS;
  }

  /** A second is given on credit, so that a pass that begins is not stopped by its first step. */
  #isFasterThan(limitKiBps: number, marks: SpeedMarks, nowMs: number): boolean {
    return marks.recentSectors / 2 > limitKiBps * (marks.recentMs(nowMs) / 1000 + 1);
  }

  /** Until the average is down at the upper limit; 0 or less: it is. */
  #tooFastForMs(marks: SpeedMarks, nowMs: number): number {
    const { minKiBps, maxKiBps } = this.#limits;
    const limit = Math.max(minKiBps, maxKiBps);
    const allowedMs = (marks.recentSectors / 2 / limit - 1) * 1000;
    return allowedMs - marks.recentMs(nowMs);
  }
}
