/** What an array of this host shows of itself. */
import { superblock090 } from "../formats/md/superblock-090.ts";
import { superblock1 } from "../formats/md/superblock-1-layout.ts";
import type { MdSuperblock } from "../formats/md/superblock.ts";
import type { AssemblyPlan } from "../md/plan.ts";
import type { ManagedArray } from "../md/running/managed-array.ts";
import { usualSettings } from "../md/running/settings.ts";
import type { SyncControl } from "../md/running/sync-control.ts";
import type { ArrayState, ArrayView, BitmapView, SyncView } from "../md/view/array-view.ts";
import type { HostedArray } from "./hosted-array.ts";
import { memberView, waitingView } from "./member-view.ts";

export const MD_MAJOR = 9;
/** For integer arithmetic with the speed: the longer, the closer. */
const MARK_SECONDS = 10;

type Common = Pick<
  ArrayView,
  | "kernelName"
  | "path"
  | "major"
  | "minor"
  | "metadata"
  | "level"
  | "layout"
  | "chunkBytes"
  | "raidDisks"
  | "uuid"
  | "name"
  | "preferredMinor"
  | "createdSeconds"
  | "arraySizeLimitKib"
  | "journalMode"
  | "reshape"
  | "suspendLowSectors"
  | "suspendHighSectors"
>;

/** Of a raid0 whose superblocks do not say it, kernels say that they do not know. */
function shownLayout({ shape, raid0Layout }: MdSuperblock): number {
  if (shape === null) return 0;
  return shape.level === "raid0" && raid0Layout === null ? -1 : shape.layout;
}

function commonPart({ names, isBuilt, suspended }: HostedArray, superblock: MdSuperblock): Common {
  const { shape, levelNumber, version } = superblock;
  return {
    kernelName: names.kernelName,
    path: names.path,
    major: MD_MAJOR,
    minor: names.minor,
    metadata: isBuilt ? "none" : version,
    level: levelNumber,
    layout: shownLayout(superblock),
    chunkBytes: (shape?.chunkSectors ?? 0) * 512,
    raidDisks: shape?.raidDisks ?? 0,
    uuid: isBuilt ? null : superblock.arrayUuid,
    name: isBuilt ? null : superblock.name,
    preferredMinor: version === "0.90" && !isBuilt ? names.minor : null,
    createdSeconds: superblock.createdSeconds,
    arraySizeLimitKib: null,
    journalMode: superblock.hasJournal ? "write-through" : null,
    reshape: null,
    suspendLowSectors: suspended.lowSectors,
    suspendHighSectors: suspended.highSectors,
  };
}

const KINDS = { resync: "resync", recover: "recovery", check: "check", repair: "repair" } as const;

function syncView({ state, action }: SyncControl): SyncView | null {
  const none = { doneSectors: 0, totalSectors: 0, sinceMarkSeconds: 0, sinceMarkSectors: 0 };
  switch (state.kind) {
    case "none":
      // Asked for, and about to begin.
      return action === "check" || action === "repair"
        ? { kind: action, phase: "pending", ...none }
        : null;
    case "pending":
      return { kind: "resync", phase: "pending", ...none };
    case "delayed":
      return { kind: KINDS[state.action], phase: "delayed", ...none };
    case "running":
      return {
        kind: KINDS[state.action],
        phase: "running",
        doneSectors: state.figures.sectors,
        totalSectors: state.figures.max,
        sinceMarkSeconds: MARK_SECONDS,
        sinceMarkSectors: state.figures.kibPerSecond * 2 * MARK_SECONDS,
      };
  }
}

function speedPart({
  sync,
}: ManagedArray): Pick<
  ArrayView,
  "syncSpeedKib" | "syncSpeedMinKib" | "syncSpeedMaxKib" | "syncMinSectors" | "syncMaxSectors"
> {
  const { state, settings } = sync;
  const { limits, isSpeedMinLocal, isSpeedMaxLocal, min, max } = settings;
  return {
    syncSpeedKib: state.kind === "running" ? state.figures.kibPerSecond : 0,
    syncSpeedMinKib: { kib: limits.minKiBps, isSystem: !isSpeedMinLocal },
    syncSpeedMaxKib: { kib: limits.maxKiBps, isSystem: !isSpeedMaxLocal },
    syncMinSectors: min,
    syncMaxSectors: max === Infinity ? null : max,
  };
}

/** What kernels know of the room for a bitmap: to the end of the 64 KiB in 0.90, elsewhere nothing. */
function bitmapSpace({ version }: MdSuperblock): number {
  return version === "0.90" ? 120 : 0;
}

