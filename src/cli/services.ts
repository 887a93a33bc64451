/**
 * What the verbs work with, as one argument: tests give fakes. Each part is loaded when it is first used, so that a
 * verb does not pay for what it does not need.
 */
import type { Arena } from "../base/arena.ts";
import type { BlockDevice } from "../block/device.ts";
import type { RunningEngine } from "../engine/engine.ts";
import type { Env, LogLevel } from "../env/env.ts";
import type { LoopDelays } from "../env/loop-delay.ts";
import type { Ext4 } from "../filesystems/ext4.ts";
import type { SetExplanation } from "../md/explanation.ts";
import type { ExamineReport, ScanReport } from "../volume/report.ts";
import type { OpenedVolumes, OpenRequest } from "../volume/volume.ts";

/** Of the process the command line runs in. */
export interface ProcessFigures {
  readonly residentBytes: number;
  /** Of the main thread. */
  readonly loopDelay: LoopDelays;
}

/** The process as others see it. */
export interface ProcessIds {
  /** Null where users have no numbers. */
  readonly uid: number | null;
  readonly processId: number;
  /** Where relative paths begin. */
  readonly folder: string;
}

/** A file system inside a volume, read-only. */
export type VolumeFiles = Pick<Ext4, "notes" | "stat" | "list" | "readFile" | "readLink" | "close">;

export interface Services {
  scan(env: Env, paths: readonly string[]): Promise<ScanReport>;
  examine(env: Env, paths: readonly string[]): Promise<readonly ExamineReport[]>;
  explain(env: Env, paths: readonly string[]): Promise<readonly SetExplanation[]>;
  open(env: Env, request: OpenRequest): Promise<OpenedVolumes>;
  /** Memory in which what an opened volume has lost is rebuilt without copying; null when nothing is lost, or there is none. */
  arena(): Arena | null;
  files(device: BlockDevice): Promise<VolumeFiles>;
  readonly process: ProcessIds;
  /** Lines of the log below it are not shown; "warning" until then. */
  setLogLevel(level: LogLevel): void;
  /** A data plane in a thread of its own (for `daemon` one with arrays that run), whose `stop` is the caller's to call. What it logs goes to the Env's log. */
  startEngine(): Promise<RunningEngine>;
  /** Starts watching; the function tells the figures so far. */
  watchProcess(): Promise<() => ProcessFigures>;
}
