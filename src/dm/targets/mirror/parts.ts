/** MirrorParts: who makes the parts of a mirror. */
import { BitmapTracker } from "../../../regions/bitmap-tracker.ts";
import type { BitmapTrackerOptions } from "../../../regions/bitmap-tracker.ts";
import { CoreLog } from "./dirty-log.ts";
import type { DirtyLog, LogOptions } from "./dirty-log.ts";
import { DiskLog } from "./disk-log.ts";
import type { DiskLogOptions } from "./disk-log.ts";
import { Legs } from "./legs.ts";
import type { LegPlace } from "./legs.ts";

export interface MirrorParts {
  readonly legs: (places: readonly LegPlace[]) => Legs;
  readonly coreLog: (options: LogOptions) => DirtyLog;
  readonly diskLog: (options: DiskLogOptions) => DirtyLog;
  readonly tracker: (options: BitmapTrackerOptions) => BitmapTracker;
}

export const MIRROR_PARTS: MirrorParts = {
  legs: (places) => new Legs(places),
  coreLog: (options) => new CoreLog(options),
  diskLog: (options) => new DiskLog(options),
  tracker: (options) => new BitmapTracker(options),
};
