/**
 * The legs of a mirror: who is in use, who is read, and who is the default mirror, which has everything while others may not.
 *
 *   in use ----> lost         a write, a flush or a copy to it failed: neither read nor written any more, until the table is loaded again
 *     | a read failed
 *     v
 *   in use, read last         its data are as good as the others', as far as they can be read
 *
 * A leg that was lost when the log was written last, and is there again, is returning: written from the start, and read when everything
 * that it may have missed was copied to it (law 3).
 */
import type { RecordedMirrors } from "../../../formats/dm-log.ts";
import type { TargetDevice } from "../../target.ts";

export type LegError = "flush" | "write" | "sync" | "read";

export interface LegPlace {
  readonly on: TargetDevice;
  readonly offset: number;
}

export interface Leg extends LegPlace {
  readonly index: number;
  readonly errors: Set<LegError>;
  isInUse: boolean;
  isReturning: boolean;
}

/** So many reads go to one leg before the next one has its turn: neighbours are often read one after the other. */
const READS_A_TURN = 128;

/** The worst of a leg's errors, as `dmsetup status` shows it. */
const CHARS: readonly (readonly [LegError, string])[] = [
  ["flush", "F"],
  ["write", "D"],
  ["sync", "S"],
  ["read", "R"],
];

export class Legs {
  readonly all: readonly Leg[];
  #inUse: readonly Leg[];
  #default: Leg;
  #turn = 0;
  #readsLeft = READS_A_TURN;

  constructor(legs: readonly LegPlace[]) {
    this.all = legs.map(({ on, offset }, index) => ({
      index,
      on,
      offset,
      errors: new Set<LegError>(),
      isInUse: true,
      isReturning: false,
    }));
    this.#inUse = this.all;
    this.#default = this.all[0]!;
  }

  get inUse(): readonly Leg[] {
    return this.#inUse;
  }

  get default(): Leg {
    return this.#default;
  }

  /** No leg is missing. */
  get isWhole(): boolean {
    return this.#inUse.length === this.all.length;
  }

  /** As the log said when it was opened. */
  take({ defaultMirror, failed }: RecordedMirrors): void {
    this.#default = this.all[defaultMirror]!;
    for (const leg of this.all) leg.isReturning = leg !== this.#default && failed.has(leg.index);
  }

  /** Everybody has everything. */
  allAlike(): void {
    for (const leg of this.all) leg.isReturning = false;
    this.#default = this.#inUse[0]!;
  }

  get isAnyReturning(): boolean {
    return this.all.some((leg) => leg.isReturning);
  }

  /** @param mayMove others have everything too: somebody else becomes the default mirror if it is lost */
  lose(lost: readonly Leg[], mayMove: boolean): void {
    for (const leg of lost) leg.isInUse = false;
    this.#inUse = this.all.filter((leg) => leg.isInUse);
    if (!this.#default.isInUse && mayMove) this.#default = this.#inUse[0]!;
  }

  /** What is to be recorded; null: nobody is missing, and leg 0 is the default mirror. */
  get record(): RecordedMirrors | null {
    const failed = new Set(
      this.all.filter((leg) => !leg.isInUse || leg.isReturning).map((leg) => leg.index),
    );
    return failed.size === 0 && this.#default.index === 0
      ? null
      : { defaultMirror: this.#default.index, failed };
  }

  /**
   * Who is to be read; null: nobody is left. @param isAlike all legs in use hold the same there
   * @param tried bit n: leg n was tried in vain
   */
  choose(isAlike: boolean, tried: number): Leg | null {
    if (!isAlike) return isUntried(this.#default, tried) ? this.#default : null;
    for (let step = 0; step < this.all.length; step += 1) {
      const leg = this.all[(this.#turn + step) % this.all.length]!;
      if (leg.errors.size > 0 || !isReadable(leg) || !isUntried(leg, tried)) continue;
      this.#count(leg);
      return leg;
    }
    return this.all.find((leg) => isReadable(leg) && isUntried(leg, tried)) ?? null;
  }

  #count(leg: Leg): void {
    if (leg.index !== this.#turn) this.#readsLeft = READS_A_TURN;
    this.#turn = leg.index;
    this.#readsLeft -= 1;
    if (this.#readsLeft > 0) return;
    this.#turn = (leg.index + 1) % this.all.length;
    this.#readsLeft = READS_A_TURN;
  }

  /** One character a leg. */
  get chars(): string {
    return this.all
      .map(({ errors }) => CHARS.find(([error]) => errors.has(error))?.[1] ?? "A")
      .join("");
  }
}

function isReadable(leg: Leg): boolean {
  return leg.isInUse && !leg.isReturning;
}

function isUntried(leg: Leg, tried: number): boolean {
  return (tried & (1 << leg.index)) === 0;
}
