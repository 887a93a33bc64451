/** Opens every volume that a set of disks holds: paths in, block devices and reports out. Nothing is written. */
import { HoldfastError } from "../base/errors.ts";
import type { BlockDevice } from "../block/device.ts";
import { openDevice } from "../devices/open.ts";
import type { Env } from "../env/env.ts";
import { startArray } from "../md/start.ts";
import { collectDevices } from "./devices.ts";
import { reportOf } from "./md-report.ts";
import type { VolumeReport } from "./report.ts";
import { findCandidates, planSets } from "./sets.ts";
import type { PlannedSet } from "./sets.ts";
import type { OpenedVolume, OpenedVolumes, OpenRequest } from "./volume.ts";

/** Replayed journal data held in memory at most, unless asked for more. */
const REPLAY_LIMIT_BYTES = 1024 * 1024 * 1024;

/**
 * @throws HoldfastError `not-found` when there is no array on the devices or none of that name; other codes for paths that cannot be
 * opened. A set that cannot be started is no error: it is in `refused`.
 */
export async function openVolumes(env: Env, request: OpenRequest): Promise<OpenedVolumes> {
  const collected = await collectDevices(env, request.paths);
  const owned: BlockDevice[] = [];
  const close = async (): Promise<void> => {
    for (const device of owned.toReversed()) await device.close();
    await collected.close();
  };
  try {
    const backup =
      request.backupFile === undefined
        ? null
        : await openDevice(env, request.backupFile, { readOnly: true });
    if (backup !== null) owned.push(backup);
    const found = await findCandidates(collected.devices);
    const sets = planSets(found.candidates, { force: request.force, backupGiven: backup !== null });
    const wanted = select(sets, request.volume, [...collected.problems, ...found.problems]);
    const volumes: OpenedVolume[] = [];
    const refused: VolumeReport[] = [];
    for (const set of wanted) {
      const started = await start(set, backup, request.replayLimitBytes ?? REPLAY_LIMIT_BYTES);
      if ("device" in started) {
        owned.push(started.device);
        volumes.push(started);
      } else refused.push(started);
    }
    return { volumes, refused, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function select(
  sets: readonly PlannedSet[],
  wanted: string | undefined,
  problems: readonly string[],
): readonly PlannedSet[] {
  if (sets.length === 0) {
    const why = problems.length === 0 ? "" : ` (${problems.join("; ")})`;
    throw new HoldfastError(
      "not-found",
      `none of these devices is a member of a Linux RAID array${why}; "holdfast scan" tells what is on them`,
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
    `there is no volume "${wanted}" on these devices; there is: ${names}`,
  );
}

/** The volume, or the report of why it was not started. */
async function start(
  set: PlannedSet,
  backup: BlockDevice | null,
  replayLimitBytes: number,
): Promise<OpenedVolume | VolumeReport> {
  const { name, plan } = set;
  if (plan.verdict.kind !== "can-start") return reportOf(name, plan, { notes: [], content: null });
  try {
    const { device, notes } = await startArray(plan, { name, backup, replayLimitBytes });
    return { name, device, report: reportOf(name, plan, { notes, content: null }) };
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    const verdict = {
      kind: "cannot-start",
      reason: error.message,
      remedy: 'see what "holdfast examine" says of the members',
    } as const;
    return { ...reportOf(name, plan, { notes: [], content: null }), verdict };
  }
}
