/**
 * From paths to an array that runs, or that holds its members and waits: who belongs to it, whether it may start, and as what.
 * Facts: docs/kernel/mdadm.md, sections 1.8 and 1.9.
 */
import { HoldfastError, toHoldfastError } from "../base/errors.ts";
import { groupByArray } from "../md/candidate.ts";
import type { JudgedCandidate, MdCandidate } from "../md/candidate.ts";
import { differsInShape } from "../md/judge.ts";
import { planAssembly } from "../md/plan.ts";
import type { AssemblyPlan } from "../md/plan.ts";
import type { AssembleOutcome, AssemblyMode, AssemblyUpdate, LeftOut } from "./array-host.ts";
import type { HostContext } from "./context.ts";
import type { HeldDevice } from "./device-registry.ts";
import { candidateOn } from "./hosted-array.ts";
import { changesUuid } from "./updates.ts";

export interface Gathered {
  readonly held: readonly HeldDevice[];
  readonly candidates: readonly MdCandidate[];
  readonly leftOut: readonly LeftOut[];
}

/**
 * Opens what can be opened, and keeps the members of the array to which the first of them belongs. Who is left out is let go.
 * @throws HoldfastError `cannot-start` when there is not one member
 */
export async function gather(
  context: HostContext,
  paths: readonly string[],
  holder: string,
  mode: AssemblyMode,
  update: AssemblyUpdate | null = null,
): Promise<Gathered> {
  const held: HeldDevice[] = [];
  const candidates: MdCandidate[] = [];
  const leftOut: LeftOut[] = [];
  for (const path of paths) {
    const found = await openCandidate(context, path, holder, mode);
    if ("why" in found) {
      leftOut.push(found);
      continue;
    }
    held.push(found.held);
    candidates.push(found.candidate);
  }
  const [first] = groupByArray(candidates).values();
  const set = first === undefined ? undefined : withUpdated(first, candidates, update);
  if (set === undefined) {
    const reasons = leftOut.map(({ path, why }) => `${path} ${why}`).join("; ");
    throw new HoldfastError(
      "cannot-start",
      `${holder} has no members: ${reasons || "none are given"}`,
    );
  }
  const isOurs = (one: HeldDevice): boolean => set.some(({ device }) => device === one.device);
  for (const one of held.filter((each) => !isOurs(each))) {
    leftOut.push({ path: one.path, why: "belongs to another array" });
    await one.release();
  }
  return { held: held.filter(isOurs), candidates: set, leftOut };
}

/**
 * Who has another UUID, and differs in nothing else, was given it by an update that a crash has stopped: the same update brings them together
 * again. Two arrays made of copies are not taken for one: each of them has devices with the same number.
 */
function withUpdated(
  set: readonly MdCandidate[],
  candidates: readonly MdCandidate[],
  update: AssemblyUpdate | null,
): readonly MdCandidate[] {
  const { superblock: one } = set[0]!;
  if (update === null || !changesUuid(update, one.version)) return set;
  const alike = candidates.filter(
    ({ superblock: each }) =>
      each.version === one.version &&
      each.createdSeconds === one.createdSeconds &&
      each.updatedSeconds === one.updatedSeconds &&
      each.events === one.events &&
      !differsInShape(each, one),
  );
  const numbers = new Set(alike.map(({ superblock }) => superblock.deviceNumber));
  const uuids = new Set(alike.map(({ superblock }) => superblock.arrayUuid));
  return uuids.size === 2 && numbers.size === alike.length ? alike : set;
}

async function openCandidate(
  { registry }: HostContext,
  path: string,
  holder: string,
  mode: AssemblyMode,
): Promise<{ readonly held: HeldDevice; readonly candidate: MdCandidate } | LeftOut> {
  let held: HeldDevice;
  try {
    const readOnly = mode === "read-only" ? "if-need-be" : "no";
    held = await registry.take(path, { holder, readOnly });
  } catch (error) {
    return { path, why: `cannot be opened: ${toHoldfastError(error).message}` };
  }
  try {
    const candidate = await candidateOn(held);
    if (candidate !== null) return { held, candidate };
    await held.release();
    return { path, why: "has no md superblock" };
  } catch (error) {
    await held.release();
    return { path, why: `cannot be read: ${toHoldfastError(error).message}` };
  }
}

