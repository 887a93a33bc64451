/**
 * What a mdadm command line asks for, typed by mode. Paths and names are as written; nothing was opened or looked up.
 * Sizes are in sectors of 512 bytes. A field that is null was not given, and the mode's defaults or the configuration decide.
 */
import type { MdVersion } from "../formats/md/superblock.ts";

/** What every mode has. */
export interface CommonOptions {
  /** -v counts up, -q down. */
  readonly verbosity: number;
  readonly brief: boolean;
  readonly export: boolean;
  readonly noDevices: boolean;
  readonly scan: boolean;
  readonly force: boolean;
  readonly test: boolean;
  /** "none", "partitions", a file or a folder. */
  readonly config: string | null;
  /** Null: the configuration's, else the machine's. */
  readonly homehost: string | null;
  /** False after --homehost=<ignore>: arrays of other hosts are as good as local ones. */
  readonly homehostRequired: boolean;
  /** The part of a path that shows which of a device's names to print. */
  readonly prefer: string | null;
}

export type MetadataChoice =
  | { readonly kind: "native"; readonly version: MdVersion | "1" }
  /** Formats of BIOS arrays, named. */
  | { readonly kind: "foreign"; readonly name: "ddf" | "imsm" };

export type BitmapChoice =
  | { readonly kind: "none" | "internal" | "clustered" | "lockless" }
  | { readonly kind: "file"; readonly path: string };

export type SizeChoice = "max" | number;

/** A device as the options before it describe it. */
export interface NamedDevice {
  /** "missing" stands for an empty slot where `missing` is set. */
  readonly path: string;
  readonly missing: boolean;
  /** Null: not said; false: to be cleared. */
  readonly writeMostly: boolean | null;
  readonly failFast: boolean | null;
  /** With --data-offset=variable: what stood behind the colon. */
  readonly dataOffsetSectors: number | null;
}

export type ConsistencyPolicyChoice = "resync" | "bitmap" | "journal" | "ppl";

/** The shape options of create and build. */
interface NewShape {
  readonly array: string;
  readonly devices: readonly NamedDevice[];
  readonly raidDevices: number;
  readonly level: string;
  readonly layout: number | null;
  readonly chunkSectors: number | null;
  readonly size: SizeChoice | null;
  readonly bitmap: BitmapChoice | null;
  readonly bitmapChunkBytes: number | null;
  readonly delaySeconds: number | null;
  readonly writeBehind: number | null;
  readonly assumeClean: boolean;
  readonly run: boolean;
}

export interface CreateCommand extends NewShape {
  readonly mode: "create";
  readonly common: CommonOptions;
  readonly spareDevices: number;
  readonly metadata: MetadataChoice | null;
  readonly uuid: string | null;
  readonly name: string | null;
  readonly readOnly: boolean;
  /** "variable": each device has its own. */
  readonly dataOffset: number | "variable" | null;
  readonly writeZeroes: boolean;
  readonly writeJournal: string | null;
  readonly consistencyPolicy: ConsistencyPolicyChoice | null;
  readonly nodes: number | null;
  readonly homeCluster: string | null;
  readonly logicalBlockBytes: number | null;
}

export interface BuildCommand extends NewShape {
  readonly mode: "build";
  readonly common: CommonOptions;
}

/** What an array must be to be meant. */
export interface Identity {
  readonly uuid: string | null;
  readonly name: string | null;
  /** "dev": the minor number of the array's device. */
  readonly superMinor: number | "dev" | null;
}

export interface AssembleCommand {
  readonly mode: "assemble";
  readonly common: CommonOptions;
  readonly what:
    | { readonly kind: "devices"; readonly array: string; readonly devices: readonly string[] }
    /** These, as the configuration or the identity describes them. */
    | { readonly kind: "arrays"; readonly arrays: readonly string[] }
    | { readonly kind: "all" };
  readonly identity: Identity;
  readonly metadata: MetadataChoice | null;
  readonly update: string | null;
  readonly run: boolean;
  readonly readOnly: boolean;
  readonly noDegraded: boolean;
  readonly backupFile: string | null;
  readonly invalidBackup: boolean;
  readonly freezeReshape: boolean;
  readonly nodes: number | null;
  readonly homeCluster: string | null;
}

export type ManageAction =
  | "add"
  | "add-spare"
  | "add-journal"
  | "re-add"
  | "remove"
  | "fail"
  | "replace"
  | "with";

