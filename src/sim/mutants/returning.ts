/** Members that come back, and are filled. */
import { RangeLock } from "../../block/range-lock.ts";
import type { RangeHold } from "../../block/range-lock.ts";
import { makeLevel } from "../../md/running/levels/make.ts";
import type { Rejoin, RejoinRequest } from "../../md/running/rejoin.ts";
import type { Mutant } from "../mutant.ts";
import { standIn } from "../stand-in.ts";
import { coreSeenThrough } from "./cores.ts";

function slotOf({ candidate, array }: RejoinRequest): number | null {
  const { role } = candidate.superblock;
  if (role.kind !== "active" || array.members.at(role.slot).member !== null) return null;
  return role.slot;
}

/** Gets the whole array at once, whoever is at work in it. */
class NoBarrier extends RangeLock {
  override lock(
    start: number,
    count: number,
    mode: "shared" | "exclusive",
    granted: (hold: RangeHold) => void,
  ): void {
    if (count < Number.MAX_SAFE_INTEGER) super.lock(start, count, mode, granted);
    else super.lock(Number.MAX_SAFE_INTEGER - 1, 1, mode, granted);
  }
}

export const RETURNING_MUTANTS: readonly Mutant[] = [
  {
    name: "returns-by-bitmap",
    about: "whoever comes back is synced by the bitmap, also if bits were cleared since it left",
    law: 3,
    origin: "a0da84f35b25: events_cleared",
    scenario: "returns-late",
    verdict: (verdict: Rejoin, request): Rejoin => {
      const slot = slotOf(request);
      if (verdict.kind === "refused" || slot === null) return verdict;
      return { kind: "by-bitmap", slot };
    },
  },
  {
    name: "read-before-synced",
    about: "a returning member is read as if it were full",
    law: 3,
    origin: "seeds: dm-mirror-device-failure-tolerance",
    scenario: "returns",
    parts: () => ({
      level: (core, geometry, shape, log) => {
        const believing = coreSeenThrough(core, (member) =>
          member.standing.kind === "recovering" ? { goodEnd: Infinity } : null,
        );
        const reads = makeLevel(believing, geometry, shape, null);
        const level = makeLevel(core, geometry, shape, log);
        return standIn(level, {
          run: (bio, end) => (bio.op === "read" ? reads : level).run(bio, end),
        });
      },
    }),
  },
  {
    name: "no-barrier",
    about: "a recovery begins while writes are under way that the new member does not get",
    law: 3,
    origin: "133d4527eab8: flush writes before starting a recovery",
    scenario: "returns",
    parts: () => ({ locks: () => new NoBarrier() }),
  },
  {
    name: "writes-miss-recovering",
    about: "who is being filled gets no writes, also where it has been filled already",
    law: 3,
    origin: null,
    scenario: "recovery",
    parts: () => ({
      level: (core, geometry, shape, log) => {
        const unseen = coreSeenThrough(core, (member) =>
          member.standing.kind === "recovering" ? { standing: { kind: "spare" }, slot: null } : null,
        );
        const writes = makeLevel(unseen, geometry, shape, null);
        const level = makeLevel(core, geometry, shape, log);
        return standIn(level, {
          run: (bio, end) => (bio.op === "write" ? writes : level).run(bio, end),
        });
      },
    }),
  },
  {
    name: "writes-miss-replacement",
    about: "a replacement gets no writes, also where it has been filled already",
    law: 3,
    origin: "e7c0c3fa2928: raid10 loses writes when a replacement completes",
    scenario: "replacement",
    parts: () => ({
      level: (core, geometry, shape, log) => {
        const unseen = coreSeenThrough(core, (member) =>
          member.isReplacement ? { standing: { kind: "spare" }, slot: null } : null,
        );
        const writes = makeLevel(unseen, geometry, shape, null);
        const level = makeLevel(core, geometry, shape, log);
        return standIn(level, {
          run: (bio, end) => (bio.op === "write" ? writes : level).run(bio, end),
        });
      },
    }),
  },
];
