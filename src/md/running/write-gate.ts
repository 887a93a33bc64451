/**
 * WriteGate: an array is marked dirty durably before its first write is issued, and clean again some time after the last has ended.
 *
 *            first write            superblocks written
 *   clean  -------------->  dirtying  ---------------->  dirty
 *     ^                                                   |  nothing under way for the delay
 *     |          superblocks written                      v
 *     +------------------------------------------------ cleaning  (a write that comes now goes on to dirtying)
 *
 * "Clean" in the record is what is to be said next; a write goes through when "dirty" is what the disks say.
 */
import { assert } from "../../base/assert.ts";
import type { Clock, Timer, Timers } from "../../env/env.ts";
import type { ArrayRecord, Metadata } from "./metadata.ts";

/** md's safe_mode_delay at first. */
const DEFAULT_DELAY_MS = 201;

export class WriteGate {
  readonly #record: ArrayRecord;
  readonly #metadata: Pick<Metadata, "commit">;
  readonly #clock: Clock;
  readonly #timers: Timers;
  #delayMs = DEFAULT_DELAY_MS;
  #underWay = 0;
  #waiting: (() => void)[] = [];
  #isDirtying = false;
  #mayClean = true;
  /** It may be set while writes are under way, and fire too early: so one write after the other needs no timer each. */
  #timer: Timer | null = null;
  /** When the last write ended. */
  #quietMs = 0;

  constructor(
    record: ArrayRecord,
    metadata: Pick<Metadata, "commit">,
    { clock, timers }: { readonly clock: Clock; readonly timers: Timers },
  ) {
    this.#record = record;
    this.#metadata = metadata;
    this.#clock = clock;
    this.#timers = timers;
  }

  get isIdle(): boolean {
    return this.#underWay === 0;
  }

  /** The first write waits for the superblocks. */
  get isDirtying(): boolean {
    return this.#isDirtying;
  }

  /** The array is about to be marked clean unless something is written. */
  get isWaitingToClean(): boolean {
    return this.#timer !== null && this.#underWay === 0;
  }

  get delayMs(): number {
    return this.#delayMs;
  }

  /** How long nothing must be written before the array is marked clean, ms; 0: never. */
  set delayMs(delayMs: number) {
    this.#delayMs = delayMs;
    this.#cancel();
    this.#startTimer(delayMs);
  }

  /** Calls `go`, perhaps at once, when the write may be issued; `leave` follows when it has ended. */
  enter(go: () => void): void {
    this.#underWay += 1;
    if (!this.#record.isClean && !this.#isDirtying) {
      go();
      return;
    }
    this.#waiting.push(go);
    if (this.#isDirtying) return;
    this.#isDirtying = true;
    this.#record.isClean = false;
    this.#metadata.commit("progress", () => {
      this.#isDirtying = false;
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const each of waiting) each();
    });
  }

  leave(): void {
    assert(this.#underWay > 0, "what leaves has entered");
    this.#underWay -= 1;
    if (this.#underWay > 0) return;
    this.#quietMs = this.#clock.monotonicMs();
    if (this.#timer === null) this.#startTimer(this.#delayMs);
  }

  #startTimer(delayMs: number): void {
    if (this.#underWay > 0 || this.#delayMs === 0) return;
    if (this.#record.isClean || !this.#mayClean) return;
    this.#timer = this.#timers.set(delayMs, () => {
      this.#timer = null;
      const leftMs = this.#quietMs + this.#delayMs - this.#clock.monotonicMs();
      if (leftMs > 0) this.#startTimer(leftMs);
      else this.markClean(() => {});
    });
  }

  /** Marks the array clean if nothing is being written; `done` when that is durable, or when it is not to be. */
  markClean(done: () => void): void {
    this.#cancel();
    if (this.#underWay > 0 || this.#record.isClean || !this.#mayClean) {
      done();
      return;
    }
    this.#record.isClean = true;
    this.#metadata.commit("progress", done);
  }

  /** Nobody knows any more whether copies or parity are alike: the array stays dirty. */
  stayDirty(): void {
    this.#mayClean = false;
    this.#cancel();
  }

  #cancel(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }
}
