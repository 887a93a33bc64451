/**
 * Pool: objects that are used again, so that a request costs no allocation. What is in a pool is one step of a request: it has
 * its own bio (bio.ts, OwnBio) and the functions that complete it, made once together with it.
 *
 *   take --> filled in, submitted --> completed: read what is still needed, give back --> the parent's `end`
 *
 * It is given back before the parent is told: whoever is told may submit the next request at once, and gets the same object, warm
 * in the cache, instead of one more for each level of nesting. So nothing of it may be touched after `give`.
 */
import { assert } from "../base/assert.ts";

export interface Pooled {
  /** Kept by the pool. */
  isSpare: boolean;
}

/** More are left to the garbage collector: what is in flight at a time is bounded by whoever submits. */
const MAX_SPARE = 1024;

let madeByAll = 0;
let lentByAll = 0;

/** Objects that all pools of this thread have made so far: it stands still while requests are all like earlier ones. For tests. */
export function pooledObjectsMade(): number {
  return madeByAll;
}

/** Objects that all pools of this thread have lent and not got back: none while nothing is under way. */
export function pooledObjectsLent(): number {
  return lentByAll;
}

export class Pool<T extends Pooled> {
  readonly #make: () => T;
  readonly #spare: T[] = [];
  /** Taken and not given back. */
  #lent = 0;

  /** @param make gives one with `isSpare` false */
  constructor(make: () => T) {
    this.#make = make;
  }

  take(): T {
    this.#lent += 1;
    lentByAll += 1;
    const one = this.#spare.pop();
    if (one === undefined) {
      madeByAll += 1;
      return this.#make();
    }
    one.isSpare = false;
    return one;
  }

  /** @throws an assertion for one that was given back already (then something was completed twice) or not taken here */
  give(one: T): void {
    assert(!one.isSpare && this.#lent > 0, "what is used again is given back once");
    this.#lent -= 1;
    lentByAll -= 1;
    one.isSpare = true;
    if (this.#spare.length < MAX_SPARE) this.#spare.push(one);
  }
}
