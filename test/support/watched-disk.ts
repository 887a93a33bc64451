/** A disk that remembers every object it ever got, to see that requests are made of the same ones again. */
import type { Prng } from "../../src/base/prng.ts";
import type { Bio } from "../../src/block/bio.ts";
import { ArrayDevice } from "./array-device.ts";

export class WatchedDisk extends ArrayDevice {
  readonly bios = new Set<Bio>();
  /** Most bios that were under way at a time. */
  peak = 0;
  /** Bios wait for `finishAll`. */
  override held = true;

  override submit(bio: Bio): void {
    super.submit(bio);
    this.bios.add(bio);
    this.peak = Math.max(this.peak, this.pending.length);
  }
}

/** Completes all there is, in some order, and what is submitted meanwhile. */
export function finishAll(disks: readonly ArrayDevice[], prng: Prng): void {
  for (;;) {
    const busy = disks.filter((disk) => disk.pending.length > 0);
    if (busy.length === 0) return;
    const disk = prng.pick(busy);
    disk.finish(prng.below(disk.pending.length));
  }
}
