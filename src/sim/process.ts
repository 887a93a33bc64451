/**
 * A process of the simulated machine: its clock and timers, and the ways in which it reaches disks. When it is killed none of its timers
 * fires any more and no answer reaches it; what it asked of disks goes on without it.
 */
import type { Clock, Timer, Timers } from "../env/env.ts";
import { Books } from "./books.ts";
import type { World } from "./world.ts";

export class SimProcess implements Clock, Timers {
  readonly books = new Books();
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
    this.books.close();
  }

  wallMs(): number {
    return this.#world.wallMs;
  }

  monotonicMs(): number {
    return this.#world.nowUs / 1000;
  }

  set(delayMs: number, fire: () => void): Timer {
    const { books } = this;
    books.timers += 1;
    let isSet = true;
    const over = (): void => {
      if (isSet) books.timers -= 1;
      isSet = false;
    };
    const event = this.#world.after(delayMs * 1000, () => {
      over();
      if (this.#isAlive) fire();
    });
    return {
      cancel: () => {
        over();
        event.happen = null;
      },
    };
  }
}
