/** Timers that fire when a test says so, in the order in which they are due. */
import type { Timer, Timers } from "../../src/env/env.ts";

interface Pending {
  readonly dueMs: number;
  readonly fire: () => void;
}

export class HandTimers implements Timers {
  nowMs = 0;
  #pending: Pending[] = [];

  get pending(): number {
    return this.#pending.length;
  }

  set(delayMs: number, fire: () => void): Timer {
    const one = { dueMs: this.nowMs + delayMs, fire };
    this.#pending.push(one);
    return {
      cancel: () => {
        this.#pending = this.#pending.filter((other) => other !== one);
      },
    };
  }

  clear(): void {
    this.#pending = [];
  }

  /** Goes on to the next timer and fires it; false: there is none. */
  fireNext(): boolean {
    const next = this.#pending.toSorted((a, b) => a.dueMs - b.dueMs)[0];
    if (next === undefined) return false;
    this.#pending = this.#pending.filter((other) => other !== next);
    this.nowMs = next.dueMs;
    next.fire();
    return true;
  }
}

/** Until promises that wait for nothing else have been followed. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 24; turn += 1) await Promise.resolve();
}
