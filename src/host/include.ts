/** --incremental: one device at a time, until there are enough. */
import { HoldfastError } from "../base/errors.ts";
import type { IncludeCall, IncludeOutcome } from "./array-host.ts";
import type { ArrayList } from "./array-list.ts";
import { countsOf, planOf, whyNotStarted } from "./assemble.ts";
import type { HostContext } from "./context.ts";
import type { HeldDevice } from "./device-registry.ts";
import { HostedArray, candidateOn } from "./hosted-array.ts";
import { addDevice } from "./manage.ts";
import { nameIn, startHosted } from "./start.ts";
import { viewOf } from "./view.ts";
import type { MdCandidate } from "../md/candidate.ts";

/** @throws HoldfastError `bad-metadata` for a device without a superblock, `busy` for one that cannot join any more */
export async function includeDevice(
  context: HostContext,
  list: ArrayList,
  call: IncludeCall,
): Promise<IncludeOutcome> {
  const readOnly = call.mode === "read-only" ? "if-need-be" : "no";
  const held = await context.registry.take(call.device, { holder: "--incremental", readOnly });
  try {
    const candidate = await candidateOn(held);
    if (candidate === null)
      throw new HoldfastError("bad-metadata", `${call.device} has no md superblock`);
    const { arrayUuid } = candidate.superblock;
    const there = list.arrays.find(
      ({ state }) => state.kind !== "gone" && state.plan.superblock.arrayUuid === arrayUuid,
    );
    if (there === undefined) return await begin(context, list, call, held, candidate);
    if (there.state.kind === "inactive")
      return await there.exclusively(() => joinInactive(context, list, call, there, held));
    await held.release();
    return await there.exclusively(() => joinRunning(context, call, there, candidate));
  } catch (error) {
    await held.release();
    throw error;
  }
}

function begin(
  context: HostContext,
  list: ArrayList,
  call: IncludeCall,
  held: HeldDevice,
  candidate: MdCandidate,
): Promise<IncludeOutcome> {
  return list.named(call.names, nameIn(candidate.superblock), async (names) => {
    const plan = planOf([candidate], false, names.path);
    const hosted = new HostedArray(
      names,
      { kind: "inactive", plan, reason: "it waits for more members" },
      [held],
    );
    const outcome = await startIfEnough(context, call, hosted);
    list.add(hosted);
    return outcome;
  });
}

async function joinInactive(
  context: HostContext,
  list: ArrayList,
  call: IncludeCall,
  hosted: HostedArray,
  held: HeldDevice,
): Promise<IncludeOutcome> {
  hosted.hold(held);
  try {
    const outcome = await startIfEnough(context, call, hosted);
    list.announce(hosted);
    return outcome;
  } catch (error) {
    await hosted.letGo(held);
    throw error;
  }
}

/** Members that were there when it last ran, all of them, or with `run` so many as the level can do with. */
async function startIfEnough(
  context: HostContext,
  call: IncludeCall,
  hosted: HostedArray,
): Promise<IncludeOutcome> {
  const plan = planOf(await hosted.candidates(), false, hosted.names.path);
  const reason = whyNotStarted(plan, { force: false, run: call.run, noDegraded: false });
  if (reason === null) await startHosted(context, hosted, plan, call.mode);
  else hosted.state = { kind: "inactive", plan, reason };
  const { active, rebuilding, expected } = countsOf(plan);
  return {
    kind: reason === null ? "started" : "inactive",
    array: viewOf(hosted),
    present: active + rebuilding,
    needed: expected,
  };
}

/** Spares are welcome; who was a member comes back only if that is wished for. */
async function joinRunning(
  context: HostContext,
  call: IncludeCall,
  hosted: HostedArray,
  { superblock }: MdCandidate,
): Promise<IncludeOutcome> {
  if (superblock.role.kind === "active" && !call.run) {
    const text = `${hosted.names.path} runs without ${call.device}, which was a member of it: add it again`;
    throw new HoldfastError("busy", text);
  }
  const how = { as: "member", writeMostly: null, failFast: null, update: null } as const;
  await addDevice(context, hosted, call.device, how);
  const { members } = hosted.managed.array;
  const present = members.slots - members.degraded;
  return { kind: "added", array: viewOf(hosted), present, needed: members.slots };
}
