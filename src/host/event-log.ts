/** What happened to arrays: numbered, the latest kept, and told to whoever waits for it. */
import type { Clock, Timers } from "../env/env.ts";
import type { EventsCall, HostEvent } from "./array-host.ts";

/** Who asks once a minute misses nothing of a busy day; who stays away longer sees by the numbers that some are gone. */
const KEPT = 4096;

export type NewEvent = Omit<HostEvent, "number" | "wallMs">;

export class EventLog {
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #waiters = new Set<() => void>();
  #events: HostEvent[] = [];
  #next = 1;
  #isClosed = false;

  constructor(clock: Clock, timers: Timers) {
    this.#clock = clock;
    this.#timers = timers;
  }

  add(events: readonly NewEvent[]): void {
    if (events.length === 0) return;
    for (const event of events) {
      this.#events.push({ ...event, number: this.#next, wallMs: this.#clock.wallMs() });
      this.#next += 1;
    }
    this.#events.splice(0, Math.max(0, this.#events.length - KEPT));
    this.#wake();
  }

  /** Resolves at once when there are some. */
  async after({ after, waitMs }: EventsCall): Promise<readonly HostEvent[]> {
    const found = this.#events.filter(({ number }) => number > after);
    if (found.length > 0 || waitMs <= 0 || this.#isClosed) return found;
    await this.#woken(waitMs);
    return this.#events.filter(({ number }) => number > after);
  }

  #woken(waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        timer.cancel();
        this.#waiters.delete(wake);
        resolve();
      };
      const timer = this.#timers.set(waitMs, wake);
      this.#waiters.add(wake);
    });
  }

  #wake(): void {
    for (const wake of this.#waiters) wake();
  }

  /** Nobody waits any more. */
  close(): void {
    this.#isClosed = true;
    this.#wake();
  }
}
