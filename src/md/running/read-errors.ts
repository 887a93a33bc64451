/**
 * Read errors of members that were made good from the others: how many are too many. One rule for all levels, that of kernels for mirrors
 * (exceed_read_errors in drivers/md): each full hour since the last one halves the count, and more than the array allows
 * are the end of the member. Nobody leaves for it who cannot be missed: a disk with bad sectors is better than none.
 */
import { HoldfastError } from "../../base/errors.ts";
import { ignore } from "../../base/nothing.ts";
import type { Clock } from "../../env/env.ts";
import type { ArrayCore } from "./core.ts";
import type { Member } from "./member.ts";

const HOUR_MS = 3_600_000;

/** Of one member. */
class Count {
  #errors = 0;
  #lastMs: number | null = null;
  readonly #counted = new WeakSet<object>();

  /** Counts one; how many there are then. */
  add(clock: Clock, request: object): number {
    if (this.#counted.has(request)) return this.#errors;
    this.#counted.add(request);
    const nowMs = clock.monotonicMs();
    if (this.#lastMs !== null) {
      const hours = Math.floor((nowMs - this.#lastMs) / HOUR_MS);
      this.#errors = Math.floor(this.#errors / 2 ** Math.min(hours, 32));
    }
    this.#lastMs = nowMs;
    this.#errors += 1;
    return this.#errors;
  }
}

export class ReadErrors {
  readonly #core: ArrayCore;
  readonly #counts = new WeakMap<Member, Count>();

  constructor(core: ArrayCore) {
    this.#core = core;
  }

  /**
   * Counts a read error of the member. True: it was one too many, and the member has failed.
   * @param request a long read that is done again in parts, which fail again, is one error: whatever stands for the whole of it
   */
  areTooMany(member: Member, request: object, why: HoldfastError): boolean {
    const { clock, settings } = this.#core;
    const count = this.#counts.get(member) ?? new Count();
    this.#counts.set(member, count);
    if (count.add(clock, request) <= settings.maxReadErrors) return false;
    if (!this.#core.canMiss(member)) return false;
    const text = `${member.label} has had more than ${settings.maxReadErrors} read errors (last: ${why.message})`;
    this.#core.memberFailed(member, new HoldfastError("io", text, { cause: why }), ignore);
    return true;
  }
}
