/**
 * Range lock: shared and exclusive holds on runs of sectors (or stripes, or whatever the caller counts).
 *
 * Fair in order of arrival: a request waits for every earlier request that overlaps it and is not shared like
 * itself, be that one held or itself waiting, and for no later one. So nobody starves, and a hold taken in one call cannot
 * deadlock with another hold taken in one call.
 *
 *   arrival order:  X[0,8) held   S[4,6) waits for X   X[5,9) waits for both   S[20,30) held at once
 *
 * Every entry counts the earlier entries it conflicts with (`blockers`). A release walks the later entries, counts
 * down those it was blocking and grants the ones that reach 0. One small object a hold, nothing per sector;
 * while no exclusive entry exists, taking and releasing a shared hold is O(1), else O(entries).
 */
import { assert } from "../base/assert.ts";
import { ignore } from "../base/nothing.ts";
import { Pool } from "./pool.ts";
import type { Pooled } from "./pool.ts";

export type RangeMode = "shared" | "exclusive";

export interface RangeHold {
  readonly start: number;
  /** First unit behind the range. */
  readonly end: number;
  readonly mode: RangeMode;
}

/** Used again once it is released. */
class Entry implements RangeHold, Pooled {
  isSpare = false;
  start = 0;
  end = 0;
  mode: RangeMode = "shared";
  granted: (hold: RangeHold) => void = ignore;
  state: "waiting" | "held" | "released" = "waiting";
  /** Earlier entries that conflict with this one and are not released. */
  blockers = 0;
  earlier: Entry | null = null;
  later: Entry | null = null;

  conflictsWith(other: Entry): boolean {
    if (this.start >= other.end || other.start >= this.end) return false;
    return this.mode === "exclusive" || other.mode === "exclusive";
  }
}

export class RangeLock {
  readonly #maxEntries: number;
  #oldest: Entry | null = null;
  #newest: Entry | null = null;
  #entries = 0;
  #exclusive = 0;
  #waiting = 0;
  readonly #pool = new Pool(() => new Entry());
  readonly #ready: Entry[] = [];
  #granting = false;

  /**
   * @param maxEntries holds and waiters there may be at once. Whoever submits I/O bounds what it has in flight, so
   * more than this is a bug and fails an assertion.
   */
  constructor(maxEntries = 65536) {
    this.#maxEntries = maxEntries;
  }

  /** Holds and waiters. */
  get entries(): number {
    return this.#entries;
  }

  get waiting(): number {
    return this.#waiting;
  }

  /** Calls `granted` once, with the hold to be given to `release`: at once (before this returns) if nothing is in the way, else from a later `release`. */
  lock(start: number, count: number, mode: RangeMode, granted: (hold: RangeHold) => void): void {
    const entry = this.#append(start, count, mode, granted);
    if (entry.blockers > 0) {
      this.#waiting += 1;
      return;
    }
    entry.state = "held";
    granted(entry);
  }

  /** The hold if it can be had at once, else null; nothing waits then. */
  tryLock(start: number, count: number, mode: RangeMode): RangeHold | null {
    const entry = this.#append(start, count, mode, ignore);
    if (entry.blockers > 0) {
      this.#drop(entry);
      return null;
    }
    entry.state = "held";
    return entry;
  }

  /** The hold is not to be looked at any more: it is used again for another range. */
  release(hold: RangeHold): void {
    assert(hold instanceof Entry && hold.state === "held", "only a held range is released");
    if (this.#waiting > 0) this.#unblockAfter(hold);
    this.#drop(hold);
    if (this.#ready.length > 0) this.#grantReady();
  }

  #unblockAfter(hold: Entry): void {
    for (let entry = hold.later; entry !== null; entry = entry.later) {
      if (entry.state !== "waiting" || !entry.conflictsWith(hold)) continue;
      entry.blockers -= 1;
      if (entry.blockers > 0) continue;
      entry.state = "held";
      this.#waiting -= 1;
      this.#ready.push(entry);
    }
  }

  /** A callback may lock and release; the outermost call goes on granting, so the stack stays flat. */
  #grantReady(): void {
    if (this.#granting) return;
    this.#granting = true;
    try {
      for (let entry = this.#ready.shift(); entry; entry = this.#ready.shift())
        entry.granted(entry);
    } finally {
      this.#granting = false;
    }
  }

  #append(
    start: number,
    count: number,
    mode: RangeMode,
    granted: (hold: RangeHold) => void,
  ): Entry {
    assert(count > 0 && start >= 0, "a locked range is not empty");
    assert(this.#entries < this.#maxEntries, "more range locks than I/O may be in flight");
    const entry = this.#pool.take();
    entry.start = start;
    entry.end = start + count;
    entry.mode = mode;
    entry.granted = granted;
    entry.state = "waiting";
    entry.blockers = 0;
    if (this.#exclusive > 0 || mode === "exclusive") {
      for (let other = this.#oldest; other !== null; other = other.later) {
        if (other.conflictsWith(entry)) entry.blockers += 1;
      }
    }
    entry.earlier = this.#newest;
    if (this.#newest === null) this.#oldest = entry;
    else this.#newest.later = entry;
    this.#newest = entry;
    this.#entries += 1;
    if (mode === "exclusive") this.#exclusive += 1;
    return entry;
  }

  #drop(entry: Entry): void {
    if (entry.earlier === null) this.#oldest = entry.later;
    else entry.earlier.later = entry.later;
    if (entry.later === null) this.#newest = entry.earlier;
    else entry.later.earlier = entry.earlier;
    entry.earlier = null;
    entry.later = null;
    this.#entries -= 1;
    if (entry.mode === "exclusive") this.#exclusive -= 1;
    entry.state = "released";
    entry.granted = ignore;
    this.#pool.give(entry);
  }
}
