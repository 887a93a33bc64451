/** Counts what happened to a mapped device, so that somebody can wait for the next. */
import { HoldfastError } from "../base/errors.ts";

export class EventCounter {
  #count = 0;
  readonly #waiters = new Set<() => void>();

  get count(): number {
    return this.#count;
  }

  add(): void {
    this.#count += 1;
    for (const waiter of this.#waiters) waiter();
  }

  /** Resolves when there were more than that. @param signal gives up: it throws `shutdown` */
  async wait(count: number, signal?: AbortSignal): Promise<void> {
    while (this.#count <= count) {
      if (signal?.aborted === true)
        throw new HoldfastError("shutdown", "Nobody waits for the event any more.");
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiters.delete(wake);
          signal?.removeEventListener("abort", wake);
          resolve();
        };
        this.#waiters.add(wake);
        signal?.addEventListener("abort", wake);
      });
    }
  }
}
