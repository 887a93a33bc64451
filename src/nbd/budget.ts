/**
 * How much memory payloads may take, over all connections (Budget) and for one (Holding).
 *
 *   a connection holds   [ reserve, always its own ][ taken from the budget ...      ] up to its limit
 *
 * Budget: first come, first served: while anyone waits nobody else is given anything, so a large request is not starved by
 * small ones; a cost above the whole budget is granted when nothing else is held.
 * Holding: the reserve means that clients who hold the whole budget (by not reading their replies, say) cannot stop
 * others from ordinary I/O. One cost at a time may be waited for.
 */
import { assert } from "../base/assert.ts";

export interface BudgetWaiter {
  /** The cost asked for is now held. */
  budgetGranted(): void;
}

export class Budget {
  readonly #limitBytes: number;
  #heldBytes = 0;
  #waiting: { waiter: BudgetWaiter; cost: number }[] = [];
  #granting = false;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** True: held from now on. False: `waiter` is told once it is. */
  take(cost: number, waiter: BudgetWaiter): boolean {
    if (this.#waiting.length === 0 && this.#fits(cost)) {
      this.#heldBytes += cost;
      return true;
    }
    this.#waiting.push({ waiter, cost });
    return false;
  }

  /** Gives up waiting. */
  forget(waiter: BudgetWaiter): void {
    this.#waiting = this.#waiting.filter((entry) => entry.waiter !== waiter);
    this.#grant();
  }

  release(cost: number): void {
    this.#heldBytes -= cost;
    assert(this.#heldBytes >= 0, "no more budget is released than was held");
    this.#grant();
  }

  #fits(cost: number): boolean {
    return this.#heldBytes === 0 || this.#heldBytes + cost <= this.#limitBytes;
  }

  /** A granted waiter may release and take at once; the outermost call goes on granting. */
  #grant(): void {
    if (this.#granting) return;
    this.#granting = true;
    while (this.#waiting.length > 0 && this.#fits(this.#waiting[0]!.cost)) {
      const { waiter, cost } = this.#waiting.shift()!;
      this.#heldBytes += cost;
      waiter.budgetGranted();
    }
    this.#granting = false;
  }
}

/** What is held by all connections together, reserves included. */
export interface HeldGauge {
  heldBytes: number;
  peakHeldBytes: number;
}

type Wait =
  | { readonly kind: "none" }
  /** For this connection's own limit. */
  | { readonly kind: "own"; readonly cost: number }
  /** For the budget: `shared` of the cost are to come from there. */
  | { readonly kind: "budget"; readonly cost: number; readonly shared: number };

const NOT_WAITING: Wait = { kind: "none" };

export class Holding implements BudgetWaiter {
  readonly #budget: Budget;
  readonly #gauge: HeldGauge;
  readonly #reserveBytes: number;
  readonly #limitBytes: number;
  readonly #granted: () => void;
  #heldBytes = 0;
  /** The part of it that is from the budget. */
  #sharedBytes = 0;
  #wait: Wait = NOT_WAITING;

  /** @param granted is called when a `take` that returned false has succeeded */
  constructor(
    budget: Budget,
    gauge: HeldGauge,
    limits: { readonly reserveBytes: number; readonly limitBytes: number },
    granted: () => void,
  ) {
    this.#budget = budget;
    this.#gauge = gauge;
    this.#reserveBytes = limits.reserveBytes;
    this.#limitBytes = limits.limitBytes;
    this.#granted = granted;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** True: held from now on. False: `granted` will be called; nothing else may be taken until then. */
  take(cost: number): boolean {
    assert(this.#wait.kind === "none", "one cost at a time is waited for");
    if (this.#heldBytes > 0 && this.#heldBytes + cost > this.#limitBytes) {
      this.#wait = { kind: "own", cost };
      return false;
    }
    const shared = this.#sharedNeeded(this.#heldBytes + cost) - this.#sharedBytes;
    if (shared > 0) {
      this.#wait = { kind: "budget", cost, shared };
      if (!this.#budget.take(shared, this)) return false;
      this.#wait = NOT_WAITING;
    }
    this.#hold(cost, Math.max(0, shared));
    return true;
  }

  budgetGranted(): void {
    const wait = this.#wait;
    assert(wait.kind === "budget", "only who waits is granted");
    this.#wait = NOT_WAITING;
    this.#hold(wait.cost, wait.shared);
    this.#returnShared();
    this.#granted();
  }

  release(cost: number): void {
    if (cost === 0) return;
    this.#heldBytes -= cost;
    this.#gauge.heldBytes -= cost;
    assert(this.#heldBytes >= 0, "a connection releases what it holds");
    this.#returnShared();
    this.#retry();
  }

  /** Stops waiting; what is held stays held. */
  giveUp(): void {
    const wait = this.#wait;
    this.#wait = NOT_WAITING;
    if (wait.kind === "budget") this.#budget.forget(this);
  }

  #sharedNeeded(held: number): number {
    return Math.max(0, held - this.#reserveBytes);
  }

  #hold(cost: number, shared: number): void {
    this.#heldBytes += cost;
    this.#sharedBytes += shared;
    this.#gauge.heldBytes += cost;
    this.#gauge.peakHeldBytes = Math.max(this.#gauge.peakHeldBytes, this.#gauge.heldBytes);
  }

  #returnShared(): void {
    const surplus = this.#sharedBytes - this.#sharedNeeded(this.#heldBytes);
    if (surplus <= 0) return;
    this.#sharedBytes -= surplus;
    this.#budget.release(surplus);
  }

  /** After a release: the own limit may have room, or the reserve may do without the budget. */
  #retry(): void {
    const wait = this.#wait;
    if (wait.kind === "none") return;
    const fitsReserve = this.#heldBytes + wait.cost <= this.#reserveBytes;
    if (wait.kind === "budget" && !fitsReserve) return;
    this.giveUp();
    if (this.take(wait.cost)) this.#granted();
  }
}
