/**
 * How long a thread that has nothing to do looks for completions before it sleeps. To be waked up takes 10 to 30 us, half of all that
 * a request costs whose client waits for each answer; looking is worth while where the next one comes within that time, and lost
 * where it does not. So it looks for as long as waits have been short lately, and not at all once they have been long for a while.
 *
 *   a wait as short as could be looked for: twice as long next time     a longer one: half as long, and then not at all
 */

/** As long as a client needs for an answer and its next request: waking up, and some work of its own. */
const LONGEST_MS = 0.06;
const SHORTEST_MS = 0.008;

export class Polling {
  #ms = 0;

  /** To look for so long. */
  get ms(): number {
    return this.#ms;
  }

  /** So long nothing came, looking or asleep. */
  waited(ms: number): void {
    if (ms <= LONGEST_MS) this.#ms = Math.min(LONGEST_MS, Math.max(SHORTEST_MS, this.#ms * 2));
    else this.#ms = this.#ms > SHORTEST_MS ? this.#ms / 2 : 0;
  }
}
