/** A device that changes hands: a pool outlives the tables that name its devices, and works with those of the table that is live. */
import type { Bio } from "../../block/bio.ts";
import type { BlockDevice, BlockLimits, Extent } from "../../block/device.ts";

export class CurrentDevice implements BlockDevice {
  current: BlockDevice;

  constructor(current: BlockDevice) {
    this.current = current;
  }

  get name(): string {
    return this.current.name;
  }

  get sectors(): number {
    return this.current.sectors;
  }

  get limits(): BlockLimits {
    return this.current.limits;
  }

  submit(bio: Bio): void {
    this.current.submit(bio);
  }

  extents(sector: number, sectors: number, maxExtents: number): Extent[] {
    return this.current.extents(sector, sectors, maxExtents);
  }

  /** Its table does that. */
  close(): Promise<void> {
    return Promise.resolve();
  }
}
