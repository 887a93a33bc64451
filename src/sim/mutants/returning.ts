/** Members that come back, and are filled. */
import type { Rejoin, RejoinRequest } from "../../md/running/rejoin.ts";
import { makeLevel } from "../../md/running/levels/make.ts";
import type { ArrayCore } from "../../md/running/core.ts";
import type { ArrayParts } from "../../md/running/parts.ts";
import type { Mutant } from "../mutant.ts";
import { standIn } from "../stand-in.ts";
import { changedOps, coreSeenThrough } from "./cores.ts";
import { unread } from "./devices.ts";

function slotOf({ candidate, array }: RejoinRequest): number | null {
  const { role } = candidate.superblock;
  if (role.kind !== "active" || array.members.at(role.slot).member !== null) return null;
  return role.slot;
}

const isFullSlow = ({ members }: ArrayCore): boolean =>
  members.attached.every(({ isInSync, writeMostly }) => !isInSync || writeMostly);

/** Recovery takes what cannot be read as it is in the buffer. */
function fillsWithGarbage(): Partial<ArrayParts> {
  return {
    level: (core, geometry, shape, log) => {
      const blind = coreSeenThrough(core, ({ device }) => ({ device: unread(device, () => true) }));
      const apart = makeLevel(blind, geometry, shape, null);
      const level = makeLevel(core, geometry, shape, log);
      return standIn(level, {
        syncWork: (action) => (action === "recover" ? apart : level).syncWork(action),
      });
    },
  };
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
    origin: "dm-devel: device failure tolerance of dm-mirror",
    scenario: "returns",
    parts: () =>
      changedOps("read", (core) =>
        coreSeenThrough(core, (member) =>
          member.standing.kind === "recovering" ? { goodEnd: Infinity } : null,
        ),
      ),
  },
  {
    name: "read-instead-of-slow",
    about: "who is being filled is read as if it were full when only a slow member is",
    law: 3,
    origin: "c916ca35308d: a degraded array with a slow disk",
    scenario: "slow-only",
    parts: () =>
      changedOps("read", (core) =>
        coreSeenThrough(core, (member) =>
          member.standing.kind === "recovering" && isFullSlow(core) ? { goodEnd: Infinity } : null,
        ),
      ),
  },
  {
    name: "replaced-by-garbage",
    about: "a replacement is filled with what was in the buffer when its original has failed",
    law: 3,
    origin: "md/raid5: corruption of replacements after originals dropped",
    scenario: "replacement-dropped",
    parts: () => fillsWithGarbage(),
  },
  {
    name: "writes-miss-recovering",
    about: "who is being filled gets no writes, also where it has been filled already",
    law: 3,
    origin: null,
    scenario: "recovery",
    parts: () =>
      changedOps("write", (core) =>
        coreSeenThrough(core, (member) =>
          member.standing.kind === "recovering"
            ? { standing: { kind: "spare" }, slot: null }
            : null,
        ),
      ),
  },
  {
    name: "writes-miss-replacement",
    about: "a replacement gets no writes, also where it has been filled already",
    law: 3,
    origin: "e7c0c3fa2928: raid10 loses writes when a replacement completes",
    scenario: "replacement",
    parts: () =>
      changedOps("write", (core) =>
        coreSeenThrough(core, (member) =>
          member.isReplacement ? { standing: { kind: "spare" }, slot: null } : null,
        ),
      ),
  },
];
