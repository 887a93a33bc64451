/** The status line: TYPE DEVICES HEALTH DONE/ALL ACTION MISMATCHES DATA_OFFSET JOURNAL. Facts: raid_status, rs_get_progress in dm-raid.c. */
import type { ManagedArray } from "../../../md/running/managed-array.ts";
import type { SyncWord } from "../../../md/running/sync-control.ts";
import type { RaidArguments } from "./arguments.ts";
import type { RaidGeometry } from "./geometry.ts";
import type { Pair } from "./judge.ts";
import { statusName } from "./types.ts";

export function raidStatus(
  raid: RaidArguments,
  geometry: RaidGeometry,
  pairs: readonly Pair[],
  managed: ManagedArray,
): string {
  const action = actionOf(managed, geometry);
  const health = raid.devices.map((_unused, slot) => healthOf(slot, pairs, managed, action));
  const { sync } = managed;
  const mismatches = sync.last === "check" ? sync.mismatches : 0;
  const done = Math.min(progressOf(managed), geometry.syncSectors);
  return `${statusName(raid.type, geometry.shape)} ${health.length} ${health.join("")} ${done}/${geometry.syncSectors} ${action} ${mismatches} 0 -`;
}

/** Before it was resumed first. */
export function suspendedStatus(
  raid: RaidArguments,
  geometry: RaidGeometry,
  pairs: readonly Pair[],
): string {
  const health = raid.devices.map((_unused, slot) =>
    pairs.some(({ index }) => index === slot) ? "A" : "-",
  );
  const name = statusName(raid.type, geometry.shape);
  return `${name} ${health.length} ${health.join("")} 0/${geometry.syncSectors} frozen 0 0 -`;
}

/** What is due counts as begun, as in kernels. */
function actionOf({ sync, array }: ManagedArray, { shape }: RaidGeometry): SyncWord {
  const { action } = sync;
  if (action !== "idle" || shape.level === "raid0" || array.mode !== "read-write") return action;
  if (array.broken !== null) return action;
  if (array.record.resyncOffsetSectors < Infinity) return "resync";
  return array.members.attached.some(({ standing }) => standing.kind === "recovering")
    ? "recover"
    : "idle";
}

function progressOf({ sync, array }: ManagedArray): number {
  const { state } = sync;
  if (state.kind === "running") return state.completed;
  if (state.kind === "delayed") return 0;
  const recovering = array.members.attached.flatMap(({ standing }) =>
    standing.kind === "recovering" ? [standing.recoveredSectors] : [],
  );
  return Math.min(array.record.resyncOffsetSectors, ...recovering);
}

function healthOf(
  slot: number,
  pairs: readonly Pair[],
  { array }: ManagedArray,
  action: SyncWord,
): string {
  if (!pairs.some(({ index }) => index === slot)) return "-";
  const member = array.members.attached.find((one) => one.slot === slot);
  if (member === undefined) return "D";
  if (action === "resync") return "a";
  const isChecked = action === "check" || action === "repair";
  return member.isInSync || isChecked ? "A" : "a";
}
