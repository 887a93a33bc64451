/** Volumes as the front ends see them. */
import type { BlockDevice } from "../block/device.ts";
import type { VolumeReport } from "./report.ts";

export interface OpenedVolume {
  readonly name: string;
  /** Read-only, unless an overlay lies on top. */
  readonly device: BlockDevice;
  readonly report: VolumeReport;
}

export interface OpenedVolumes {
  readonly volumes: readonly OpenedVolume[];
  /** Sets that were found but could not be started as asked; their verdicts say why. */
  readonly refused: readonly VolumeReport[];
  /** Releases everything, members included. */
  close(): Promise<void>;
}

export interface OpenRequest {
  /** Image files, block devices, folders; the word "missing" stands for an absent member. */
  readonly paths: readonly string[];
  /** Mapped devices as `dmsetup create --concise` takes them, instead of paths. */
  readonly concise?: string;
  /** Only this volume (its name or UUID). */
  readonly volume?: string;
  /** Start sets that need it, by mdadm's rules. */
  readonly force: boolean;
  /** mdadm's --backup-file of a reshape. */
  readonly backupFile?: string;
  /** For a raid0 of unequal members that does not record it. */
  readonly raid0Layout?: "original" | "alternate";
  /** Bytes of replayed journal data that may be held in memory. */
  readonly replayLimitBytes?: number;
}
