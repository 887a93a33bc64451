/** A clock and timers that stand still until a test moves them. */
import type { Clock, Timer, Timers } from "../../src/env/env.ts";

interface Alarm {
  readonly atMs: number;
  readonly fire: () => void;
}

export class FakeTime implements Clock, Timers {
  #nowMs = 0;
  readonly #alarms = new Set<Alarm>();

  wallMs(): number {
    return 1_800_000_000_000 + this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  set(delayMs: number, fire: () => void): Timer {
    const alarm = { atMs: this.#nowMs + delayMs, fire };
    this.#alarms.add(alarm);
    return { cancel: () => this.#alarms.delete(alarm) };
  }

  /** Timers that are set. */
  get pending(): number {
    return this.#alarms.size;
  }

  /** Fires what is due by then, in order. */
  advance(ms: number): void {
    this.#nowMs += ms;
    const due = [...this.#alarms].filter(({ atMs }) => atMs <= this.#nowMs);
    for (const alarm of due.toSorted((a, b) => a.atMs - b.atMs)) {
      if (this.#alarms.delete(alarm)) alarm.fire();
    }
  }
}
