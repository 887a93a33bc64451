/**
 * ArrayHost: the md arrays that run here, as whoever administers them sees them.
 *
 * It does what the kernel and the ioctls of /dev/mdN do for mdadm, and a little more: devices are named by path, so nobody needs
 * nodes in /dev. What goes in and comes out is plain data that a structured clone and JSON keep: it crosses threads and sockets.
 *
 * An array is named by its kernel name ("md0", "md127", "md_data"), by "/dev/" and that, or by "/dev/md/" and its name: `array` below.
 * All reject with a HoldfastError: `not-found` for an array or a device that is not there, `busy` where somebody else holds it or it is
 * being used, `usage` for what makes no sense; others as said. What is refused has changed nothing.
 */
import type { CreateSummary } from "../md/create/summary.ts";
import type { Mismatch } from "../md/running/mismatches.ts";
import type { ArrayView } from "../md/view/array-view.ts";
import type { SysfsAction } from "../md/view/sysfs-write.ts";
import type { MdLevel, MdVersion } from "../formats/md/superblock.ts";

/** What an array is to be called. Null parts are chosen: the lowest free number from 127 down, the superblock's name. */
export interface ArrayNames {
  /** "md0". */
  readonly kernelName: string | null;
  /** "/dev/md0" or "/dev/md/data". */
  readonly path: string | null;
}

export interface CreateDevice {
  readonly path: string;
  readonly writeMostly: boolean;
  readonly failFast: boolean;
  readonly dataOffsetSectors: number | null;
}

/** As CreateRequest (md/create/request.ts), with paths for devices; what is chosen by chance the host chooses. */
export interface CreateCall {
  readonly names: ArrayNames;
  /** In the order of slots, then spares; null: a member that is missing. */
  readonly devices: readonly (CreateDevice | null)[];
  readonly journal: string | null;
  readonly version: MdVersion;
  readonly level: MdLevel;
  readonly layout: number | null;
  readonly chunkSectors: number | null;
  readonly raidDisks: number;
  readonly spareDisks: number;
  readonly componentSectors: number | null;
  readonly dataOffsetSectors: number | null;
  readonly bitmap: {
    readonly chunkSectors: number | null;
    readonly delaySeconds: number;
    readonly writeBehind: number;
  } | null;
  readonly consistencyPolicy: "resync" | "bitmap" | "journal" | "ppl" | null;
  readonly assumeClean: boolean;
  readonly force: boolean;
  /** "name" or "host:name". */
  readonly name: string;
  readonly homehost: string | null;
  /** 32 hex digits; null: a new one. */
  readonly uuid: string | null;
  /** Start it read-only ("read-auto"). */
  readonly readOnly: boolean;
  /** Zeroes are written to all data first, so that parity is right without a resync. */
  readonly writeZeroes: boolean;
  /** False: members get no list of bad sectors; else they do, but for version 0.90. */
  readonly badBlockLog?: boolean | undefined;
  /** The plan and its refusals only; nothing is written, and no array is started. */
  readonly dryRun: boolean;
}

export interface CreateOutcome {
  readonly plan: CreateSummary;
  /** Null after a dry run. */
  readonly array: ArrayView | null;
}

/** Without superblocks: linear, raid0, raid1, raid10; what is in sync is the caller's word. */
export interface BuildCall {
  readonly names: ArrayNames;
  readonly devices: readonly (CreateDevice | null)[];
  readonly level: MdLevel;
  readonly layout: number | null;
  readonly chunkSectors: number | null;
  readonly componentSectors: number | null;
  readonly assumeClean: boolean;
}

export type AssemblyMode = "read-write" | "read-auto" | "read-only";

/** The words of mdadm's --update that change superblocks at assembly. */
export type AssemblyUpdate =
  | { readonly kind: "name" | "homehost" | "uuid"; readonly value: string | null }
  | {
      readonly kind:
        | "resync"
        | "super-minor"
        | "summaries"
        | "no-bitmap"
        | "bbl"
        | "no-bbl"
        | "force-no-bbl"
        | "ppl"
        | "no-ppl"
        | "byteorder"
        | "devicesize"
        | "metadata"
        | "writemostly"
        | "readwrite"
        | "layout-original"
        | "layout-alternate"
        | "layout-unspecified";
    };

export interface AssembleCall {
  readonly names: ArrayNames;
  /** Members of one array; who does not belong to it is left out and named in the outcome. */
  readonly devices: readonly string[];
  readonly mode: AssemblyMode;
  readonly force: boolean;
  /** Start it although members are missing that were there when it last ran. */
  readonly run: boolean;
  /** Start it only when nobody is missing. */
  readonly noDegraded: boolean;
  readonly update: AssemblyUpdate | null;
}

export interface LeftOut {
  readonly path: string;
  /** Half a sentence. */
  readonly why: string;
}

export interface AssembleOutcome {
  /** `inactive`: its members are held, it is not started, for the reason given. */
  readonly kind: "started" | "inactive";
  readonly reason: string | null;
  readonly array: ArrayView;
  /** Slots with a member that is in sync; that are being rebuilt; spares; with a journal. */
  readonly active: number;
  readonly rebuilding: number;
  readonly spares: number;
  readonly hasJournal: boolean;
  readonly leftOut: readonly LeftOut[];
  /** What was done by force, a sentence each. */
  readonly forced: readonly string[];
}

