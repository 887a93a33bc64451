/** Bios that wait: writes for a free block, any for their pool to be resumed. */
import type { HoldfastError } from "../../base/errors.ts";

export interface Waiter {
  /** Whose it is. */
  readonly owner: object;
  retry(): void;
  fail(error: HoldfastError): void;
  giveBack(): void;
}

export class Waiters {
  #waiting: Waiter[] = [];

  add(waiter: Waiter): void {
    this.#waiting.push(waiter);
  }

  retry(): void {
    for (const waiter of this.#waiting.splice(0)) waiter.retry();
  }

  fail(error: HoldfastError): void {
    for (const waiter of this.#waiting.splice(0)) waiter.fail(error);
  }

  /** Those of a volume, to whoever suspends it. */
  giveBack(owner: object): void {
    const own = this.#waiting.filter((waiter) => waiter.owner === owner);
    this.#waiting = this.#waiting.filter((waiter) => waiter.owner !== owner);
    for (const waiter of own) waiter.giveBack();
  }
}
