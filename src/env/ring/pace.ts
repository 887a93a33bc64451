/**
 * Whether calls that block this thread may go on doing so: they may while they are short on average. A file that turns out to
 * be slow has its calls sent through the ring for a while, then it is tried again.
 */

const REMEMBERED = 16;
const SLOW_MS = 1;
/** Calls that go through the ring before the next try. */
const REST = 1024;

export class Pace {
  readonly #lastMs = new Float64Array(REMEMBERED);
  #sumMs = 0;
  #next = 0;
  #rest = 0;

  /** Asked before each call; counts the calls of a rest. */
  mayBlock(): boolean {
    if (this.#rest === 0) return true;
    this.#rest -= 1;
    return false;
  }

  /** A call has blocked so long. One that is far too long is enough to be slow on average. */
  took(ms: number): void {
    const last = this.#lastMs;
    this.#sumMs += ms - last[this.#next]!;
    last[this.#next] = ms;
    this.#next = (this.#next + 1) % REMEMBERED;
    if (this.#sumMs <= SLOW_MS * REMEMBERED) return;
    last.fill(0);
    this.#sumMs = 0;
    this.#rest = REST;
  }
}
