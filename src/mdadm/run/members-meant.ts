/** Words that stand for several members: faulty, failed, detached, set-A. */
import type { ArrayView, MemberView } from "../../md/view/array-view.ts";
import { isThere } from "./probe.ts";
import type { Session } from "./session.ts";

async function isDetached(session: Session, { path }: MemberView): Promise<boolean> {
  if (path === null) return true;
  if (/^[a-z+]+:\/\//.test(path)) return false;
  return !(await isThere(session, path));
}

/** One set of copies of a raid10 with near copies: what the same place in each group of them makes. */
function inSet(
  { level, layout, raidDisks }: ArrayView,
  letter: string,
  member: MemberView,
): boolean {
  const near = layout & 0xff;
  const isPlain = level === 10 && (layout & ~0xff) === 0x100;
  if (!isPlain || near < 2 || raidDisks % near !== 0 || member.slot === null) return false;
  return member.slot % near === letter.codePointAt(0)! - 65;
}

export async function membersMeant(
  session: Session,
  array: string,
  word: string,
): Promise<MemberView[]> {
  const view = await (await session.host()).array(array);
  if (word === "faulty" || word === "failed") return view.members.filter(({ faulty }) => faulty);
  if (word.startsWith("set-"))
    return view.members.filter((member) => inSet(view, word.slice(4), member));
  const detached: MemberView[] = [];
  for (const member of view.members) if (await isDetached(session, member)) detached.push(member);
  return detached;
}
