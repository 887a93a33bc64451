/** BitmapParts: who makes what a running bitmap is made of. See core-parts.ts. */
import { BitmapTracker } from "../../regions/bitmap-tracker.ts";
import type { BitmapTrackerOptions } from "../../regions/bitmap-tracker.ts";
import { MemberBitmapStore } from "./bitmap-store.ts";
import type { MemberBitmapOptions } from "./bitmap-store.ts";

export interface BitmapParts {
  readonly bitmapStore: (options: MemberBitmapOptions) => MemberBitmapStore;
  readonly tracker: (options: BitmapTrackerOptions) => BitmapTracker;
}

export const BITMAP_PARTS: BitmapParts = {
  bitmapStore: (options) => new MemberBitmapStore(options),
  tracker: (options) => new BitmapTracker(options),
};
