/** Flushes, and stopping. */
import { ignore } from "../../base/nothing.ts";
import { Bio, BioFlags } from "../../block/bio.ts";
import type { BioEnd } from "../../block/bio.ts";
import { MemberFlush } from "../../md/running/member-flush.ts";
import type { Mutant } from "../mutant.ts";
import { rewritten } from "./devices.ts";

class NoFlush extends MemberFlush {
  override flush(end: BioEnd): void {
    end(null);
  }
}

/** One that comes while another is under way ends with that one. */
class JoinsFlush extends MemberFlush {
  #ends: BioEnd[] | null = null;

  override flush(end: BioEnd): void {
    if (this.#ends !== null) {
      this.#ends.push(end);
      return;
    }
    this.#ends = [end];
    super.flush((error) => {
      const ends = this.#ends!;
      this.#ends = null;
      for (const each of ends) each(error);
    });
  }
}

export const FLUSH_MUTANTS: readonly Mutant[] = [
  {
    name: "flush-is-nothing",
    about: "a flush is answered, and no member was flushed",
    law: 8,
    origin: null,
    scenario: "durable",
    parts: () => ({ flush: (...options) => new NoFlush(...options) }),
  },
  {
    name: "flush-joins",
    about: "a flush that comes while another is under way ends with that one",
    law: 8,
    origin: null,
    scenario: "durable",
    parts: () => ({ flush: (...options) => new JoinsFlush(...options) }),
  },
  {
    name: "flush-failure-ignored",
    about: "a member that could not be flushed stays, and the flush succeeds",
    law: 8,
    origin: "62ce0782bbac: child flushes do not affect the status of the flush",
    scenario: "phoenix",
    parts: () => ({
      flush: (members, _failed, through) =>
        new MemberFlush(members, (_member, _why, recorded) => recorded(null), through),
    }),
  },
  {
    name: "answered-early",
    about: "a member's write is answered before the disk has taken it",
    law: 8,
    origin: null,
    scenario: "durable",
    device: (disk) =>
      rewritten(disk, ({ op, sector, sectors, data, flags, end }) => {
        if (op !== "write" || (flags & BioFlags.fua) !== 0)
          return new Bio(op, sector, sectors, data, flags, end);
        const copy = new Bio(op, sector, sectors, data.slice(), flags, ignore);
        queueMicrotask(() => end(null));
        return copy;
      }),
  },
  {
    name: "stop-does-not-wait",
    about: "stopping does not wait for writes under way",
    law: 7,
    origin: "dm-devel: regressions of the sync thread in 6.7",
    scenario: "stop",
    started: (managed) => {
      const close = managed.close.bind(managed);
      managed.close = () => {
        void close();
        return Promise.resolve();
      };
    },
  },
];
