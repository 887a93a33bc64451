/**
 * What a running (or assembled but not started) array tells of itself: everything that --detail, /proc/mdstat and sysfs
 * show, and nothing that only one of them would need to know. Plain data: the texts are functions of it.
 */
import type { RepairRule } from "../running/settings.ts";
import type { ArrayStateWord } from "../running/array-state.ts";

/** What array_state answers; `suspended` is a word that no array has. */
export type ArrayState = Exclude<ArrayStateWord, "suspended">;

export type SyncKind = "resync" | "check" | "repair" | "recovery" | "reshape";

export interface SyncView {
  readonly kind: SyncKind;
  /** `delayed`: waits for another array; `pending`: will start when the array is written to. */
  readonly phase: "running" | "delayed" | "pending";
  /** In sectors of what is gone through. */
  readonly doneSectors: number;
  readonly totalSectors: number;
  /** Since the last mark, for speed and the time left. */
  readonly sinceMarkSeconds: number;
  readonly sinceMarkSectors: number;
}

export interface BitmapView {
  readonly kind: "internal" | "clustered" | "file";
  /** Of the file. */
  readonly path: string | null;
  /** From the superblock; null for a file. */
  readonly offsetSectors: number | null;
  readonly spaceSectors: number;
  readonly chunkBytes: number;
  readonly daemonSleepSeconds: number;
  readonly writeBehind: number;
  readonly maxBacklogUsed: number;
  readonly canClear: boolean | null;
  /** Pages of counters, and how many of them count anything. */
  readonly pages: number;
  readonly usedPages: number;
}

export interface MemberView {
  /** The kernel's name: "sda". */
  readonly device: string;
  readonly path: string | null;
  readonly major: number;
  readonly minor: number;
  /** desc_nr. */
  readonly number: number;
  readonly slot: number | null;
  /** Where it was or goes, when it is in no slot; shown for faulty ones by mdadm never, kept by the kernel. */
  readonly inSync: boolean;
  readonly faulty: boolean;
  readonly journal: boolean;
  readonly replacement: boolean;
  readonly wantReplacement: boolean;
  readonly writeMostly: boolean;
  readonly failFast: boolean;
  readonly blocked: boolean;
  readonly writeErrorSeen: boolean;
  readonly dataOffsetSectors: number;
  readonly newDataOffsetSectors: number;
  /** Of its data, KiB. */
  readonly sizeKib: number;
  /** Null: in sync. */
  readonly recoveryStartSectors: number | null;
  readonly correctedErrors: number;
  /** Sectors from the start of the device. */
  readonly badBlocks: readonly BadRange[];
  readonly unacknowledgedBadBlocks: readonly BadRange[];
  readonly pplSector: number;
  readonly pplSectors: number;
}

interface BadRange {
  readonly sector: number;
  readonly sectors: number;
}

/** The other shape of a reshape under way. */
export interface ReshapeView {
  readonly positionSectors: number;
  readonly backwards: boolean;
  readonly deltaDisks: number;
  readonly newLevel: number;
  readonly newLayout: number;
  readonly newChunkBytes: number;
}

export interface ArrayView {
  /** "md0". */
  readonly kernelName: string;
  /** "/dev/md0" or "/dev/md/name". */
  readonly path: string;
  readonly major: number;
  readonly minor: number;
  /** "0.90", "1.2"; "none" without metadata. */
  readonly metadata: string;
  readonly level: number;
  readonly layout: number;
  readonly chunkBytes: number;
  readonly raidDisks: number;
  readonly state: ArrayState;
  /** 0 while it does not run. */
  readonly arrayKib: number;
  /** Null: the default, all that there is. */
  readonly arraySizeLimitKib: number | null;
  /** What each member gives; 0 when they give different amounts. */
  readonly componentKib: number;
  readonly uuid: string | null;
  /** "host:name"; null in 0.90. */
  readonly name: string | null;
  readonly preferredMinor: number | null;
  readonly events: number;
  readonly createdSeconds: number;
  readonly updatedSeconds: number;
  /** Null: nothing to resync. */
  readonly resyncStartSectors: number | null;
  readonly degraded: number;
  readonly consistencyPolicy: "none" | "resync" | "bitmap" | "journal" | "ppl" | "unknown";
  readonly journalMode: "write-through" | "write-back" | null;
  readonly sync: SyncView | null;
  /** sync_action says "frozen". */
  readonly syncFrozen: boolean;
  readonly lastSyncAction: string;
  readonly mismatchSectors: number;
  readonly syncMinSectors: number;
  /** Null: no limit. */
  readonly syncMaxSectors: number | null;
  readonly syncSpeedKib: number;
  readonly syncSpeedMinKib: SpeedLimit;
  readonly syncSpeedMaxKib: SpeedLimit;
  readonly safeModeDelayMs: number;
  readonly suspendLowSectors: number;
  readonly suspendHighSectors: number;
  readonly maxReadErrors: number;
  readonly failLastDevice: boolean;
  /** What a repair believes: Holdfast's own attribute `repair_rule`. */
  readonly repairRule: RepairRule;
  readonly bitmap: BitmapView | null;
  readonly reshape: ReshapeView | null;
  /** In the order in which they were bound, the latest first. */
  readonly members: readonly MemberView[];
}

export interface SpeedLimit {
  readonly kib: number;
  /** The machine's value; else set for this array. */
  readonly isSystem: boolean;
}

export function isRunning(view: ArrayView): boolean {
  return view.state !== "clear" && view.state !== "inactive";
}

/** Levels with copies or parity. */
export function isRedundant(level: number): boolean {
  return level >= 1;
}

/** In which a member that is in sync shows as U in mdstat; replacements and the journal do not count. */
export function slotsInSync(view: ArrayView): boolean[] {
  const slots = Array.from({ length: view.raidDisks }, () => false);
  for (const { slot, inSync, faulty } of view.members)
    if (slot !== null && slot < slots.length && inSync && !faulty) slots[slot] = true;
  return slots;
}
