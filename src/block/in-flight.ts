/** Counts what is under way, so that `close` can wait for it. */
import { assert } from "../base/assert.ts";

export class InFlight {
  #count = 0;
  #closing = false;
  readonly #waiters: (() => void)[] = [];

  get count(): number {
    return this.#count;
  }

  /** @throws an assertion after `drain`: nothing may be submitted to a device that is being closed */
  begin(): void {
    assert(!this.#closing, "nothing is submitted to a closed device");
    this.#count += 1;
  }

  end(): void {
    assert(this.#count > 0, "what ends has begun");
    this.#count -= 1;
    if (this.#count > 0 || this.#waiters.length === 0) return;
    for (const waiter of this.#waiters.splice(0)) waiter();
  }

  /** Lets nothing begin any more; resolves when the last one has ended. */
  drain(): Promise<void> {
    this.#closing = true;
    if (this.#count === 0) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push(resolve));
  }
}
