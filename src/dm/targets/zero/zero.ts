/** zero: reads give zeros, writes are dropped. No words. */
import type { Bio } from "../../../block/bio.ts";
import { NoDeviceTarget } from "../../no-device-target.ts";
import type { TargetType } from "../../target.ts";

class ZeroTarget extends NoDeviceTarget {
  override submit(bio: Bio): void {
    if (bio.op === "read") bio.data.fill(0);
    bio.end(null);
  }
}

export const ZERO: TargetType = {
  name: "zero",
  version: [1, 1, 0],
  isSingleton: false,
  construct: (_context, words) => {
    words.end();
    return Promise.resolve(new ZeroTarget("hole"));
  },
};
