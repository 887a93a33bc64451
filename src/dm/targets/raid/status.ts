/** The status line: TYPE DEVICES HEALTH DONE/ALL ACTION MISMATCHES DATA_OFFSET JOURNAL. Facts: raid_status, rs_get_progress in dm-raid.c. */
import type { ManagedArray } from "../../../md/running/managed-array.ts";
import type { SyncWord } from "../../../md/running/sync-control.ts";
import type { RaidArguments } from "./arguments.ts";
import type { RaidGeometry } from "./geometry.ts";
import type { Pair } from "./judge.ts";
import { statusName } from "./types.ts";

export interface RaidView {
  readonly raid: RaidArguments;
  readonly geometry: RaidGeometry;
  readonly pairs: readonly Pair[];
}

/** Of a set that runs. @param grownFromSectors as in StartedRaid */
export function raidStatus(
  view: RaidView,
  managed: ManagedArray,
  grownFromSectors: number | null,
): string {
  const word = actionOf(managed, view.geometry);
  // What is new of a set that was made longer kernels sync by request, which is a repair.
  const isGrowing = word === "resync" && grownFromSectors !== null;
  const action = isGrowing ? "repair" : word;
  const from = isGrowing ? grownFromSectors : 0;
  const { sync } = managed;
  return lineOf(view, {
    health: healthOf(view, managed, action),
    done: Math.max(from, action === "frozen" ? 0 : progressOf(managed)),
    action,
    mismatches: sync.last === "check" ? sync.mismatches : 0,
    journal: managed.array.members.journal === null ? "D" : "A",
  });
}

/** Of a set that was suspended: nothing goes on, so nothing is done of it. */
export function frozenStatus(view: RaidView, managed: ManagedArray): string {
  const { sync } = managed;
  return lineOf(view, {
    health: healthOf(view, managed, "frozen"),
    done: 0,
    action: "frozen",
    mismatches: sync.last === "check" ? sync.mismatches : 0,
    journal: managed.array.members.journal === null ? "D" : "A",
  });
}

/** Before it was resumed first. */
export function newStatus(view: RaidView): string {
  const { raid, pairs } = view;
  const health = raid.devices.map((_unused, slot) =>
    pairs.some(({ index }) => index === slot) ? "A" : "-",
  );
  return lineOf(view, { health, done: 0, action: "frozen", mismatches: 0, journal: "A" });
}

interface Told {
  readonly health: readonly string[];
  readonly done: number;
  readonly action: SyncWord;
  readonly mismatches: number;
  readonly journal: "A" | "D";
}

function lineOf({ raid, geometry }: RaidView, told: Told): string {
  const { type, journal } = raid;
  const { shape, syncSectors } = geometry;
  const { health, action, mismatches } = told;
  const done = shape.level === "raid0" ? syncSectors : Math.min(told.done, syncSectors);
  const alive = journal?.mode === "writeback" ? "a" : "A";
  const journalChar = journal === null ? "-" : told.journal === "A" ? alive : "D";
  return `${statusName(type, shape)} ${health.length} ${health.join("")} ${done}/${syncSectors} ${action} ${mismatches} 0 ${journalChar}`;
}

/** What is due counts as begun, as in kernels. */
export function actionOf({ sync, array }: ManagedArray, { shape }: RaidGeometry): SyncWord {
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
  { raid, pairs }: RaidView,
  { array }: ManagedArray,
  action: SyncWord,
): readonly string[] {
  return raid.devices.map((_unused, slot) => {
    if (!pairs.some(({ index }) => index === slot)) return "-";
    const member = array.members.attached.find((one) => one.slot === slot);
    if (member === undefined) return "D";
    if (action === "resync") return "a";
    const isChecked = action === "check" || action === "repair";
    return member.isInSync || isChecked ? "A" : "a";
  });
}
