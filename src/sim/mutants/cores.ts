/** The services of an array to its level, changed. */
import type { BioOp } from "../../block/bio.ts";
import { makeLevel } from "../../md/running/levels/make.ts";
import type { ArrayParts } from "../../md/running/parts.ts";
import type { ArrayCore } from "../../md/running/core.ts";
import type { Member } from "../../md/running/member.ts";
import { behind, seenThrough, shown, standIn } from "../stand-in.ts";

/** Its level sees some of the members as something else; null: as it is. What it reports it reports of the real one. */
export function coreSeenThrough(
  core: ArrayCore,
  look: (member: Member) => Partial<Member> | null,
): ArrayCore {
  const seen = new WeakMap<Member, { as: Member; key: string }>();
  const see = (member: Member): Member => {
    const instead = look(member);
    if (instead === null) return member;
    const key = `${member.standing.kind} ${member.slot} ${member.isReplacement}`;
    const known = seen.get(member);
    if (known?.key === key) return known.as;
    const as = shown(member, instead);
    seen.set(member, { as, key });
    return as;
  };
  return coreSeeing(core, see);
}

/** The same, without a memory of its own. */
export function coreSeeing(core: ArrayCore, see: (member: Member) => Member): ArrayCore {
  return standIn(core, {
    members: seenThrough(core.members, (attached) => attached.map(see)),
    canMiss: (member) => core.canMiss(behind(member)),
    memberFailed: (member, why, recorded) => core.memberFailed(behind(member), why, recorded),
    blocksFailed: (member, ...rest) => core.blocksFailed(behind(member), ...rest),
  });
}

/** Reads, or writes, go through a level of their own, to which the core looks otherwise. Not for arrays with a log: that is one for both. */
export function changedOps(op: BioOp, change: (core: ArrayCore) => ArrayCore): Partial<ArrayParts> {
  return {
    level: (core, geometry, shape, log) => {
      const other = makeLevel(change(core), geometry, shape, null);
      const level = makeLevel(core, geometry, shape, log);
      return standIn(level, {
        run: (bio, end) => (bio.op === op ? other : level).run(bio, end),
      });
    },
  };
}
