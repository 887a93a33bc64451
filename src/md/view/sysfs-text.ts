/**
 * The md/ folder of sysfs: attribute names and their text, from an ArrayView. Every text ends with a newline.
 * Facts: md.c and md-bitmap.c of kernel 6.1; Documentation/admin-guide/md.rst.
 */
import { isRedundant, isRunning } from "./array-view.ts";
import type { ArrayView, BitmapView, MemberView, SpeedLimit } from "./array-view.ts";
import { levelText } from "../../formats/md/layout-names.ts";

type Show<T> = (of: T) => string | number;

/** During a reshape both values, the new one first. */
function twice(now: number | string, old: number | string): string {
  return now === old ? String(now) : `${now} (${old})`;
}

const SYNC_ACTIONS = {
  resync: "resync",
  check: "check",
  repair: "repair",
  recovery: "recover",
  reshape: "reshape",
} as const;

function syncAction(view: ArrayView): string {
  if (view.syncFrozen) return "frozen";
  const isWritable = view.state !== "readonly" && view.state !== "read-auto";
  const { sync } = view;
  return sync === null || (sync.phase === "pending" && !isWritable)
    ? "idle"
    : SYNC_ACTIONS[sync.kind];
}

function syncCompleted({ sync }: ArrayView): string {
  if (sync === null || sync.phase === "pending") return "none";
  return sync.phase === "delayed" ? "delayed" : `${sync.doneSectors} / ${sync.totalSectors}`;
}

function limit({ kib, isSystem }: SpeedLimit): string {
  return `${kib} (${isSystem ? "system" : "local"})`;
}

const orNone = (value: number | null): string => (value === null ? "none" : String(value));

function delayText(ms: number): string {
  return `${Math.floor(ms / 1000)}.${String(ms % 1000).padStart(3, "0")}`;
}

