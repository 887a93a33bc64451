/**
 * What is under way to the data device, by generation: a commit begins a new one and waits for the older ones. So a data block that the commit gives back
 * is not given out again while somebody still reads or writes what it was.
 */
import { assert } from "../../base/assert.ts";

/** A count of its own for each: entering and leaving are for every bio, a new generation is for every commit. */
export class Generation {
  readonly number: number;
  underWay = 0;

  constructor(number: number) {
    this.number = number;
  }
}

export class IoGenerations {
  #current = new Generation(0);
  /** In order; those that had something under way when they ended. */
  #older: Generation[] = [];
  readonly #waiting: { readonly below: number; readonly resolve: () => void }[] = [];

  /** @returns what is to be given to `leave` */
  enter(): Generation {
    const generation = this.#current;
    generation.underWay += 1;
    return generation;
  }

  leave(generation: Generation): void {
    assert(generation.underWay > 0, "what leaves has entered");
    generation.underWay -= 1;
    if (generation.underWay === 0 && generation !== this.#current) this.#wake();
  }

  /** Resolves when nothing is under way that was when this was called. */
  drainOlder(): Promise<void> {
    const before = this.#current;
    this.#current = new Generation(before.number + 1);
    this.#older.push(before);
    return new Promise((resolve) => {
      this.#waiting.push({ below: this.#current.number, resolve });
      this.#wake();
    });
  }

  #wake(): void {
    this.#older = this.#older.filter(({ underWay }) => underWay > 0);
    const oldest = this.#older[0]?.number ?? Infinity;
    while (this.#waiting.length > 0 && this.#waiting[0]!.below <= oldest)
      this.#waiting.shift()!.resolve();
  }
}
