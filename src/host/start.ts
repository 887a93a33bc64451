/** --assemble and --run: from devices to an array that runs, or waits. */
import { HoldfastError } from "../base/errors.ts";
import { whyOnlyReadable } from "../md/running/assemble.ts";
import type { AssemblyPlan } from "../md/plan.ts";
import type { AssembleCall, AssembleOutcome, AssemblyMode, LeftOut } from "./array-host.ts";
import type { ArrayList } from "./array-list.ts";
import { countsOf, gather, outcomeOf, planOf, strangers, whyNotStarted } from "./assemble.ts";
import type { Gathered, StartWishes } from "./assemble.ts";
import { startPlan } from "./context.ts";
import type { HostContext } from "./context.ts";
import { finishChange } from "./finish-change.ts";
import { HostedArray } from "./hosted-array.ts";
import type { ChosenNames } from "./names.ts";
import { applyUpdate } from "./updates.ts";
import { viewOf } from "./view.ts";

/** Makes an inactive array run, and lets go of those that have no part in it. @throws as startManaged: it is inactive then */
export async function startHosted(
  context: HostContext,
  hosted: HostedArray,
  found: AssemblyPlan,
  mode: AssemblyMode,
): Promise<void> {
  const plan = await finished(hosted, found, mode);
  const managed = await startPlan(context, hosted.names, plan, { mode }, () => hosted.held);
  hosted.state = { kind: "running", plan, managed };
  // Who is missing, or was taken back by force, is so from now on, whether anything is written or not.
  const { active, rebuilding, expected } = countsOf(plan);
  if (mode === "read-write" && (active + rebuilding < expected || plan.forced.length > 0))
    await new Promise<void>((durable) => managed.array.commit("members", durable));
  for (const held of hosted.held) if (hosted.memberOn(held) === null) await hosted.letGo(held);
}

async function finished(
  hosted: HostedArray,
  found: AssemblyPlan,
  mode: AssemblyMode,
): Promise<AssemblyPlan> {
  // By force things are as they were judged then.
  if (mode === "read-only" || found.forced.length > 0 || !(await finishChange(found))) return found;
  return planOf(await hosted.candidates(), false, hosted.names.path);
}

/** What the superblocks of the first device call it; null: it cannot be told before names are chosen. */
async function ownNameOf(context: HostContext, call: AssembleCall): Promise<string | null> {
  if (call.names.path !== null || call.names.kernelName !== null) return null;
  const { held, candidates } = await gather(context, call.devices, "--assemble", "read-only");
  await Promise.all(held.map((one) => one.release()));
  return nameIn(candidates[0]!.superblock);
}

export function nameIn(superblock: {
  readonly name: string | null;
  readonly preferredMinor: number | null;
}): string | null {
  const { name, preferredMinor } = superblock;
  if (name === null) return preferredMinor === null ? null : String(preferredMinor);
  return name.slice(name.indexOf(":") + 1);
}

/** @throws HoldfastError `cannot-start` when there is not one member; others where an update is refused: nothing is written then */
export async function assembleArray(
  context: HostContext,
  list: ArrayList,
  call: AssembleCall,
): Promise<AssembleOutcome> {
  const ownName = await ownNameOf(context, call);
  return list.named(call.names, ownName, async (names) => {
    const gathered = await gather(context, call.devices, names.path, call.mode, call.update);
    try {
      return await assembled(context, list, call, names, gathered);
    } catch (error) {
      await Promise.all(gathered.held.map((one) => one.release()));
      throw error;
    }
  });
}

async function assembled(
  context: HostContext,
  list: ArrayList,
  call: AssembleCall,
  names: ChosenNames,
  { held, candidates, leftOut }: Gathered,
): Promise<AssembleOutcome> {
  let plan = planOf(candidates, call.force, names.path);
  const hosted = new HostedArray(names, { kind: "inactive", plan, reason: "" }, held);
  const reason = whyNotStarted(plan, call);
  if (reason === null) {
    checkRunnable(plan, names);
    if (call.update !== null) {
      await applyUpdate(context, call.update, plan, names);
      plan = planOf(await hosted.candidates(), call.force, names.path);
    }
    await startHosted(context, hosted, plan, call.mode);
  } else hosted.state = { kind: "inactive", plan, reason };
  list.add(hosted);
  return outcomeOf(plan, reason, [...leftOut, ...strangers(plan)], viewOf(hosted));
}

function checkRunnable(plan: AssemblyPlan, { path }: ChosenNames): void {
  const why = whyOnlyReadable(plan.superblock);
  if (why !== null)
    throw new HoldfastError("unsupported", `${path} ${why}; it can be opened for reading only`);
}

const INSIST: StartWishes = { force: false, run: true, noDegraded: false };

/** @throws HoldfastError `cannot-start` with what stands against it, `usage` when it runs */
export async function runInactive(
  context: HostContext,
  list: ArrayList,
  hosted: HostedArray,
  mode: AssemblyMode,
): Promise<AssembleOutcome> {
  const { path } = hosted.names;
  if (hosted.state.kind === "running") throw new HoldfastError("usage", `${path} runs already`);
  const plan = planOf(await hosted.candidates(), false, path, true);
  const reason = whyNotStarted(plan, INSIST);
  if (reason !== null) throw new HoldfastError("cannot-start", `${path}: ${reason}`);
  checkRunnable(plan, hosted.names);
  const leftOut: LeftOut[] = strangers(plan);
  await startHosted(context, hosted, plan, mode);
  list.announce(hosted);
  return outcomeOf(plan, null, leftOut, viewOf(hosted));
}
