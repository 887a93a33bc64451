/** `holdfast scan`: what is on the disks, which sets they make, and what is on the volumes of those. */
import { openDevice } from "../devices/open.ts";
import type { Env } from "../env/env.ts";
import { collectDevices } from "./devices.ts";
import { identifyDevice } from "./identify.ts";
import { startSet } from "./open.ts";
import type { ScanReport, VolumeReport } from "./report.ts";
import { planSets } from "./sets.ts";
import type { PlannedSet } from "./sets.ts";

/** A look at a volume needs no more of its journal than this; opening it says what is wrong. */
const REPLAY_LIMIT_BYTES = 64 * 1024 * 1024;

/** Never rejects for what is wrong with a path or device: the report says it. */
export async function scanPaths(env: Env, paths: readonly string[]): Promise<ScanReport> {
  const collected = await collectDevices(env, paths, { open: openDevice });
  try {
    const sets = planSets(collected.candidates, { force: false, backupGiven: false });
    const volumes: VolumeReport[] = [];
    for (const set of sets) volumes.push(await lookInto(set));
    return { devices: collected.reports, volumes };
  } finally {
    await collected.close();
  }
}

/** The report of a set, with what is on its volume where that can be started. */
async function lookInto(set: PlannedSet): Promise<VolumeReport> {
  const started = await startSet(set, {
    backup: null,
    replayLimitBytes: REPLAY_LIMIT_BYTES,
    notes: [],
  });
  if (!("device" in started)) return started;
  const { findings, problem } = await identifyDevice(started.device);
  await started.device.close();
  const notes = problem === null ? started.report.notes : [...started.report.notes, problem];
  return { ...started.report, notes, content: findings };
}
