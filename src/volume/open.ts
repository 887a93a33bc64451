/** Opens every volume that a set of disks holds: paths in, block devices and reports out. Nothing is written, unless `start` is there to do it. */
import { HoldfastError } from "../base/errors.ts";
import type { BlockDevice } from "../block/device.ts";
import { openDevice } from "../devices/open.ts";
import type { Env } from "../env/env.ts";
import { startArray } from "../md/start.ts";
import { plainEngine } from "../parity/engine.ts";
import type { ParityEngine } from "../parity/engine.ts";
import { collectDevices } from "./devices.ts";
import type { DeviceCollection } from "./devices.ts";
import { reportOf } from "./md-report.ts";
import type { VolumeReport } from "./report.ts";
import type { PlanOptions } from "../md/plan.ts";
import { planSets } from "./sets.ts";
import type { PlannedSet } from "./sets.ts";
import type { OpenedVolume, OpenedVolumes, OpenRequest } from "./volume.ts";

/** Replayed journal data held in memory at most, unless asked for more. */
const REPLAY_LIMIT_BYTES = 1024 * 1024 * 1024;

/** A set that was started, and its end; or the report of why it was not. */
export type StartedSet = (OpenedVolume & { close(): Promise<void> }) | VolumeReport;

/** How sets are started. */
export type SetStarter = (
  set: PlannedSet,
  options: StartSetOptions,
  plan: PlanOptions,
) => Promise<StartedSet>;

/**
 * @param parityEngine what to rebuild with, asked for when it is needed
 * @param start how sets are started that are to be written to; mapped devices are writable with it as well
 * @throws HoldfastError `not-found` for a path that is not there and when there is no array on the devices, or none of that
 * name; `permission` for one that may not be read. A device that fails is left out with a note; a set that cannot be
 * started is in `refused`.
 */
export async function openVolumes(
  env: Env,
  request: OpenRequest,
  parityEngine: () => ParityEngine = () => plainEngine,
  start: SetStarter = startSet,
): Promise<OpenedVolumes> {
  if (request.concise !== undefined) {
    const { openMappedVolumes } = await import("./mapped.ts");
    const { concise, volume } = request;
    const readOnly = start === startSet;
    return openMappedVolumes(env, {
      concise,
      readOnly,
      parityEngine,
      ...(volume === undefined ? {} : { volume }),
    });
  }
  const collected = await collectDevices(env, request.paths, { open: openDevice });
  const owned: { close(): Promise<void> }[] = [];
  const close = async (): Promise<void> => {
    try {
      for (const device of owned.toReversed()) await device.close();
    } finally {
      await collected.close();
    }
  };
  try {
    const notes = failuresToLiveWith(collected);
    const backup = await openBackup(env, request.backupFile);
    if (backup !== null) owned.push(backup);
    const planOptions: PlanOptions = {
      force: request.force,
      backupGiven: backup !== null,
      ...(request.raid0Layout === undefined ? {} : { raid0Layout: request.raid0Layout }),
    };
    const sets = planSets(collected.candidates, planOptions);
    const volumes: OpenedVolume[] = [];
    const refused: VolumeReport[] = [];
    for (const set of select(sets, request.volume, collected)) {
      const replayLimitBytes = request.replayLimitBytes ?? REPLAY_LIMIT_BYTES;
      // Where there are several sets, the backup is for the one that is being reshaped.
      const isForIt = sets.length === 1 || set.plan.superblock.reshape !== null;
      const options = { backup: isForIt ? backup : null, replayLimitBytes, parityEngine, notes };
      const started = await start(set, options, planOptions);
      if ("device" in started) {
        owned.push(started);
        volumes.push(started);
      } else refused.push(started);
    }
    return { volumes, refused, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** A mistyped or forbidden path is the user's to mend; a disk that fails is what RAID is for. */
function failuresToLiveWith(collected: DeviceCollection): string[] {
  const mistake = collected.errors.find(({ code }) => code !== "io" && code !== "timeout");
  if (mistake !== undefined) throw mistake;
  return collected.errors.map(({ message }) => `left out: ${message}`);
}

async function openBackup(env: Env, path: string | undefined): Promise<BlockDevice | null> {
  return path === undefined ? null : openDevice(env, path, { readOnly: true });
}

function select(
  sets: readonly PlannedSet[],
  wanted: string | undefined,
  collected: DeviceCollection,
): readonly PlannedSet[] {
  if (sets.length === 0) {
    const problems = collected.reports.flatMap(({ problem }) =>
      problem === null ? [] : [problem],
    );
    const why = problems.length === 0 ? "" : ` (${problems.join(" ")})`;
    throw new HoldfastError(
      "not-found",
      `none of these devices is a member of a Linux RAID array${why}; 'holdfast scan' tells what is on them`,
    );
  }
  if (wanted === undefined) return sets;
  const chosen = sets.filter(
    (set) => set.name === wanted || set.plan.superblock.arrayUuid === wanted,
  );
  if (chosen.length > 0) return chosen;
  const names = sets.map((set) => set.name).join(", ");
  throw new HoldfastError(
    "not-found",
    `there is no volume ${wanted} on these devices; there is: ${names}`,
  );
}

export interface StartSetOptions {
  readonly backup: BlockDevice | null;
  readonly replayLimitBytes: number;
  readonly parityEngine?: () => ParityEngine;
  /** To be told with the volume. */
  readonly notes: readonly string[];
}

/** The volume, or the report of why it was not started. */
export async function startSet(set: PlannedSet, options: StartSetOptions): Promise<StartedSet> {
  const { name, plan } = set;
  if (plan.verdict.kind !== "can-start") {
    return reportOf(name, plan, { notes: options.notes, content: null });
  }
  try {
    const { device, notes } = await startArray(plan, { name, ...options });
    const extras = { notes: [...options.notes, ...notes], content: null };
    const close = (): Promise<void> => device.close();
    return { name, device, close, report: reportOf(name, plan, extras) };
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    const report = reportOf(name, plan, { notes: options.notes, content: null });
    const remedy = "'holdfast examine' shows what the members say";
    return { ...report, verdict: { kind: "cannot-start", reason: error.message, remedy } };
  }
}
