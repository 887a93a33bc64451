/**
 * Drives a ring inside a thread's Node event loop.
 *
 *                 something completes, or is started
 *      idle  ------------------------------------------>  busy: turns of TURN_MS and a little, Node's loop in between
 *   Node's loop  <------------------------------------   round: flush, submit and wait, handle the batch; again
 *   watches the signal    nothing came within LINGER_MS
 *
 * While busy the thread waits in the ring, where waking up is cheapest. A round of Node's loop costs as much as a small request,
 * so it gets one only after each turn: promises, timers, messages and Node's own sockets are late by a turn, which is
 * 1 ms and what one batch takes. What must not be late uses `defer`. Where Node's sockets carry traffic (TLS) it gets one after
 * each batch. While idle the thread waits in Node's loop, which watches the ring's signal: so no
 * wake-up from other threads is needed, signals are seen and `process.exit` does not hang, as they would with a
 * thread that stays in the ring. Before it sleeps in the ring it looks for a moment, if that has been worth while (polling.ts).
 *
 * The process is kept alive while somebody holds the loop or operations are busy, as Node does for its own.
 */
import { nodeClock } from "../node/clock.ts";
import type { Kernel } from "./kernel.ts";
import type { Operation } from "./operation.ts";
import type { Ring } from "./ring.ts";
import { Polling } from "./polling.ts";
import { Signal } from "./signal.ts";

/** Without a completion for so long, the thread goes back to Node's loop. */
const LINGER_MS = 0.5;
/** No more waiting in the ring after so long: so Node's loop is held up for the sum of both, and the last batch. */
const TURN_MS = 0.5;
/** Completions before their calls return that may be nested in each other. */
const MAX_DEPTH = 16;

/** Has something to do before the next submission. */
export interface Flushed {
  /** It is in the list already. */
  isDirty: boolean;
  flush(): void;
}

function nothing(): void {}
const CLEAN: Flushed = { isDirty: false, flush: nothing };

/** Open rings: what the kernel may write to must not be collected, whoever forgot the ring. */
const openLoops = new Set<RingLoop>();

export class RingLoop {
  readonly system: Kernel;
  readonly ring: Ring;
  readonly #signal: Signal;
  readonly #polling = new Polling();
  #isInTurn = false;
  #isScheduled = false;
  #isHot = false;
  #holds = 0;
  #isKept = false;
  #depth = 0;
  #stopped: (() => void) | null = null;
  #guests = 0;
  #dirty: Flushed[] = [];
  #later: (() => void)[] = [];
  /** Entries of the two that mean something: lists that shrink and grow would be garbage for each round. */
  #dirtyCount = 0;
  #laterCount = 0;
  /** Take turns with the two. */
  #dirtySpare: Flushed[] = [];
  #laterSpare: (() => void)[] = [];

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

  /** The kernel has it when the call returns: what it does by a thread of its own goes on beside whatever comes next here. */
  startNow(operation: Operation): void {
    this.start(operation);
    this.ring.submitAndWait(0);
  }

  cancel(operation: Operation): void {
    this.ring.cancel(operation);
    this.#schedule();
  }

  /** Has `flush` called before the next submission. */
  touch(one: Flushed): void {
    if (one.isDirty) return;
    one.isDirty = true;
    this.#dirty[this.#dirtyCount] = one;
    this.#dirtyCount += 1;
    this.#schedule();
  }

  /** Calls it in the next turn. */
  defer(call: () => void): void {
    this.#later[this.#laterCount] = call;
    this.#laterCount += 1;
    this.#schedule();
  }

  /** Somebody in this thread does traffic by Node's own sockets: Node's loop has a round after each batch until `guestLeft`. */
  guestCame(): void {
    this.#guests += 1;
  }

  guestLeft(): void {
    this.#guests -= 1;
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
    try {
      if (!this.#rounds()) this.#coolDown();
    } finally {
      this.#isInTurn = false;
      this.#afterTurn();
    }
  };

  /** Goes on until Node's loop is due. False when it waited in vain. */
  #rounds(): boolean {
    const end = nodeClock.monotonicMs() + (this.#guests > 0 ? 0 : TURN_MS);
    for (let isFirst = true; ; isFirst = false) {
      this.#flush();
      const isLast = !isFirst && nodeClock.monotonicMs() >= end;
      const waits = this.#isHot && !this.#hasWork && !isLast;
      if (waits) this.#wait();
      else this.ring.submitAndWait(0);
      const count = this.ring.reap();
      if (count > 0) this.#heatUp();
      else if (!this.#hasWork) return !waits;
      if (isLast) return true;
    }
  }

  /** Looks for a moment before it sleeps, where that has been worth while lately. */
  #wait(): void {
    const { ring } = this;
    if (ring.unsubmitted > 0) {
      ring.submitAndWait(LINGER_MS);
      return;
    }
    const startMs = nodeClock.monotonicMs();
    const untilMs = startMs + this.#polling.ms;
    while (!ring.isStirring && nodeClock.monotonicMs() < untilMs) continue;
    // What stirs becomes a completion first, and then there is nothing to wait for.
    ring.submitAndWait(LINGER_MS);
    this.#polling.waited(nodeClock.monotonicMs() - startMs);
  }

  /** There is traffic: the thread waits in the ring from now on, and nobody has to be waked up. */
  #heatUp(): void {
    if (this.#isHot || this.ring.busy === 0) return;
    this.#isHot = true;
    this.ring.setSignals(false);
  }

  /** Turns the signals on, and looks for what came before they were. */
  #coolDown(): void {
    this.#isHot = false;
    this.ring.setSignals(true);
    this.ring.submitAndWait(0);
    if (this.ring.reap() > 0) this.#heatUp();
  }

  #afterTurn(): void {
    this.#closeIfStopped();
    if (this.ring.isClosed) return;
    const { hasCompletions, unsubmitted } = this.ring;
    if (this.#isHot || this.#hasWork || hasCompletions || unsubmitted > 0) this.#schedule();
  }

  get #hasWork(): boolean {
    return this.#dirtyCount > 0 || this.#laterCount > 0;
  }

  /** What comes up meanwhile is for the next round, so that the kernel gets what there is. */
  #flush(): void {
    const later = this.#later;
    const laterCount = this.#laterCount;
    this.#later = this.#laterSpare;
    this.#laterSpare = later;
    this.#laterCount = 0;
    for (let i = 0; i < laterCount; i += 1) {
      const call = later[i]!;
      later[i] = nothing;
      call();
    }
    const dirty = this.#dirty;
    const dirtyCount = this.#dirtyCount;
    this.#dirty = this.#dirtySpare;
    this.#dirtySpare = dirty;
    this.#dirtyCount = 0;
    for (let i = 0; i < dirtyCount; i += 1) {
      const one = dirty[i]!;
      dirty[i] = CLEAN;
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
