/**
 * Which of several equal copies to read: the one that costs its disk least.
 *
 * - A read that goes on where the last one of a member stopped stays there: the disk is in place, and its read-ahead is of use.
 * - Else the member with the fewest reads under way.
 * - Among equals the first: one client that waits for each answer then reads one copy, which the page cache holds once, not
 *   every copy in turn; and a copy made piece by piece comes from one member.
 *
 * (Of the kernel's choice, in drivers/md/raid1.c and raid10.c, the distance of the heads is left out: images and
 * flash have none.)
 */

/** Better than any number of reads under way. */
const IN_SEQUENCE = -1;

export class ReadBalance {
  /** By slot: reads under way. */
  readonly #pending: number[];
  /** By slot: the member sector behind the last read. */
  readonly #next: number[];

  constructor(slots: number) {
    this.#pending = Array.from({ length: slots }, () => 0);
    this.#next = Array.from({ length: slots }, () => 0);
  }

  /** The lower, the better. At most the number of reads under way. */
  cost(slot: number, memberSector: number): number {
    return this.#next[slot] === memberSector ? IN_SEQUENCE : this.#pending[slot]!;
  }

  started(slot: number, memberSector: number, sectors: number): void {
    this.#pending[slot] = this.#pending[slot]! + 1;
    this.#next[slot] = memberSector + sectors;
  }

  ended(slot: number): void {
    this.#pending[slot] = this.#pending[slot]! - 1;
  }
}