/** In the order in which mdadm hands members to a kernel: by slot, spares behind them, and at last the one of the first slot. */
function inOrder({ judged }: AssemblyPlan): JudgedCandidate[] {
  const rank = ({ slot, replacement, candidate }: JudgedCandidate): number =>
    slot === null ? 1e6 + candidate.superblock.deviceNumber : 2 * slot + (replacement ? 1 : 0);
  const ordered = judged.toSorted((a, b) => rank(a) - rank(b));
  const first = ordered.findIndex(({ fate }) => fate === "in-sync" || fate === "recovering");
  const last = ordered.splice(first < 0 ? ordered.length : first, 1);
  return [...ordered, ...last];
}

/** @throws HoldfastError `cannot-start` when not one superblock can be believed */
export function planOf(
  candidates: readonly MdCandidate[],
  force: boolean,
  path: string,
  withoutJournal = false,
): AssemblyPlan {
  const plan = planAssembly(candidates, { force, withoutJournal, backupGiven: false });
  if (plan === null)
    throw new HoldfastError(
      "cannot-start",
      `${path}: all superblocks are damaged (wrong checksum)`,
    );
  return { ...plan, judged: inOrder(plan) };
}

export interface Counts {
  /** Slots with somebody in sync, and those that are being filled. */
  readonly active: number;
  readonly rebuilding: number;
  readonly spares: number;
  readonly hasJournal: boolean;
  /** Slots that had a member when the array last ran. */
  readonly expected: number;
}

export function countsOf({ slots, judged, superblock }: AssemblyPlan): Counts {
  const isInSync = ({ member, replacement }: AssemblyPlan["slots"][number]): boolean =>
    member?.fate === "in-sync" || replacement?.fate === "in-sync";
  const isThere = ({ member, replacement }: AssemblyPlan["slots"][number]): boolean =>
    member !== null || replacement !== null;
  const active = slots.filter(isInSync).length;
  const expected = new Set(
    superblock.roles.flatMap((role) => (role.kind === "active" ? [role.slot] : [])),
  );
  return {
    active,
    rebuilding: slots.filter(isThere).length - active,
    spares: judged.filter(({ fate }) => fate === "spare").length,
    hasJournal: judged.some(({ fate }) => fate === "journal"),
    expected: expected.size,
  };
}

export interface StartWishes {
  readonly force: boolean;
  readonly run: boolean;
  readonly noDegraded: boolean;
}

/** Spares that had just been given a slot: the others' superblocks say so, their own does not yet. They are there, and will be filled. */
function untold({ judged, superblock: { roles } }: AssemblyPlan): number {
  return judged.filter(
    ({ fate, candidate }) =>
      fate === "spare" && roles[candidate.superblock.deviceNumber]?.kind === "active",
  ).length;
}

/** Null: it may be started; else why not, one sentence. */
export function whyNotStarted(plan: AssemblyPlan, wishes: StartWishes): string | null {
  const { verdict, superblock } = plan;
  if (verdict.kind === "needs-force") return `${verdict.reason}; by force: ${verdict.risk}`;
  if (verdict.kind === "cannot-start") return verdict.reason;
  const { active, rebuilding, expected } = countsOf(plan);
  const raidDisks = superblock.shape?.raidDisks ?? 0;
  const present = active + rebuilding + untold(plan);
  if (wishes.noDegraded && present < raidDisks)
    return `${present} of ${raidDisks} members are there, and it is not to be started degraded`;
  if (present < expected && !wishes.run && !wishes.force)
    return `${present} of the ${expected} members with which it last ran are there; it can be run with those`;
  return null;
}

/** Those that are held and have no part in it, with the reason. */
export function strangers({ judged }: AssemblyPlan): LeftOut[] {
  return judged.flatMap(({ fate, note, candidate }) => {
    const isPart =
      fate === "in-sync" || fate === "recovering" || fate === "spare" || fate === "journal";
    return isPart ? [] : [{ path: candidate.path, why: note ?? `is ${fate}` }];
  });
}

export function outcomeOf(
  plan: AssemblyPlan,
  reason: string | null,
  leftOut: readonly LeftOut[],
  array: AssembleOutcome["array"],
): AssembleOutcome {
  const { active, rebuilding, spares, hasJournal } = countsOf(plan);
  return {
    kind: reason === null ? "started" : "inactive",
    reason,
    array,
    active,
    rebuilding,
    spares,
    hasJournal,
    leftOut,
    forced: plan.forced,
  };
}
