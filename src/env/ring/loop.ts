/**
 * Drives a ring inside a thread's Node event loop.
 *
 *                 something completes, or is started
 *      idle  ------------------------------------------>  busy: a turn after each round of Node's loop
 *   Node's loop  <------------------------------------   submit and wait a little, handle the batch, submit what it made
 *   watches the signal    nothing came within LINGER_MS
 *
 * While busy the thread waits in the ring, where waking up is cheapest, and gives Node's loop one round after each batch:
 * promises, timers, messages and Node's own sockets are served at once while there is traffic, and at most LINGER_MS
 * late when it stops. While idle the thread waits in Node's loop, which watches the ring's signal: so no
 * wake-up from other threads is needed, signals are seen and `process.exit` does not hang, as they would with a
 * thread that stays in the ring. Nothing is polled.
 *
 * The process is kept alive while somebody holds the loop or operations are busy, as Node does for its own.
 */
import type { Kernel } from "./kernel.ts";
import type { Operation } from "./operation.ts";
import type { Ring } from "./ring.ts";
import { Signal } from "./signal.ts";

/** The longest that Node's loop is held up. */
const LINGER_MS = 0.5;
/** Rounds of submit and reap before Node's loop gets its turn. */
const MAX_ROUNDS = 3;
/** Completions before their calls return that may be nested in each other. */
const MAX_DEPTH = 16;

/** Has something to do before the next submission. */
export interface Flushed {
  /** It is in the list already. */
  isDirty: boolean;
  flush(): void;
}

/** Open rings: what the kernel may write to must not be collected, whoever forgot the ring. */
const openLoops = new Set<RingLoop>();

export class RingLoop {
  readonly system: Kernel;
  readonly ring: Ring;
  readonly #signal: Signal;
  #isInTurn = false;
  #isScheduled = false;
  #isHot = false;
  #holds = 0;
  #isKept = false;
  #depth = 0;
  #stopped: (() => void) | null = null;
  readonly #dirty: Flushed[] = [];
  readonly #later: (() => void)[] = [];

  /** Takes the ring over. @throws Error when it cannot be watched */
  constructor(system: Kernel, ring: Ring) {
    this.system = system;
    this.ring = ring;
    this.#signal = new Signal(system, () => this.#schedule());
    const result = ring.signalTo(this.#signal.descriptor);
    if (result < 0) {
      this.#signal.close();
      throw new Error(`the ring takes no eventfd (errno ${-result})`);
    }
    openLoops.add(this);
  }

  start(operation: Operation): void {
    this.ring.start(operation);
    this.#schedule();
  }

  cancel(operation: Operation): void {
    this.ring.cancel(operation);
    this.#schedule();
  }

  /** Has `flush` called before the next submission. */
  touch(one: Flushed): void {
    if (one.isDirty) return;
    one.isDirty = true;
    this.#dirty.push(one);
    this.#schedule();
  }

  /** Calls it in the next turn. */
  defer(call: () => void): void {
    this.#later.push(call);
    this.#schedule();
  }

  /** Before a completion inside the call that asked for it. False: so many are nested that it has to be deferred. */
  nest(): boolean {
    if (this.#depth >= MAX_DEPTH) return false;
    this.#depth += 1;
    return true;
  }

  /** After `nest` that was true. */
  unnest(): void {
    this.#depth -= 1;
  }

  /** Keeps the process alive until `release`. */
  hold(): void {
    this.#holds += 1;
    this.#keepAlive();
  }

  release(): void {
    this.#holds -= 1;
    this.#keepAlive();
    if (this.#stopped !== null) this.#schedule();
  }

  /** Gives the ring back once nothing is busy and nobody holds the loop. */
  stop(): Promise<void> {
    return new Promise((resolve) => {
      this.#stopped = resolve;
      this.#schedule();
    });
  }

  #closeIfStopped(): void {
    if (this.#stopped === null || this.#holds > 0 || this.ring.busy > 0 || this.#hasWork) return;
    this.ring.close();
    this.#signal.close();
    openLoops.delete(this);
    this.#stopped();
  }

  #schedule(): void {
    if (this.#isScheduled || this.#isInTurn || this.ring.isClosed) return;
    this.#isScheduled = true;
    setImmediate(this.#turn);
  }

  readonly #turn = (): void => {
    this.#isScheduled = false;
    if (this.ring.isClosed) return;
    this.#isInTurn = true;
    let completions = 1;
    try {
      completions = this.#rounds();
      if (this.#isHot && completions === 0) completions = this.#coolDown();
    } finally {
      this.#isInTurn = false;
      this.#afterTurn(completions);
    }
  };

  /** Returns how many completions there were. */
  #rounds(): number {
    let total = 0;
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      this.#flush();
      const isFirst = round === 0;
      if (!isFirst && this.ring.unsubmitted === 0 && !this.ring.hasCompletions) break;
      const mayWait = isFirst && this.#isHot && !this.#hasWork;
      this.ring.submitAndWait(mayWait ? LINGER_MS : 0);
      const count = this.ring.reap();
      total += count;
    }
    return total;
  }

  /** Turns the signals on, and looks for what came before they were. */
  #coolDown(): number {
    this.#isHot = false;
    this.ring.setSignals(true);
    this.ring.submitAndWait(0);
    return this.ring.reap();
  }

  #afterTurn(completions: number): void {
    this.#closeIfStopped();
    if (this.ring.isClosed) return;
    if (!this.#isHot && completions > 0 && this.ring.busy > 0) {
      this.#isHot = true;
      this.ring.setSignals(false);
    }
    const { hasCompletions, unsubmitted } = this.ring;
    if (this.#isHot || this.#hasWork || hasCompletions || unsubmitted > 0) this.#schedule();
  }

  get #hasWork(): boolean {
    return this.#dirty.length > 0 || this.#later.length > 0;
  }

  /** What comes up meanwhile is for the next round, so that Node's loop gets its turn. */
  #flush(): void {
    for (let left = this.#later.length; left > 0; left -= 1) this.#later.shift()!();
    for (let left = this.#dirty.length; left > 0; left -= 1) {
      const one = this.#dirty.shift()!;
      one.isDirty = false;
      one.flush();
    }
  }

  #keepAlive(): void {
    const isNeeded = this.#holds > 0;
    if (isNeeded === this.#isKept) return;
    this.#isKept = isNeeded;
    this.#signal.keepAlive(isNeeded);
  }
}
