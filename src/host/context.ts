/** What the parts of a host share. */
import type { Env } from "../env/env.ts";
import type { AssemblyPlan } from "../md/plan.ts";
import type { AssembleOptions } from "../md/running/assemble.ts";
import { startManaged } from "../md/running/managed-array.ts";
import type { ManagedArray } from "../md/running/managed-array.ts";
import type { ParityEngine } from "../parity/engine.ts";
import type { SyncScheduler } from "../sync/scheduler.ts";
import type { SpeedLimits } from "../sync/throttle.ts";
import type { AssemblyMode } from "./array-host.ts";
import type { DeviceRegistry, HeldDevice } from "./device-registry.ts";
import type { ChosenNames } from "./names.ts";

export interface HostContext {
  readonly env: Env;
  readonly parity: () => ParityEngine;
  readonly registry: DeviceRegistry;
  readonly scheduler: SyncScheduler;
  readonly systemLimits: SpeedLimits;
  /** Something happened that a view may show. */
  readonly changed: () => void;
}

/** Starts what was planned on devices that are held. @throws as startManaged */
export async function startPlan(
  context: HostContext,
  names: ChosenNames,
  plan: AssemblyPlan,
  start: Pick<AssembleOptions, "hasSuperblocks" | "faulty"> & { readonly mode: AssemblyMode },
  held: () => readonly HeldDevice[],
): Promise<ManagedArray> {
  const { env, parity, scheduler, systemLimits, changed } = context;
  const managed = await startManaged(plan, {
    name: names.kernelName,
    ...start,
    clock: env.clock,
    timers: env.timers,
    parity,
    scheduler,
    systemLimits,
    diskOf: ({ label, device }) => held().find(({ path }) => path === label)?.disk ?? device,
    // Clients hand over their buffers for as long as a write is under way.
    syncUsers: null,
    onPass: changed,
  });
  managed.array.listen(changed);
  return managed;
}
