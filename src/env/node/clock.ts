/** The machine's clock, timers and random numbers. The only place that reads them. */
import { randomBytes } from "node:crypto";
import { performance } from "node:perf_hooks";
import type { Clock, RandomSource, Timer, Timers } from "../env.ts";

export const nodeClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
};

/** Node fires a longer timeout at once. */
const MAX_TIMEOUT_MS = 0x7fff_ffff;

class NodeTimer implements Timer {
  #handle: NodeJS.Timeout | null = null;

  constructor(delayMs: number, fire: () => void) {
    this.#arm(Math.max(0, delayMs), fire);
  }

  #arm(leftMs: number, fire: () => void): void {
    const step = Math.min(leftMs, MAX_TIMEOUT_MS);
    this.#handle = setTimeout(() => {
      if (leftMs > step) this.#arm(leftMs - step, fire);
      else fire();
    }, step);
    this.#handle.unref();
  }

  cancel(): void {
    if (this.#handle !== null) clearTimeout(this.#handle);
    this.#handle = null;
  }
}

export const nodeTimers: Timers = {
  set: (delayMs, fire) => new NodeTimer(delayMs, fire),
};

export const nodeRandom: RandomSource = {
  bytes: (count) => new Uint8Array(randomBytes(count)),
};
