/** A clock and timers that stand still until they are told to go on. */
import type { Clock, Timer, Timers } from "../../src/env/env.ts";

interface Pending {
  readonly atMs: number;
  readonly order: number;
  readonly fire: () => void;
}

export class VirtualTime implements Clock, Timers {
  #nowMs = 0;
  #order = 0;
  #pending: Pending[] = [];

  wallMs(): number {
    return 1_800_000_000_000 + this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  /** Timers set and not fired. */
  get pending(): number {
    return this.#pending.length;
  }

  /** So far. */
  get timersSet(): number {
    return this.#order;
  }

  set(delayMs: number, fire: () => void): Timer {
    this.#order += 1;
    const one = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order, fire };
    this.#pending.push(one);
    return {
      cancel: () => {
        this.#pending = this.#pending.filter((each) => each !== one);
      },
    };
  }

  /** Goes on to the next timer and fires it. False: there is none up to `untilMs`. */
  next(untilMs = Infinity): boolean {
    let first: Pending | undefined;
    for (const one of this.#pending) {
      if (first === undefined || one.atMs < first.atMs) first = one;
    }
    if (first === undefined || first.atMs > untilMs) return false;
    this.#pending = this.#pending.filter((each) => each !== first);
    this.#nowMs = first.atMs;
    first.fire();
    return true;
  }

  /** Lets so much time pass, and fires what falls into it. */
  pass(ms: number): void {
    const untilMs = this.#nowMs + ms;
    while (this.next(untilMs)) continue;
    this.#nowMs = untilMs;
  }

  /** Lets I/O go on, and time where there is none, until the promise is settled. */
  async until<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const settle = (): void => {
      isSettled = true;
    };
    promise.then(settle, settle);
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve));
      if (isSettled) return promise;
      this.next();
    }
  }

  /** Forgets all timers: what a crash does to them. */
  clear(): void {
    this.#pending = [];
  }

  /** Until no timer is left. */
  run(): void {
    while (this.next()) continue;
  }
}
