/** What the options gave so far, whatever the mode: one field a value, null as long as it was not given. */
import type {
  BitmapChoice,
  ConsistencyPolicyChoice,
  ManageAction,
  MetadataChoice,
  MiscAction,
  NamedDevice,
  SizeChoice,
  SyncActionWord,
} from "./command.ts";

/** A device with the action that was in force where it stood. */
export interface DraftDevice extends NamedDevice {
  readonly action: string | null;
}

export class Draft {
  readonly devices: DraftDevice[] = [];

  // What applies to the devices behind it.
  action: MiscAction | ManageAction | null = null;
  writeMostly: boolean | null = null;
  failFast: boolean | null = null;

  verbosity = 0;
  /** Flags that were given, by name: "brief", "scan", "force", "run", ... */
  readonly flags = new Set<string>();
  config: string | null = null;
  homehost: string | null = null;
  prefer: string | null = null;

  level: string | null = null;
  /** As written; a number once the level is known (create, build). */
  layout: number | null = null;
  layoutText: string | null = null;
  raidDevices: number | null = null;
  spareDevices: number | null = null;
  chunkSectors: number | null = null;
  size: SizeChoice | null = null;
  arraySize: SizeChoice | null = null;
  metadata: MetadataChoice | null = null;
  bitmap: BitmapChoice | null = null;
  bitmapChunkBytes: number | null = null;
  delaySeconds: number | null = null;
  writeBehind: number | null = null;
  dataOffset: number | "variable" | null = null;
  nodes: number | null = null;
  homeCluster: string | null = null;
  writeJournal: string | null = null;
  consistencyPolicy: ConsistencyPolicyChoice | null = null;
  logicalBlockBytes: number | null = null;

  uuid: string | null = null;
  name: string | null = null;
  superMinor: number | "dev" | null = null;
  update: string | null = null;
  backupFile: string | null = null;

  syncAction: SyncActionWord | null = null;
  folder: string | null = null;
  subarray: string | null = null;
  rulesFile: string | null = null;

  mail: string | null = null;
  program: string | null = null;
  incrementPercent: number | null = null;
  pidFile: string | null = null;
  path: string | null = null;
}
