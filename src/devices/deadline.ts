/**
 * A device that must answer in time: for disks and servers that hang. When a request has waited too long, it and all others end with `timeout`,
 * and from then on the device is given up: it is not asked again, whatever it answers later.
 *
 *   asked  ---answer in time--->  ended
 *     |  too late, for this request or for another one
 *     v
 *   ended with `timeout`  ---the answer, some day--->  forgotten
 *
 * A late answer may still write into memory. So reads go to memory that is this device's own and is used again only when the answer
 * has come; what came in time is copied. Writes lend the caller's memory: what a late one puts on a disk that was given up does
 * no harm where whoever keeps the disk knows that it missed the write, but nobody may use the disk again before `whenQuiet`.
 */
import { HoldfastError } from "../base/errors.ts";
import { SECTOR_BYTES } from "../base/units.ts";
import { NO_DATA, ignore } from "../base/nothing.ts";
import { aim, aimParts, dropData, ownBio } from "../block/bio.ts";
import type { Bio, OwnBio } from "../block/bio.ts";
import type { BlockDevice, Extent } from "../block/device.ts";
import { DeviceOver } from "../block/over.ts";
import { LargeMemory } from "../block/large-memory.ts";
import { Pool } from "../block/pool.ts";
import type { Pooled } from "../block/pool.ts";
import type { Clock, Timer, Timers } from "../env/env.ts";

/** Memory that a step keeps for the next read. */
const KEPT_BYTES = 64 * 1024;
/** For longer reads, such as those of background sync: of all devices of a thread. */
const largeMemory = new LargeMemory(16 * 1024 * 1024);

export interface DeadlineOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  /** For any one request, flushes included. */
  readonly timeoutMs: number;
  /** Answers that take longer are counted as slow. */
  readonly slowMs: number;
  /** Called before any request ends for that reason. */
  readonly onGivenUp?: (why: HoldfastError) => void;
}

class Step implements Pooled {
  isSpare = false;
  /** Null: it has ended, and the answer is of no interest. */
  parent: Bio | null = null;
  askedMs = 0;
  /** In the order of asking. */
  previous: Step | null = null;
  next: Step | null = null;
  readonly bio: OwnBio;
  /** Of the last read, as long as it was. */
  #memory: Uint8Array<ArrayBuffer> = NO_DATA;

  constructor(answered: (step: Step, error: HoldfastError | null) => void) {
    this.bio = ownBio((error) => answered(this, error));
  }

