/**
 * What the verbs work with, as one argument: tests give fakes. Each part is loaded when it is first used, so that a
 * verb does not pay for what it does not need.
 */
import type { Arena } from "../base/arena.ts";
import type { BlockDevice } from "../block/device.ts";
import type { Env } from "../env/env.ts";
import type { Ext4 } from "../filesystems/ext4.ts";
import type { SetExplanation } from "../md/explanation.ts";
import type { NbdServer, NbdServerOptions } from "../nbd/server.ts";
import type { ExamineReport, ScanReport } from "../volume/report.ts";
import type { OpenedVolumes, OpenRequest } from "../volume/volume.ts";

/** What stays of a started NBD server. */
export type RunningServer = Pick<NbdServer, "address" | "uri" | "stop">;

/** A file system inside a volume, read-only. */
export type VolumeFiles = Pick<Ext4, "notes" | "stat" | "list" | "readFile" | "readLink" | "close">;

export interface Services {
  scan(env: Env, paths: readonly string[]): Promise<ScanReport>;
  examine(env: Env, paths: readonly string[]): Promise<readonly ExamineReport[]>;
  explain(env: Env, paths: readonly string[]): Promise<readonly SetExplanation[]>;
  open(env: Env, request: OpenRequest): Promise<OpenedVolumes>;
  /** Memory in which what an opened volume has lost is rebuilt without copying; null when nothing is lost, or there is none. */
  arena(): Arena | null;
  /**
   * A writable layer over a volume, which lives until it is closed; the volume itself is only read.
   * @param folder where what is written is kept meanwhile; null keeps it in memory
   */
  overlay(env: Env, device: BlockDevice, folder: string | null): Promise<BlockDevice>;
  serve(env: Env, options: NbdServerOptions): Promise<RunningServer>;
  files(device: BlockDevice): Promise<VolumeFiles>;
}
