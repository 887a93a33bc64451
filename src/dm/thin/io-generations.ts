/**
 * What is under way to the data device, by generation: a commit begins a new one and waits for the older ones. So a data block that the commit gives back
 * is not given out again while somebody still reads or writes what it was.
 */
import { assert } from "../../base/assert.ts";

export class IoGenerations {
  #current = 0;
  readonly #underWay = new Map<number, number>();
  readonly #waiting: { readonly below: number; readonly resolve: () => void }[] = [];

  /** @returns what is to be given to `leave` */
  enter(): number {
    const generation = this.#current;
    this.#underWay.set(generation, (this.#underWay.get(generation) ?? 0) + 1);
    return generation;
  }

  leave(generation: number): void {
    const left = this.#underWay.get(generation)! - 1;
    assert(left >= 0, "what leaves has entered");
    if (left > 0) {
      this.#underWay.set(generation, left);
      return;
    }
    this.#underWay.delete(generation);
    if (this.#waiting.length > 0) this.#wake();
  }

  /** Resolves when nothing is under way that was when this was called. */
  drainOlder(): Promise<void> {
    this.#current += 1;
    const below = this.#current;
    return new Promise((resolve) => {
      this.#waiting.push({ below, resolve });
      this.#wake();
    });
  }

  #wake(): void {
    // Generations were put in in order.
    const oldest = this.#underWay.keys().next().value ?? Infinity;
    while (this.#waiting.length > 0 && this.#waiting[0]!.below <= oldest)
      this.#waiting.shift()!.resolve();
  }
}
