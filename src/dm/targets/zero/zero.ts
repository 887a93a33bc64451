/** zero: reads give zeros, writes are dropped. No words. */
import type { Bio } from "../../../block/bio.ts";
import { WRITABLE_LIMITS } from "../../../block/device.ts";
import type { Extent } from "../../../block/device.ts";
import type { Target, TargetType } from "../../target.ts";

class ZeroTarget implements Target {
  readonly limits = WRITABLE_LIMITS;
  readonly splitSectors = 0;
  readonly devices = [];

  submit(bio: Bio): void {
    if (bio.op === "read") bio.data.fill(0);
    bio.end(null);
  }

  extents(sector: number, sectors: number): Extent[] {
    return [{ sector, sectors, kind: "hole" }];
  }

  status(): string {
    return "";
  }

  table(): string {
    return "";
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

export const ZERO: TargetType = {
  name: "zero",
  version: [1, 1, 0],
  isSingleton: false,
  construct: (_context, words) => {
    words.end();
    return Promise.resolve(new ZeroTarget());
  },
};