/** One device at a time, until there are enough: mdadm --incremental. */
export interface IncludeCall {
  readonly names: ArrayNames;
  readonly device: string;
  readonly mode: AssemblyMode;
  /** Start with what there is as soon as the level can. */
  readonly run: boolean;
}

export interface IncludeOutcome {
  /** `added`: to an array that runs already, as spare or by its bitmap. */
  readonly kind: "started" | "inactive" | "added";
  readonly array: ArrayView;
  /** In slots, now, and needed to start. */
  readonly present: number;
  readonly needed: number;
}

export interface AddCall {
  readonly array: string;
  readonly device: string;
  /** `member`: re-added where that is possible, else a spare. `re-add`: that or nothing. `spare`: in any case. */
  readonly as: "member" | "re-add" | "spare" | "journal";
  readonly writeMostly: boolean | null;
  readonly failFast: boolean | null;
  /** With re-add: its bad-block log is begun anew or thrown away. */
  readonly update: "bbl" | "no-bbl" | null;
}

export interface AddOutcome {
  readonly kind: "added" | "re-added" | "added-journal";
  readonly array: ArrayView;
}

export interface MemberCall {
  readonly array: string;
  /** A path, "mdN"'s "dev-NAME" without "dev-", or a device number. */
  readonly device: string;
}

export interface ReplaceCall extends MemberCall {
  /** The spare that takes its place; null: any. */
  readonly with: string | null;
}

/** Added or taken away at run time; a change of size that needs no reshape. */
export type GrowCall =
  | {
      readonly kind: "bitmap";
      readonly array: string;
      readonly bitmap: {
        readonly chunkSectors: number | null;
        readonly delaySeconds: number;
        readonly writeBehind: number;
      } | null;
    }
  | {
      readonly kind: "size";
      readonly array: string;
      readonly componentSectors: number | "max";
      /** Copies or parity of what is new agree, or shall be taken to: no resync. */
      readonly assumeClean?: boolean | undefined;
    }
  | { readonly kind: "raid-disks"; readonly array: string; readonly raidDisks: number }
  | { readonly kind: "add-linear"; readonly array: string; readonly device: string }
  | {
      readonly kind: "consistency-policy";
      readonly array: string;
      readonly policy: "resync" | "bitmap" | "ppl";
    };

export type HostEventKind =
  | "DeviceDisappeared"
  | "RebuildStarted"
  | "RebuildFinished"
  | "Fail"
  | "FailSpare"
  | "SpareActive"
  | "NewArray"
  | "DegradedArray"
  | "MoveSpare"
  | "SparesMissing"
  | "Broken"
  | "Changed";

/** mdadm --monitor's words; `Changed` is anything else that a view shows. */
export interface HostEvent {
  /** Counts up by one from 1. */
  readonly number: number;
  readonly wallMs: number;
  readonly kind: HostEventKind;
  /** Path of the array. */
  readonly array: string;
  /** Path of the member it is about. */
  readonly device: string | null;
  readonly detail: string | null;
}

export interface EventsCall {
  /** Those with a higher number. */
  readonly after: number;
  /** Waits so long for the first; 0: does not wait. */
  readonly waitMs: number;
}

export interface MismatchReport {
  /** Sectors, as mismatch_cnt. */
  readonly total: number;
  /** The first places, and who is wrong there as far as that can be told. */
  readonly listed: readonly Mismatch[];
  /** Sectors of places that are not listed. */
  readonly unlisted: number;
}

export interface ArrayHost {
  /** In the order in which they came. */
  arrays(): Promise<readonly ArrayView[]>;
  array(array: string): Promise<ArrayView>;
  /** @throws `cannot-start` with what stands against it */
  create(call: CreateCall): Promise<CreateOutcome>;
  build(call: BuildCall): Promise<ArrayView>;
  /** @throws `cannot-start` when not even an inactive array can be made of them */
  assemble(call: AssembleCall): Promise<AssembleOutcome>;
  include(call: IncludeCall): Promise<IncludeOutcome>;
  /** Starts an inactive array with what it has. */
  run(array: string): Promise<AssembleOutcome>;
  /**
   * In order: drained, clean, its devices let go. `busy` while clients have it open, unless `force`. It gives what the array was when nothing was
   * written any more; null: it did not run.
   */
  stop(call: { readonly array: string; readonly force: boolean }): Promise<ArrayView | null>;
  /** What writing to a file of md/ in sysfs does. */
  set(call: { readonly array: string; readonly action: SysfsAction }): Promise<void>;
  add(call: AddCall): Promise<AddOutcome>;
  remove(call: MemberCall): Promise<void>;
  fail(call: MemberCall): Promise<void>;
  replace(call: ReplaceCall): Promise<void>;
  grow(call: GrowCall): Promise<ArrayView>;
  mismatches(array: string): Promise<MismatchReport>;
  /** Resolves when nothing runs or waits in the background any more. True if something did. */
  wait(array: string): Promise<boolean>;
  events(call: EventsCall): Promise<readonly HostEvent[]>;
  /** Overwrites superblocks with zeroes. False: there was none. `busy` for a member of a running array. */
  zeroSuperblock(call: { readonly device: string; readonly force: boolean }): Promise<boolean>;
}
