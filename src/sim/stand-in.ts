/** Stand-ins: the same object but for some of its properties, for mutants that put something else in a part's place. */
import type { Member } from "../md/running/member.ts";
import { Members } from "../md/running/members.ts";

/** What the real one does by itself it does with its own properties. */
export function standIn<T extends object>(real: T, instead: Partial<T>): T {
  return new Proxy(real, {
    get(target, name) {
      if (Object.hasOwn(instead, name)) return Reflect.get(instead, name) as unknown;
      return own(target, name);
    },
    set: (target, name, value) => Reflect.set(target, name, value, target),
  });
}

function own(target: object, name: string | symbol): unknown {
  const value = Reflect.get(target, name, target) as unknown;
  return typeof value === "function" ? (value.bind(target) as unknown) : value;
}

const reals = new WeakMap<Member, Member>();

/** Members that are shown to be something else than they are. */
export function shown(real: Member, instead: Partial<Member>): Member {
  const member = standIn(real, instead);
  reals.set(member, real);
  return member;
}

/** The one behind a stand-in. */
export function behind(member: Member): Member {
  return reals.get(member) ?? member;
}

/** The members of an array as somebody sees them who looks through `view`. It is asked again each time: they come and go. */
export function seenThrough(
  real: Members,
  view: (attached: readonly Member[]) => readonly Member[],
): Members {
  return new Proxy(real, {
    get: (target, name) =>
      own(
        name === "attach" || name === "detach"
          ? target
          : new Members(target.slots, view(target.attached)),
        name,
      ),
  });
}
