/** A device that stands over another one and is like it, except for what becomes of bios. */
import type { Bio } from "./bio.ts";
import type { BlockDevice, BlockLimits, Extent } from "./device.ts";

export abstract class DeviceOver implements BlockDevice {
  protected readonly inner: BlockDevice;

  /** Closing it closes `inner`. */
  constructor(inner: BlockDevice) {
    this.inner = inner;
  }

  get name(): string {
    return this.inner.name;
  }

  get sectors(): number {
    return this.inner.sectors;
  }

  get limits(): BlockLimits {
    return this.inner.limits;
  }

  abstract submit(bio: Bio): void;

  extents(sector: number, sectors: number, maxExtents: number): Extent[] {
    return this.inner.extents(sector, sectors, maxExtents);
  }

  close(): Promise<void> {
    return this.inner.close();
  }
}
