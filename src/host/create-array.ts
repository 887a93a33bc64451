/** --create: names, devices, plan, bytes, start. */
import { HoldfastError } from "../base/errors.ts";
import { decodedPlan } from "./planned-superblock.ts";
import type { CreatePlan } from "../md/create/request.ts";
import { whyOnlyReadable } from "../md/running/assemble.ts";
import type { CreateCall } from "./array-host.ts";
import type { ArrayList } from "./array-list.ts";
import { planOf } from "./assemble.ts";
import type { HostContext } from "./context.ts";
import { pathsOf, planOn, releaseAll, takeDevices, writePlan } from "./create.ts";
import type { CreateDevices } from "./create.ts";
import { HostedArray } from "./hosted-array.ts";
import type { ChosenNames } from "./names.ts";
import { startHosted } from "./start.ts";

export interface Made {
  readonly plan: CreatePlan;
  /** Null after a dry run. */
  readonly hosted: HostedArray | null;
}

/** @throws HoldfastError `cannot-start`, `busy` and what opening fails with: nothing is written then */
export function createArray(
  context: HostContext,
  list: ArrayList,
  call: CreateCall,
): Promise<Made> {
  return list.named(call.names, call.name, async (names) => {
    const held = await takeDevices(context, pathsOf(call), names.path);
    try {
      const plan = await planOn(context, call, names, held);
      checkRunnable(plan, held, call, names);
      if (call.dryRun) {
        await releaseAll(held);
        return { plan, hosted: null };
      }
      await writePlan(plan, held, call.writeZeroes);
      return { plan, hosted: await started(context, list, call, names, held) };
    } catch (error) {
      await releaseAll(held);
      throw error;
    }
  });
}

/** What could only be read later is not made here. */
function checkRunnable(
  plan: CreatePlan,
  held: CreateDevices,
  { version }: CreateCall,
  { path }: ChosenNames,
): void {
  const why = whyOnlyReadable(decodedPlan(plan, held, version));
  if (why !== null) throw new HoldfastError("unsupported", `${path} ${why}, which is not done yet`);
}

async function started(
  context: HostContext,
  list: ArrayList,
  call: CreateCall,
  names: ChosenNames,
  devices: CreateDevices,
): Promise<HostedArray> {
  const held = devices.filter((one) => one !== null);
  const hosted = new HostedArray(names, { kind: "gone" }, held);
  const plan = planOf(await hosted.candidates(), false, names.path);
  hosted.state = { kind: "inactive", plan, reason: "it is being started" };
  await startHosted(context, hosted, plan, call.readOnly ? "read-auto" : "read-write");
  list.add(hosted);
  return hosted;
}