function rfcUuidText(uuid: string): string {
  return uuid.replaceAll(":", "").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** Attributes of every array. */
const ARRAY: Readonly<Record<string, Show<ArrayView>>> = {
  level: (view) => levelText(view.level),
  layout: (view) => twice(view.reshape?.newLayout ?? view.layout, view.layout),
  raid_disks: (view) => twice(view.raidDisks, view.raidDisks - (view.reshape?.deltaDisks ?? 0)),
  chunk_size: (view) => twice(view.reshape?.newChunkBytes ?? view.chunkBytes, view.chunkBytes),
  component_size: (view) => view.componentKib,
  array_size: (view) => view.arraySizeLimitKib ?? "default",
  uuid: (view) => (view.uuid === null ? "" : rfcUuidText(view.uuid)),
  metadata_version: (view) => view.metadata,
  array_state: (view) => view.state,
  safe_mode_delay: (view) => delayText(view.safeModeDelayMs),
  resync_start: (view) => orNone(view.resyncStartSectors),
  reshape_position: (view) => orNone(view.reshape?.positionSectors ?? null),
  reshape_direction: (view) => ((view.reshape?.backwards ?? false) ? "backwards" : "forwards"),
  max_read_errors: (view) => view.maxReadErrors,
  fail_last_dev: (view) => (view.failLastDevice ? 1 : 0),
  repair_rule: (view) => view.repairRule,
  consistency_policy: (view) => view.consistencyPolicy,
};

/** Attributes of levels with copies or parity. */
const REDUNDANT: Readonly<Record<string, Show<ArrayView>>> = {
  sync_action: syncAction,
  last_sync_action: (view) => view.lastSyncAction,
  sync_completed: syncCompleted,
  sync_speed: (view) => (view.sync?.phase === "running" ? view.syncSpeedKib : "none"),
  sync_speed_min: (view) => limit(view.syncSpeedMinKib),
  sync_speed_max: (view) => limit(view.syncSpeedMaxKib),
  sync_min: (view) => view.syncMinSectors,
  sync_max: (view) => view.syncMaxSectors ?? "max",
  sync_force_parallel: () => 0,
  suspend_lo: (view) => view.suspendLowSectors,
  suspend_hi: (view) => view.suspendHighSectors,
  mismatch_cnt: (view) => view.mismatchSectors,
  degraded: (view) => view.degraded,
};

function signed(value: number): string {
  return value < 0 ? String(value) : `+${value}`;
}

function locationText(bitmap: BitmapView | null): string {
  if (bitmap === null) return "none";
  return bitmap.offsetSectors === null ? "file" : signed(bitmap.offsetSectors);
}

const BITMAP: Readonly<Record<string, Show<BitmapView | null>>> = {
  location: locationText,
  space: (bitmap) => bitmap?.spaceSectors ?? 0,
  chunksize: (bitmap) => bitmap?.chunkBytes ?? 0,
  time_base: (bitmap) => bitmap?.daemonSleepSeconds ?? 0,
  backlog: (bitmap) => bitmap?.writeBehind ?? 0,
  metadata: (bitmap) => (bitmap?.kind === "clustered" ? "clustered" : "internal"),
  can_clear: (bitmap) =>
    bitmap === null || bitmap.canClear === null ? "" : String(bitmap.canClear),
  max_backlog_used: (bitmap) => bitmap?.maxBacklogUsed ?? 0,
};

function memberState(member: MemberView): string {
  const unacknowledged = member.unacknowledgedBadBlocks.length > 0;
  const words: readonly (readonly [string, boolean])[] = [
    ["faulty", member.faulty || unacknowledged],
    ["in_sync", member.inSync],
    ["journal", member.journal],
    ["write_mostly", member.writeMostly],
    ["blocked", member.blocked || (unacknowledged && !member.faulty)],
    ["spare", !member.faulty && !member.journal && !member.inSync],
    ["write_error", member.writeErrorSeen],
    ["want_replacement", member.wantReplacement],
    ["replacement", member.replacement],
    ["failfast", member.failFast],
  ];
  return words
    .filter(([, is]) => is)
    .map(([word]) => word)
    .join(",");
}

function rangeLines(ranges: MemberView["badBlocks"]): string {
  return ranges.map(({ sector, sectors }) => `${sector} ${sectors}`).join("\n");
}

const MEMBER: Readonly<Record<string, Show<MemberView>>> = {
  state: memberState,
  errors: (member) => member.correctedErrors,
  slot: (member) => (member.journal ? "journal" : orNone(member.slot)),
  offset: (member) => member.dataOffsetSectors,
  new_offset: (member) => member.newDataOffsetSectors,
  size: (member) => member.sizeKib,
  recovery_start: (member) => orNone(member.recoveryStartSectors),
  bad_blocks: (member) => rangeLines([...member.badBlocks, ...member.unacknowledgedBadBlocks]),
  unacknowledged_bad_blocks: (member) => rangeLines(member.unacknowledgedBadBlocks),
  ppl_sector: (member) => member.pplSector,
  ppl_size: (member) => member.pplSectors,
};

/** A list of nothing is an empty file, a value of nothing an empty line. */
const MAY_BE_EMPTY = new Set(["bad_blocks", "unacknowledged_bad_blocks"]);

function ended(name: string, value: string | number): string {
  return value === "" && MAY_BE_EMPTY.has(name) ? "" : `${value}\n`;
}

function memberFolder(member: MemberView): string {
  return `dev-${member.device.replaceAll("/", "!")}`;
}

function showOf<T>(table: Readonly<Record<string, Show<T>>>, name: string, of: T): string | null {
  const show = Object.hasOwn(table, name) ? table[name] : undefined;
  return show === undefined ? null : ended(name, show(of));
}

/**
 * What reading md/NAME gives ("sync_action", "bitmap/location", "dev-sda/state", "rd0/state"); null when there is no such file.
 */
export function readSysfs(view: ArrayView, name: string): string | null {
  const [folder, file] = name.split("/", 2);
  if (file === undefined) {
    if (name === "journal_mode" && view.journalMode !== null) return `${journalText(view)}\n`;
    const plain = showOf(ARRAY, name, view);
    return plain ?? (isRedundant(view.level) ? showOf(REDUNDANT, name, view) : null);
  }
  if (folder === "bitmap") return showOf(BITMAP, file, view.bitmap);
  const member = memberCalled(view, folder ?? "");
  return member === undefined ? null : showOf(MEMBER, file, member);
}

/** Both words, the one in force in brackets. */
function journalText({ journalMode }: ArrayView): string {
  return ["write-through", "write-back"]
    .map((word) => (word === journalMode ? `[${word}]` : word))
    .join(" ");
}

function memberCalled(view: ArrayView, folder: string): MemberView | undefined {
  const slot = /^rd(\d+)$/.exec(folder)?.[1];
  if (slot === undefined) return view.members.find((member) => memberFolder(member) === folder);
  return view.members.find(
    (member) => member.slot === Number(slot) && !member.replacement && !member.journal,
  );
}

/** The names of all files, in no particular order. */
export function sysfsNames(view: ArrayView): string[] {
  const prefixed = (folder: string, table: object): string[] =>
    Object.keys(table).map((name) => `${folder}/${name}`);
  return [
    ...Object.keys(ARRAY),
    ...(isRedundant(view.level) && isRunning(view) ? Object.keys(REDUNDANT) : []),
    ...(view.journalMode === null ? [] : ["journal_mode"]),
    ...prefixed("bitmap", BITMAP),
    ...view.members.flatMap((member) => prefixed(memberFolder(member), MEMBER)),
  ];
}