export interface ManageCommand {
  readonly mode: "manage";
  readonly common: CommonOptions;
  readonly array: string;
  /** Done in this order: read-only, the devices one by one, read-write, run, stop. */
  readonly readOnly: boolean;
  readonly readWrite: boolean;
  readonly run: boolean;
  readonly stop: boolean;
  readonly devices: readonly (NamedDevice & { readonly action: ManageAction })[];
  /** Only with re-add. */
  readonly update: string | null;
}

export type MiscAction =
  | "query"
  | "detail"
  | "examine"
  | "examine-bitmap"
  | "examine-badblocks"
  | "zero-superblock"
  | "run"
  | "stop"
  | "readonly"
  | "readwrite"
  | "wait"
  | "wait-clean"
  | "detail-platform"
  | "kill-subarray"
  | "update-subarray"
  | "udev-rules"
  | "dump"
  | "restore"
  | "action";

export interface MiscCommand {
  readonly mode: "misc";
  readonly common: CommonOptions;
  /** In the order given; each device has the action that was last named before it. */
  readonly devices: readonly { readonly path: string; readonly action: MiscAction }[];
  /** The last one named: what is done with --scan and no device. */
  readonly action: MiscAction;
  readonly metadata: MetadataChoice | null;
  /** --action. */
  readonly syncAction: SyncActionWord | null;
  /** Folder of --dump and --restore. */
  readonly folder: string | null;
  readonly subarray: string | null;
  /** File of --udev-rules; null: standard output. */
  readonly rulesFile: string | null;
  readonly update: string | null;
  readonly name: string | null;
}

export type SyncActionWord = "idle" | "frozen" | "check" | "repair";

export interface MonitorCommand {
  readonly mode: "monitor";
  readonly common: CommonOptions;
  readonly devices: readonly string[];
  readonly mail: string | null;
  readonly program: string | null;
  readonly incrementPercent: number;
  /** Null: MONITORDELAY of the configuration, else 60. */
  readonly delaySeconds: number | null;
  readonly daemonise: boolean;
  readonly pidFile: string | null;
  readonly oneShot: boolean;
  readonly syslog: boolean;
  readonly sharing: boolean;
}

export interface GrowCommand {
  readonly mode: "grow";
  readonly common: CommonOptions;
  readonly array: string;
  readonly add: readonly NamedDevice[];
  readonly raidDevices: number | null;
  readonly size: SizeChoice | null;
  readonly arraySize: SizeChoice | null;
  readonly bitmap: BitmapChoice | null;
  readonly bitmapChunkBytes: number | null;
  readonly delaySeconds: number | null;
  readonly writeBehind: number | null;
  readonly consistencyPolicy: ConsistencyPolicyChoice | null;
  readonly assumeClean: boolean;
  /** Options that ask for a reshape, by name: what has to be refused as long as none is done. */
  readonly reshapeOptions: readonly string[];
  readonly level: string | null;
  readonly layout: string | null;
  readonly chunkSectors: number | null;
  readonly backupFile: string | null;
  readonly continue: boolean;
}

export interface IncrementalCommand {
  readonly mode: "incremental";
  readonly common: CommonOptions;
  readonly what:
    /** `links`: other names of the same device. */
    | { readonly kind: "add"; readonly device: string; readonly links: readonly string[] }
    | { readonly kind: "remove"; readonly device: string; readonly path: string | null }
    | { readonly kind: "rebuild-map" }
    /** Start what can be started. */
    | { readonly kind: "scan" };
  readonly rebuildMap: boolean;
  readonly run: boolean;
  readonly noDegraded: boolean;
  readonly metadata: MetadataChoice | null;
}

export type MdadmCommand =
  | CreateCommand
  | BuildCommand
  | AssembleCommand
  | ManageCommand
  | MiscCommand
  | MonitorCommand
  | GrowCommand
  | IncrementalCommand
  | { readonly mode: "auto-detect"; readonly common: CommonOptions };

/** What a command line comes to. */
export type Parsed =
  | { readonly kind: "command"; readonly command: MdadmCommand }
  /** Help or the version; `topic` is null for the general page. */
  | { readonly kind: "help"; readonly topic: HelpTopic | null }
  | { readonly kind: "version" }
  /** The list of words an option takes, asked for by --update=help. */
  | { readonly kind: "update-words" }
  /** For standard error, without "mdadm: "; lines behind the first are continuations. */
  | {
      readonly kind: "error";
      readonly lines: readonly string[];
      /** Lines that follow as they are. */
      readonly usage?: readonly string[];
      readonly exitCode: 1 | 2;
    };

export type HelpTopic =
  | "options"
  | "config"
  | "assemble"
  | "build"
  | "create"
  | "manage"
  | "misc"
  | "monitor"
  | "grow"
  | "incremental"
  | "auto-detect";
