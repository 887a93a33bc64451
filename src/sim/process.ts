/**
 * A process of the simulated machine: its clock and timers, and the ways in which it reaches disks. When it is killed none of its timers
 * fires any more and no answer reaches it; what it asked of disks goes on without it.
 */
import type { Clock, Timer, Timers } from "../env/env.ts";
import type { World } from "./world.ts";

export class SimProcess implements Clock, Timers {
  readonly #world: World;
  #isAlive = true;

  constructor(world: World) {
    this.#world = world;
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  kill(): void {
    this.#isAlive = false;
  }

  wallMs(): number {
    return this.#world.wallMs;
  }

  monotonicMs(): number {
    return this.#world.nowUs / 1000;
  }

  set(delayMs: number, fire: () => void): Timer {
    const event = this.#world.after(delayMs * 1000, () => {
      if (this.#isAlive) fire();
    });
    return {
      cancel: () => {
        event.happen = null;
      },
    };
  }
}