  memory(bytes: number): Uint8Array {
    if (this.#memory.length !== bytes)
      this.#memory =
        bytes <= this.#memory.buffer.byteLength
          ? new Uint8Array(this.#memory.buffer, 0, bytes)
          : bytes <= KEPT_BYTES
            ? new Uint8Array(bytes)
            : largeMemory.take(bytes);
    return this.#memory;
  }

  /** It is answered: nobody writes into its memory any more. */
  rest(): void {
    dropData(this.bio);
    if (this.#memory.buffer.byteLength <= KEPT_BYTES) return;
    largeMemory.give(this.#memory.buffer);
    this.#memory = NO_DATA;
  }
}

export class DeadlineDevice extends DeviceOver {
  readonly submitParts?: (bio: Bio) => void;
  readonly #options: DeadlineOptions;
  readonly #steps = new Pool(() => new Step((step, error) => this.#answered(step, error)));
  #oldest: Step | null = null;
  #newest: Step | null = null;
  #timer: Timer | null = null;
  #givenUp: HoldfastError | null = null;
  /** Asked, ended, and not answered. */
  #late = 0;
  #ended: (() => void)[] = [];
  #quiet: (() => void)[] = [];
  #slow = 0;
  #slowestMs = 0;

  /** Closing it closes `inner`, when that has answered all that it was asked. */
  constructor(inner: BlockDevice, options: DeadlineOptions) {
    super(inner);
    this.#options = options;
    if (inner.submitParts !== undefined)
      this.submitParts = (bio) => {
        const step = this.#ask(bio);
        if (step === null) return;
        const { sector, sectors, parts } = bio;
        inner.submitParts!(aimParts(step.bio, sector, sectors, parts));
      };
  }

  /** Null, or why it is not asked any more. */
  get givenUp(): HoldfastError | null {
    return this.#givenUp;
  }

  /** Answers that were slow, and how long the slowest took, ms. */
  get slowness(): { readonly answers: number; readonly slowestMs: number } {
    return { answers: this.#slow, slowestMs: this.#slowestMs };
  }

  /** Resolves when everything that it was asked is answered. */
  whenQuiet(): Promise<void> {
    if (this.#late === 0 && this.#oldest === null) return Promise.resolve();
    return new Promise((resolve) => this.#quiet.push(resolve));
  }

  submit(bio: Bio): void {
    const step = this.#ask(bio);
    if (step === null) return;
    const { op, sector, sectors, flags } = bio;
    const data = op === "read" ? step.memory(sectors * SECTOR_BYTES) : bio.data;
    this.inner.submit(aim(step.bio, op, sector, sectors, data, flags));
  }

  /** Null: the device was given up, and the bio has ended. */
  #ask(bio: Bio): Step | null {
    if (this.#givenUp !== null) {
      bio.end(this.#givenUp);
      return null;
    }
    const step = this.#steps.take();
    step.parent = bio;
    step.askedMs = this.#options.clock.monotonicMs();
    this.#append(step);
    this.#timer ??= this.#arm(this.#options.timeoutMs);
    return step;
  }

  #answered(step: Step, error: HoldfastError | null): void {
    const { parent } = step;
    if (parent === null) {
      this.#late -= 1;
      step.rest();
      this.#steps.give(step);
      this.#tell();
      return;
    }
    this.#unlink(step);
    if (parent.op === "read" && error === null) parent.data.set(step.bio.data);
    const tookMs = this.#options.clock.monotonicMs() - step.askedMs;
    if (tookMs > this.#options.slowMs) this.#slow += 1;
    if (tookMs > this.#slowestMs) this.#slowestMs = tookMs;
    step.parent = null;
    step.rest();
    this.#steps.give(step);
    parent.end(error);
    this.#tell();
  }

  #append(step: Step): void {
    step.previous = this.#newest;
    step.next = null;
    if (this.#newest === null) this.#oldest = step;
    else this.#newest.next = step;
    this.#newest = step;
  }

  #unlink(step: Step): void {
    const { previous, next } = step;
    if (previous === null) this.#oldest = next;
    else previous.next = next;
    if (next === null) this.#newest = previous;
    else next.previous = previous;
    step.previous = null;
    step.next = null;
  }

  /** One timer for all: it is set anew for the oldest when it fires, so that requests that are answered cost none. */
  #arm(delayMs: number): Timer {
    return this.#options.timers.set(delayMs, () => {
      this.#timer = null;
      const { clock, timeoutMs } = this.#options;
      if (this.#oldest === null) return;
      const leftMs = this.#oldest.askedMs + timeoutMs - clock.monotonicMs();
      if (leftMs > 0) this.#timer = this.#arm(leftMs);
      else this.#giveUp(this.#oldest);
    });
  }

  #giveUp({ bio }: Step): void {
    const { timeoutMs, onGivenUp } = this.#options;
    const asked = bio.op === "flush" ? "a flush" : `a ${bio.op} at sector ${bio.sector}`;
    const text = `${this.name} has not answered ${asked} for ${timeoutMs} ms, and is given up`;
    const why = new HoldfastError("timeout", text);
    this.#givenUp = why;
    const parents: Bio[] = [];
    for (let step = this.#oldest; step !== null; step = this.#oldest) {
      this.#unlink(step);
      parents.push(step.parent!);
      step.parent = null;
      this.#late += 1;
    }
    onGivenUp?.(why);
    for (const parent of parents) parent.end(why);
    this.#tell();
  }

  #tell(): void {
    if (this.#oldest !== null) return;
    for (const each of this.#ended.splice(0)) each();
    if (this.#late > 0) return;
    for (const each of this.#quiet.splice(0)) each();
  }

  override extents(sector: number, sectors: number, maxExtents: number): Extent[] {
    if (this.#givenUp !== null) return [{ sector, sectors, kind: "data" }];
    return super.extents(sector, sectors, maxExtents);
  }

  /** Does not wait for answers of a device that was given up. */
  override async close(): Promise<void> {
    if (this.#oldest !== null) await new Promise<void>((ended) => this.#ended.push(ended));
    this.#timer?.cancel();
    this.#timer = null;
    const closing = this.whenQuiet().then(() => this.inner.close());
    if (this.#late === 0) await closing;
    else closing.catch(ignore);
  }
}
