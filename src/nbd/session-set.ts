/** The clients of a server: those who are connected, those who have gone while a device still works for them, and waiting for their end. */
import type { Timer, Timers } from "../env/env.ts";
import type { Session } from "./session.ts";

export type WhichSessions = (session: Session) => boolean;

export class SessionSet {
  readonly #timers: Timers;
  readonly #open = new Set<Session>();
  readonly #lingering = new Set<Session>();
  readonly #waiters = new Set<() => void>();

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /** Those who are connected. */
  get size(): number {
    return this.#open.size;
  }

  /** Whether a device still works for one of them that has gone. */
  lingers(which: WhichSessions): boolean {
    this.forgetOver();
    return [...this.#lingering].some(which);
  }

  add(session: Session): void {
    this.#open.add(session);
  }

  /** The socket is closed. */
  closed(session: Session): void {
    this.#open.delete(session);
    if (!session.isOver) {
      this.#lingering.add(session);
      session.protocol.whenIdle(() => this.#changed());
    }
    this.#changed();
  }

  connected(which: WhichSessions): Session[] {
    return [...this.#open].filter(which);
  }

  forgetOver(): void {
    for (const session of this.#lingering) if (session.isOver) this.#lingering.delete(session);
  }

  /** Waits until all of them are over, at most so long. */
  over(which: WhichSessions, limitMs: number): Promise<void> {
    return new Promise((resolve) => {
      let timer: Timer | null = null;
      const end = (): void => {
        timer?.cancel();
        this.#waiters.delete(look);
        resolve();
      };
      const look = (): void => {
        if (this.#isOver(which)) end();
      };
      this.#waiters.add(look);
      if (this.#isOver(which)) end();
      else timer = this.#timers.set(limitMs, end);
    });
  }

  #isOver(which: WhichSessions): boolean {
    this.forgetOver();
    return ![...this.#open, ...this.#lingering].some(which);
  }

  #changed(): void {
    for (const look of this.#waiters) look();
  }
}
