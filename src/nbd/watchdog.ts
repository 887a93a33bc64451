/**
 * Time-outs of one connection, judged from time to time (a few seconds apart) from what has moved since, so that the data
 * path never asks the clock. A message may take the stall time-out and the time of its bytes at the slowest rate.
 *
 *   handshake not over       handshakeTimeoutMs        from the start
 *   message begun, not over  stallTimeoutMs + bytes    unless it is us who do not read
 *   replies not taken        stallTimeoutMs + bytes    the oldest flush
 *   no request               idleTimeoutMs             if not 0, and nothing is under way
 *   goodbye said             closeTimeoutMs            + bytes still to be sent
 */
import type { NbdLimits } from "./limits.ts";
import type { Output } from "./output.ts";
import type { Phase } from "./phase.ts";

export interface WatchedConnection {
  readonly isFinishing: boolean;
  readonly phase: Phase;
  readonly output: Output;
  /** The client may not send now. */
  readonly isHeldBack: boolean;
}

/** Something that should move: since when it has been the same. */
class Mark {
  #value: number | null = null;
  #sinceMs = 0;

  /** How long `value` has been the same; 0 for null. */
  ageMs(nowMs: number, value: number | null): number {
    if (value === null || value !== this.#value) {
      this.#value = value;
      this.#sinceMs = nowMs;
    }
    return nowMs - this.#sinceMs;
  }
}

export class Watchdog {
  readonly #limits: NbdLimits;
  readonly #handshake = new Mark();
  readonly #message = new Mark();
  readonly #flight = new Mark();
  readonly #idle = new Mark();
  readonly #goodbye = new Mark();

  constructor(limits: NbdLimits) {
    this.#limits = limits;
  }

  /** Why the client is to be dropped, or null. */
  check(nowMs: number, watched: WatchedConnection): string | null {
    const { phase, output, isHeldBack, isFinishing } = watched;
    const limits = this.#limits;
    const unsent = output.unsentBytes > 0 ? output.flightsDone : null;
    const flightMs = this.#flight.ageMs(nowMs, unsent);
    if (flightMs > this.#allowedMs(output.oldestFlightBytes))
      return "the client does not take its replies";
    const goodbyeMs = this.#goodbye.ageMs(nowMs, isFinishing ? output.flightsDone : null);
    if (isFinishing) {
      const isLate = unsent === null && goodbyeMs > limits.closeTimeoutMs;
      return isLate ? "the client does not close the connection" : null;
    }
    const inHandshake = phase.name === "handshake" ? 1 : null;
    if (this.#handshake.ageMs(nowMs, inHandshake) > limits.handshakeTimeoutMs)
      return "the handshake takes too long";
    const partial = isHeldBack ? null : phase.partial;
    const messageMs = this.#message.ageMs(nowMs, partial?.serial ?? null);
    if (partial !== null && messageMs > this.#allowedMs(partial.bytes))
      return "the client stopped in the middle of a message";
    const isQuiet = limits.idleTimeoutMs > 0 && phase.isIdle && unsent === null;
    const idleMs = this.#idle.ageMs(nowMs, isQuiet ? phase.messages : null);
    if (idleMs > limits.idleTimeoutMs && isQuiet) return "the client was idle for too long";
    return null;
  }

  #allowedMs(bytes: number): number {
    const { stallTimeoutMs, slowestBytesPerSecond } = this.#limits;
    return stallTimeoutMs + (bytes / slowestBytesPerSecond) * 1000;
  }
}
