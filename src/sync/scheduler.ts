/**
 * Whose turn it is: passes over devices that share a disk run one after the other, in the order in which they came. One scheduler for all
 * devices; who waits is DELAYED.
 */
import { assert } from "../base/assert.ts";

export interface SyncClaim {
  /** What must not be shared, compared by identity. */
  readonly disks: ReadonlySet<unknown>;
  /** It waits for nobody (md: sync_force_parallel); may change while it waits, see `look`. */
  readonly isParallel: boolean;
  /** Called once, perhaps before `enter` returns. */
  granted(): void;
}

interface Entry {
  readonly claim: SyncClaim;
  isGranted: boolean;
}

export class SyncScheduler {
  /** In the order in which they came. */
  #entries: readonly Entry[] = [];

  enter(claim: SyncClaim): void {
    this.#entries = [...this.#entries, { claim, isGranted: false }];
    this.look();
  }

  /** Granted or not. */
  leave(claim: SyncClaim): void {
    const others = this.#entries.filter((one) => one.claim !== claim);
    assert(others.length === this.#entries.length - 1, "who leaves has entered");
    this.#entries = others;
    this.look();
  }

  /** Something may have changed for somebody who waits. */
  look(): void {
    // From the start after each: whoever is granted may leave at once.
    for (let next = this.#nextFree(); next !== undefined; next = this.#nextFree()) {
      next.isGranted = true;
      next.claim.granted();
    }
  }

  #nextFree(): Entry | undefined {
    return this.#entries.find((one, index) => !one.isGranted && this.#isFree(one.claim, index));
  }

  /** Nobody has its disks, and nobody who came earlier waits for one of them. */
  #isFree(claim: SyncClaim, index: number): boolean {
    if (claim.isParallel) return true;
    return !this.#entries.some(
      (other, place) =>
        (other.isGranted || place < index) && isShared(claim.disks, other.claim.disks),
    );
  }
}

function isShared(these: ReadonlySet<unknown>, those: ReadonlySet<unknown>): boolean {
  return [...these].some((disk) => those.has(disk));
}