function bitmapView({ bitmap }: ManagedArray, superblock: MdSuperblock): BitmapView | null {
  if (bitmap === null || superblock.bitmapSector === null) return null;
  const offsetSectors = superblock.bitmapSector - superblock.superSector;
  const { all, used } = bitmap.tracker.pages;
  return {
    kind: "internal",
    path: null,
    offsetSectors,
    spaceSectors: bitmapSpace(superblock),
    chunkBytes: bitmap.store.chunkSectors * 512,
    daemonSleepSeconds: bitmap.periodMs / 1000,
    writeBehind: bitmap.writeBehind,
    maxBacklogUsed: 0,
    canClear: null,
    pages: all,
    usedPages: used,
  };
}

function policyOf(
  managed: ManagedArray,
  { levelNumber, hasJournal, ppl }: MdSuperblock,
): ArrayView["consistencyPolicy"] {
  if (hasJournal) return "journal";
  if (ppl !== null) return "ppl";
  if (managed.bitmap !== null) return "bitmap";
  return levelNumber >= 1 ? "resync" : "none";
}

/** Of the superblock that was written last. */
function updatedSeconds(
  { members }: ManagedArray["array"],
  { version, updatedSeconds: found }: MdSuperblock,
): number {
  const member = members.attached.find(({ isFaulty, slot }) => !isFaulty && slot !== null);
  if (member === undefined) return found;
  if (version === "0.90")
    return superblock090.decode(member.image, 0, member.superblock.byteOrder).utime;
  return Number(superblock1.decode(member.image).utime & 0xff_ffff_ffffn);
}

function runningView(
  hosted: HostedArray,
  managed: ManagedArray,
  { superblock }: AssemblyPlan,
): ArrayView {
  const { array, sync } = managed;
  const { record } = array;
  const { resyncOffsetSectors } = record;
  const isRedundant = superblock.levelNumber >= 1;
  return {
    ...commonPart(hosted, superblock),
    ...speedPart(managed),
    state: shownState(array.state),
    arrayKib: Math.floor(array.sectors / 2),
    componentKib: Math.floor(record.componentSectors / 2),
    events: record.events,
    updatedSeconds: hosted.isBuilt ? superblock.updatedSeconds : updatedSeconds(array, superblock),
    resyncStartSectors:
      isRedundant && resyncOffsetSectors !== Infinity ? resyncOffsetSectors : null,
    degraded: array.degraded,
    consistencyPolicy: policyOf(managed, superblock),
    sync: isRedundant ? syncView(sync) : null,
    syncFrozen: sync.action === "frozen",
    lastSyncAction: sync.last,
    mismatchSectors: sync.mismatches,
    safeModeDelayMs: array.safeModeDelayMs,
    maxReadErrors: array.settings.maxReadErrors,
    failLastDevice: array.settings.failsLast,
    repairRule: array.settings.repairsBy,
    bitmap: bitmapView(managed, superblock),
    members: array.members.attached
      .map((member) => memberView(hosted.heldBy(member), member))
      .toReversed(),
  };
}

/** `suspended` is a word that no array has. */
function shownState(state: ManagedArray["array"]["state"]): ArrayState {
  return state === "suspended" ? "active" : state;
}

const USUAL = usualSettings();
const NEVER_STARTED = {
  maxReadErrors: USUAL.maxReadErrors,
  failLastDevice: USUAL.failsLast,
  repairRule: USUAL.repairsBy,
};

function inactiveView(hosted: HostedArray, plan: AssemblyPlan): ArrayView {
  const { superblock, judged } = plan;
  const members = hosted.held.flatMap((held) => {
    const own = judged.find(({ candidate }) => candidate.device === held.device);
    return own === undefined ? [] : [waitingView(held, own.candidate)];
  });
  const limit = { kib: 0, isSystem: true };
  return {
    ...commonPart(hosted, superblock),
    state: "inactive",
    arrayKib: 0,
    componentKib: Math.floor(superblock.componentSectors / 2),
    events: superblock.events,
    updatedSeconds: superblock.updatedSeconds,
    resyncStartSectors: null,
    degraded: 0,
    consistencyPolicy: "unknown",
    sync: null,
    syncFrozen: false,
    lastSyncAction: "none",
    mismatchSectors: 0,
    syncMinSectors: 0,
    syncMaxSectors: null,
    syncSpeedKib: 0,
    syncSpeedMinKib: limit,
    syncSpeedMaxKib: limit,
    safeModeDelayMs: 0,
    ...NEVER_STARTED,
    bitmap: null,
    members: members.toReversed(),
  };
}

/** @throws HoldfastError `not-found` when it is gone */
export function viewOf(hosted: HostedArray): ArrayView {
  const { state } = hosted;
  if (state.kind === "running") return runningView(hosted, state.managed, state.plan);
  return inactiveView(hosted, hosted.plan);
}
