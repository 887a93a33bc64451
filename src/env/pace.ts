/**
 * Whether calls that block this thread may go on doing so. They cost a fraction of handing the work to others (the kernel's or
 * libuv's threads) as long as the page cache answers, and stop everything else when a disk has to.
 *
 *   quick --calls far above what they may take, more than a few--> resting --time is over--> quick, on probation
 *
 * What calls take beyond what they may is a debt, which quick calls pay off. So a call in a hundred that waits is borne (another process
 * had the processor), and cold data ends it within milliseconds. After a rest the debt is nearly at its limit: one slow call
 * is enough. A rest is a multiple of the slow call's time, doubled each time in a row: of a disk that hangs for seconds the next try
 * comes minutes later, and what is lost by trying is at most a 16th of the time at first and a 1000th later.
 *
 * Where the system tells how often the thread has been switched away from, a call that others took the processor from, and that did not
 * wait, is not slow however long it took: a thread it would be handed to shares the processor with them as well. A call that does its
 * own work for so long is slow: another processor may do that. Asking costs a tenth of a small call, so it is done only while
 * there is a debt.
 */
import type { Clock } from "./env.ts";

/** A call from the page cache takes 2 to 10 us for 4 KiB; being handed to a thread and back 20 to 40. */
const FREE_MS = 0.03;
/** Copying at 1 GB/s, what slow memory does. */
const FREE_MS_PER_BYTE = 1e-6;
/** What one call counts at most: it may have waited for the processor instead. */
const COUNTED_MS = 1;
const LIMIT_MS = 2.5;
/** So slow is no accident. */
const HANG_MS = 100;
/** Left of the limit after a rest. */
const PROBATION_MS = 0.05;
const FIRST_REST = 16;
const LONGEST_REST = 1024;
const LONGEST_REST_MS = 600_000;

/** How often this thread stopped running, since it exists. `look` brings the counts up to date. */
export interface ThreadSwitches {
  look(): void;
  /** It had to wait. */
  readonly waits: number;
  /** Others had their turn. */
  readonly preemptions: number;
}

export class Pace {
  readonly #clock: Clock;
  readonly #switches: ThreadSwitches | null;
  #startedMs = 0;
  /** Whether the next two were looked at before the call. */
  #isWatched = false;
  #waits = 0;
  #preemptions = 0;
  #debtMs = 0;
  /** The rest is over then; 0: none. */
  #restUntilMs = 0;
  /** The next rest, in times of the call that causes it. */
  #restTimes = FIRST_REST;

  constructor(clock: Clock, switches: ThreadSwitches | null = null) {
    this.#clock = clock;
    this.#switches = switches;
  }

  /** True: the call may block, and `ended` is called right after it. */
  begin(): boolean {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs < this.#restUntilMs) return false;
    this.#restUntilMs = 0;
    this.#startedMs = nowMs;
    this.#isWatched = this.#debtMs > 0 && this.#switches !== null;
    if (this.#isWatched) this.#look();
    return true;
  }

  /** @param bytes how many the call was to move */
  ended(bytes: number): void {
    const tookMs = this.#clock.monotonicMs() - this.#startedMs;
    const overMs = tookMs - FREE_MS - bytes * FREE_MS_PER_BYTE;
    if (overMs > 0 && this.#isWatched && this.#wasOnlyPreempted()) return;
    this.#debtMs += Math.min(overMs, COUNTED_MS);
    if (this.#debtMs <= 0) {
      this.#debtMs = 0;
      this.#restTimes = FIRST_REST;
    } else if (this.#debtMs > LIMIT_MS || tookMs > HANG_MS) this.#rest(tookMs);
  }

  #look(): void {
    const switches = this.#switches!;
    switches.look();
    this.#waits = switches.waits;
    this.#preemptions = switches.preemptions;
  }

  #wasOnlyPreempted(): boolean {
    const waits = this.#waits;
    const preemptions = this.#preemptions;
    this.#look();
    return this.#waits === waits && this.#preemptions > preemptions;
  }

  #rest(tookMs: number): void {
    const restMs = Math.min(tookMs * this.#restTimes, LONGEST_REST_MS);
    this.#restUntilMs = this.#startedMs + tookMs + restMs;
    this.#restTimes = Math.min(2 * this.#restTimes, LONGEST_REST);
    this.#debtMs = LIMIT_MS - PROBATION_MS;
  }
}
