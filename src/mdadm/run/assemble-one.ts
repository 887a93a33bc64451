/** One array from its members: hands them to the host and says what became of it. */
import { HoldfastError } from "../../base/errors.ts";
import type {
  ArrayNames,
  AssembleOutcome,
  AssemblyMode,
  AssemblyUpdate,
} from "../../host/array-host.ts";
import { alreadyBegun } from "./assemble-merge.ts";
import type { Begun } from "./assemble-merge.ts";
import { assemblyText } from "./assembly-text.ts";
import type { Candidate } from "./probe.ts";
import type { Session } from "./session.ts";

export interface OneAssembly {
  readonly names: ArrayNames;
  /** The name to say; null: the one that it gets. */
  readonly shown: string | null;
  readonly members: readonly Candidate[];
  readonly mode: AssemblyMode;
  readonly run: boolean;
  readonly noDegraded: boolean;
  readonly update: AssemblyUpdate | null;
}

function isDirty(members: readonly Candidate[]): boolean {
  const newest = members
    .map(({ superblock }) => superblock)
    .toSorted((a, b) => b.events - a.events)[0];
  return newest !== undefined && newest.resyncOffsetSectors < Infinity && newest.ppl === null;
}

function presentSlots(
  members: readonly Candidate[],
  { array, leftOut }: AssembleOutcome,
): boolean[] {
  const out = new Set(leftOut.map(({ path }) => path));
  const good = members.filter(
    ({ absolute, superblock }) =>
      !out.has(absolute) && superblock.recoveryOffsetSectors === Infinity,
  );
  const roles = good.map(({ superblock }) => superblock.role);
  return Array.from({ length: array.raidDisks }, (_unused, slot) =>
    roles.some((role) => role.kind === "active" && role.slot === slot),
  );
}

function tellSlots(session: Session, name: string, members: readonly Candidate[]): void {
  for (const { path, superblock } of members) {
    const { role } = superblock;
    const slot = role.kind === "active" ? `slot ${role.slot}` : role.kind;
    session.detail(`${path} is identified as a member of ${name}, ${slot}.`);
  }
}

/** What did not take part, and what was done by force. */
function tellRemarks(session: Session, outcome: AssembleOutcome): void {
  if (session.isQuiet) return;
  for (const { path, why } of outcome.leftOut) session.warn(`ignoring ${path}: ${why}`);
  for (const sentence of outcome.forced) session.warn(sentence);
}

/** With those that are held already in front: of two that claim a place they are preferred. */
async function merged(
  session: Session,
  one: OneAssembly,
  { array, members }: Extract<Begun, { kind: "inactive" }>,
): Promise<OneAssembly> {
  const { kernelName, path } = array;
  if (session.isVerbose || one.shown !== path)
    session.warn(`Merging with already-assembled ${path}`);
  // Nothing was written to them: until they are assembled they are nobody's.
  await (await session.host()).stop({ array: kernelName, force: false });
  return {
    ...one,
    names: { kernelName, path },
    shown: path,
    members: [...members, ...one.members],
  };
}

export async function assembleOne(session: Session, one: OneAssembly): Promise<number> {
  // With another UUID it is another array.
  const begun: Begun =
    one.update?.kind === "uuid"
      ? { kind: "none" }
      : await alreadyBegun(session, one.members[0]!.superblock.arrayUuid);
  switch (begun.kind) {
    case "none":
      return assembleMembers(session, one, true);
    case "inactive":
      return assembleMembers(session, await merged(session, one, begun), false);
    case "running":
      session.warn(`Found some drive for an array that is already active: ${begun.array.path}`);
      return session.refuse(1, "giving up.");
  }
}

/** @param isNew what cannot be started is let go again */
async function assembleMembers(
  session: Session,
  one: OneAssembly,
  isNew: boolean,
): Promise<number> {
  const host = await session.host();
  const { members, names, mode, run, noDegraded, update } = one;
  if (one.shown !== null) tellSlots(session, one.shown, members);
  let outcome: AssembleOutcome;
  try {
    outcome = await host.assemble({
      names,
      devices: members.map(({ absolute }) => absolute),
      mode,
      force: session.common.force,
      run,
      noDegraded,
      update,
    });
  } catch (thrown) {
    if (!(thrown instanceof HoldfastError)) throw thrown;
    return session.refuse(1, thrown.message);
  }
  session.result(outcome);
  tellRemarks(session, outcome);
  const name = one.shown ?? outcome.array.path;
  const present = presentSlots(members, outcome);
  const facts = { isDirty: isDirty(members), noDegraded, present };
  const { text, isStarted } = assemblyText(name, outcome, facts);
  if (isStarted) {
    session.info(text);
    return 0;
  }
  session.warn(text);
  // What was put together for this and is not to run is in nobody's way.
  if (isNew) await host.stop({ array: outcome.array.kernelName, force: false });
  return noDegraded ? 0 : 1;
}
