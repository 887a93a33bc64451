/**
 * What the verbs work with, as one argument: tests give fakes. Each part is loaded when it is first used, so that a
 * verb does not pay for what it does not need.
 */
import type { BlockDevice } from "../block/device.ts";
import type { Env } from "../env/env.ts";
import type { SetExplanation } from "../md/explanation.ts";
import type { NbdServer, NbdServerOptions } from "../nbd/server.ts";
import type { ExamineReport, ScanReport } from "../volume/report.ts";
import type { OpenedVolumes, OpenRequest } from "../volume/volume.ts";

/** What stays of a started NBD server. */
export type RunningServer = Pick<NbdServer, "address" | "uri" | "stop">;

export type VolumeFileKind = "file" | "folder" | "link" | "other";

export interface VolumeFile {
  /** The last part of its path. */
  readonly name: string;
  readonly kind: VolumeFileKind;
  readonly sizeBytes: number;
  /** Permission bits with set-id and sticky bits, 0..0o7777. */
  readonly mode: number;
  readonly owner: number;
  readonly group: number;
  /** Milliseconds since 1970. */
  readonly modifiedMs: number;
  readonly accessedMs: number;
  readonly links: number;
}

/** A file system inside a volume, read-only. Paths begin with "/"; links are not followed. */
export interface VolumeFiles {
  /** Sentences worth saying: "the journal was replayed in memory". */
  readonly notes: readonly string[];
  stat(path: string): Promise<VolumeFile>;
  /** Without "." and "..". */
  list(path: string): Promise<readonly VolumeFile[]>;
  /** The content in order; a piece is lent until the next one is asked for. */
  read(path: string): AsyncIterable<Uint8Array>;
  readLink(path: string): Promise<string>;
  close(): Promise<void>;
}

export interface Services {
  scan(env: Env, paths: readonly string[]): Promise<ScanReport>;
  examine(env: Env, paths: readonly string[]): Promise<readonly ExamineReport[]>;
  explain(env: Env, paths: readonly string[]): Promise<readonly SetExplanation[]>;
  open(env: Env, request: OpenRequest): Promise<OpenedVolumes>;
  /**
   * A writable layer over a volume, which lives until it is closed; the volume itself is only read.
   * @param folder where what is written is kept meanwhile; null keeps it in memory
   */
  overlay(env: Env, device: BlockDevice, folder: string | null): Promise<BlockDevice>;
  serve(env: Env, options: NbdServerOptions): Promise<RunningServer>;
  files(env: Env, device: BlockDevice): Promise<VolumeFiles>;
}
