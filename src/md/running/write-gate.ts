/**
 * WriteGate: an array is marked dirty durably before its first write is issued, and clean again some time after the last has ended.
 *
 *            first write            superblocks written
 *   clean  -------------->  dirtying  ---------------->  dirty
 *     ^                                                   |  nothing under way for the delay
 *     |          superblocks written                      v
 *     +------------------------------------------------ cleaning  (a write that comes now goes on to dirtying)
 *
 * Writes that come while superblocks that tell of a failure are being written wait as well: who is told that a write has
 * succeeded must not find the disk that missed it in use again after a crash (law 3).
 */
import { assert } from "../../base/assert.ts";
import type { Timer, Timers } from "../../env/env.ts";
import type { ArrayRecord, Metadata } from "./metadata.ts";

/** md's safe_mode_delay at first. */
export const DEFAULT_DELAY_MS = 201;

export class WriteGate {
  readonly #record: ArrayRecord;
  readonly #metadata: Metadata;
  readonly #timers: Timers;
  /** How long nothing must be written before the array is marked clean, ms; 0: never. */
  delayMs = DEFAULT_DELAY_MS;
  #underWay = 0;
  #waiting: (() => void)[] = [];
  #isDirtying = false;
  #timer: Timer | null = null;

  constructor(record: ArrayRecord, metadata: Metadata, timers: Timers) {
    this.#record = record;
    this.#metadata = metadata;
    this.#timers = timers;
  }

  get isIdle(): boolean {
    return this.#underWay === 0;
  }

  /** Calls `go`, perhaps at once, when the write may be issued; `leave` follows when it has ended. */
  enter(go: () => void): void {
    this.#underWay += 1;
    this.#timer?.cancel();
    this.#timer = null;
    if (!this.#record.isClean && !this.#isDirtying) {
      this.#metadata.whenMembersAreKnown(go);
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
    if (this.#underWay > 0 || this.delayMs === 0) return;
    this.#timer = this.#timers.set(this.delayMs, () => {
      this.#timer = null;
      this.markClean(() => {});
    });
  }

  /** Marks the array clean if nothing is being written; `done` when that is durable, or when it is not to be. */
  markClean(done: () => void): void {
    if (this.#underWay > 0 || this.#record.isClean) {
      done();
      return;
    }
    this.#record.isClean = true;
    this.#metadata.commit("progress", done);
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }
}
