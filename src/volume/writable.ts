/**
 * Starts a set that was planned for writing to its members.
 *
 *   its members are opened anew, for writing: from here on nobody else has them  -->  what they say is read again, and planned again
 *        --> the array runs, and background sync begins
 *
 * What was planned before says only whose members are to be opened: somebody else may have written to them until they were had.
 */
import { HoldfastError } from "../base/errors.ts";
import type { BlockDevice } from "../block/device.ts";
import type { Env } from "../env/env.ts";
import type { JudgedCandidate } from "../md/candidate.ts";
import { startManaged } from "../md/running/managed-array.ts";
import type { ManagedArray } from "../md/running/managed-array.ts";
import type { PlanOptions } from "../md/plan.ts";
import type { ParityEngine } from "../parity/engine.ts";
import type { SyncScheduler } from "../sync/scheduler.ts";
import type { SpeedLimits } from "../sync/throttle.ts";
import { collectDevices } from "./devices.ts";
import type { DeviceCollection } from "./devices.ts";
import { reportOf } from "./md-report.ts";
import type { VolumeReport } from "./report.ts";
import { planSets } from "./sets.ts";
import type { PlannedSet } from "./sets.ts";
import type { OpenedVolume } from "./volume.ts";

export interface WritableOptions {
  readonly env: Env;
  readonly plan: PlanOptions;
  readonly parityEngine: () => ParityEngine;
  readonly scheduler: SyncScheduler;
  /** Of background sync. */
  readonly systemLimits: SpeedLimits;
  /** To be told with the volume. */
  readonly notes: readonly string[];
}

export interface WritableVolume extends OpenedVolume {
  readonly array: ManagedArray;
  /** In order: background sync, writes, bitmap, superblocks; then the members are let go. */
  close(): Promise<void>;
}

/** Running, or the report of why it is not: then nothing was written. */
export async function startWritable(
  set: PlannedSet,
  options: WritableOptions,
): Promise<WritableVolume | VolumeReport> {
  const { name, plan } = set;
  const { env, notes } = options;
  if (plan.verdict.kind !== "can-start") return reportOf(name, plan, { notes, content: null });
  const collected = await collectDevices(env, pathsOf(plan.judged), { readOnly: false });
  try {
    const [failed] = collected.errors;
    if (failed !== undefined) throw failed;
    const held = planAgain(set, collected, options.plan);
    if (held.plan.verdict.kind !== "can-start") {
      await collected.close();
      return reportOf(name, held.plan, { notes, content: null });
    }
    return await run(held, collected, options);
  } catch (error) {
    await collected.close();
    if (!(error instanceof HoldfastError)) throw error;
    return refused(set, error, notes);
  }
}

/** Of those that the array is to use. */
function pathsOf(judged: readonly JudgedCandidate[]): string[] {
  return judged.filter(isUsed).map(({ candidate }) => candidate.path);
}

function isUsed({ fate }: JudgedCandidate): boolean {
  switch (fate) {
    case "in-sync":
    case "recovering":
    case "spare":
    case "journal":
      return true;
    case "stale":
    case "faulty":
    case "foreign":
    case "duplicate":
      return false;
  }
}

/** @throws HoldfastError `busy` when the members are not those of this array any more */
function planAgain(
  { name, plan }: PlannedSet,
  collected: DeviceCollection,
  options: PlanOptions,
): PlannedSet {
  const others = plan.judged.filter((one) => !isUsed(one)).map(({ candidate }) => candidate);
  const { arrayUuid } = plan.superblock;
  const again = planSets([...collected.candidates, ...others], options).find(
    (set) => set.plan.superblock.arrayUuid === arrayUuid,
  );
  if (again !== undefined) return { name, plan: again.plan };
  throw new HoldfastError("busy", `Somebody else has changed the members of ${name} meanwhile.`);
}

async function run(
  { name, plan }: PlannedSet,
  collected: DeviceCollection,
  { env, parityEngine, scheduler, systemLimits, notes }: WritableOptions,
): Promise<WritableVolume> {
  const array = await startManaged(plan, {
    name,
    mode: "read-write",
    clock: env.clock,
    timers: env.timers,
    parity: parityEngine,
    scheduler,
    systemLimits,
    syncUsers: null,
  });
  const device: BlockDevice = array.array;
  const close = async (): Promise<void> => {
    try {
      await array.close();
    } finally {
      await collected.close();
    }
  };
  return { name, device, array, close, report: reportOf(name, plan, { notes, content: null }) };
}

function refused(
  { name, plan }: PlannedSet,
  { message }: HoldfastError,
  notes: readonly string[],
): VolumeReport {
  const report = reportOf(name, plan, { notes, content: null });
  const remedy = "without --read-write it can be read";
  return { ...report, verdict: { kind: "cannot-start", reason: message, remedy } };
}
