/**
 * Completions inside the call that asked for them, bounded in two ways: so many are nested at most, so the stack stays flat, and
 * after so much work Node's loop has a turn. Without that a chain of promises, each fulfilled before the next is made, would keep
 * timers, signals and sockets waiting to its end.
 */

/** Of a read or a write. */
export type Done = (error: Error | null, bytes: number) => void;

const MAX_DEPTH = 16;
/** Calls, and their data, before the loop has a turn: 64 of 4 KiB are 0.2 ms, and cost one turn of some microseconds. */
const MAX_WORK = 64;
const WORK_PER_BYTE = 1 / 16_384;

export class Turns {
  readonly #later: (call: () => void) => void;
  #depth = 0;
  #leftWork = MAX_WORK;

  /** @param later calls in the next turn of the loop */
  constructor(later: (call: () => void) => void) {
    this.#later = later;
  }

  /** Calls `done`, now or in the next turn. */
  end(done: Done, error: Error | null, bytes: number): void {
    this.#leftWork -= 1 + bytes * WORK_PER_BYTE;
    const isDue = this.#leftWork <= 0;
    if (isDue) this.#leftWork = MAX_WORK;
    if (isDue || this.#depth >= MAX_DEPTH) {
      this.#later(() => done(error, bytes));
      return;
    }
    this.#depth += 1;
    try {
      done(error, bytes);
    } finally {
      this.#depth -= 1;
    }
  }
}
