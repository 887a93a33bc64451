/**
 * Flushing the members of an array. A flush that comes while one is under way waits for the next, which counts for all that have come
 * by then: it starts after them, and that is all that a flush promises.
 *
 * 1 what clients were told of is on the members (write-behind), 2 the members are flushed: in between a crash loses what nobody was promised.
 */
import { fanOut } from "../../block/fan-out.ts";
import { flushBio } from "../../block/bio.ts";
import type { BioEnd } from "../../block/bio.ts";
import type { HoldfastError } from "../../base/errors.ts";
import type { Member } from "./member.ts";
import type { Members } from "./members.ts";

/** A member could not be flushed; `recorded` as in ArrayCore.memberFailed. */
export type FlushFailed = (member: Member, why: HoldfastError, recorded: BioEnd) => void;

export class MemberFlush {
  readonly #members: Members;
  readonly #failed: FlushFailed;
  /** Calls `through` when what was acknowledged has been written; at once where that is always so. */
  readonly #whenThrough: (through: () => void) => void;
  #isUnderWay = false;
  #waiting: BioEnd[] = [];

  constructor(
    members: Members,
    failed: FlushFailed,
    whenThrough: (through: () => void) => void = (through) => through(),
  ) {
    this.#members = members;
    this.#failed = failed;
    this.#whenThrough = whenThrough;
  }

  /** `end` when all members in slots have on stable storage what had been written to them before, or are out of the array. */
  flush(end: BioEnd): void {
    this.#waiting.push(end);
    if (!this.#isUnderWay) this.#start();
  }

  #start(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#isUnderWay = true;
    const flushed: BioEnd = (error) => {
      this.#isUnderWay = false;
      // First the next one is started: whoever is told may ask again.
      if (this.#waiting.length > 0) this.#start();
      for (const end of waiting) end(error);
    };
    this.#whenThrough(() => this.#flushAll(flushed));
  }

  #flushAll(end: BioEnd): void {
    const targets = this.#members.attached.filter(({ slot }) => slot !== null);
    if (targets.length === 0) {
      end(null);
      return;
    }
    const part = fanOut(targets.length, end);
    for (const member of targets) {
      const ended: BioEnd = (error) => {
        if (error === null) part(null);
        else this.#failed(member, error, part);
      };
      member.device.submit(flushBio(ended));
    }
  }
}
