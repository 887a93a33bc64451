/**
 * World: virtual time, and the one seed of all chance. One event happens at a time, then all promises that follow from it are kept, then
 * the next: nothing depends on how fast the machine is that simulates.
 */
import { HoldfastError } from "../base/errors.ts";
import { Prng } from "../base/prng.ts";
import { EventQueue } from "./events.ts";
import type { SimEvent } from "./events.ts";
import { pump } from "./pump.ts";

/** 2026-01-01: what superblocks tell of a run is the same in each. */
const START_MS = 1_767_225_600_000;

export interface LogLine {
  readonly atUs: number;
  readonly text: string;
}

export class World {
  readonly seed: number;
  readonly log: LogLine[] = [];
  readonly #events = new EventQueue();
  #nowUs = 0;
  #count = 0;

  constructor(seed: number) {
    this.seed = seed;
  }

  get nowUs(): number {
    return this.#nowUs;
  }

  /** So far. */
  get events(): number {
    return this.#count;
  }

  get wallMs(): number {
    return START_MS + this.#nowUs / 1000;
  }

  /** Chance of its own for each part of a run: leaving out what one does leaves the others' luck as it was. */
  prng(part: string): Prng {
    let hash = 0x811c9dc5 ^ this.seed;
    for (let at = 0; at < part.length; at += 1)
      hash = Math.imul(hash ^ part.charCodeAt(at), 0x01000193);
    return new Prng((hash ^ (hash >>> 15)) >>> 0);
  }

  say(text: string): void {
    this.log.push({ atUs: this.#nowUs, text });
  }

  after(delayUs: number, happen: () => void): SimEvent {
    return this.#events.add(this.#nowUs + Math.max(0, delayUs), happen);
  }

  /** One event. False: nothing is planned. */
  #step(): boolean {
    const event = this.#events.take();
    if (event === null) return false;
    this.#nowUs = event.atUs;
    this.#count += 1;
    event.happen!();
    return true;
  }

  /** As many events as that, or fewer if nothing is planned any more. */
  async steps(count: number): Promise<void> {
    let left = count;
    if (left > 0) await pump(() => (left -= 1) >= 0 && this.#step());
  }

  /** All that is planned up to then happens. */
  pass(us: number): Promise<void> {
    let isOver = false;
    this.after(us, () => {
      isOver = true;
    });
    return pump(() => !isOver && this.#step());
  }

  /**
   * Goes on until the promise is settled.
   * @throws HoldfastError `timeout` if it is not after so many events, or if nothing is planned any more: it never will be
   */
  async until<T>(what: string, promise: Promise<T>, mostEvents = 200_000): Promise<T> {
    let isSettled = false;
    const settle = (): void => {
      isSettled = true;
    };
    promise.then(settle, settle);
    let left = mostEvents;
    await pump(() => !isSettled && (left -= 1) >= 0 && this.#step());
    if (isSettled) return promise;
    throw new HoldfastError("timeout", `${what} never ends`);
  }
}
