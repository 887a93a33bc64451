/** readOnly(): a device that lets reads through and refuses everything that would change something. */
import type { Bio } from "./bio.ts";
import { READ_ONLY_LIMITS } from "./device.ts";
import type { BlockDevice, BlockLimits, Extent } from "./device.ts";
import { refusal } from "./refuse.ts";

class ReadOnlyDevice implements BlockDevice {
  readonly name: string;
  readonly sectors: number;
  readonly limits: BlockLimits;
  readonly #inner: BlockDevice;

  constructor(inner: BlockDevice) {
    this.#inner = inner;
    this.name = inner.name;
    this.sectors = inner.sectors;
    const { logicalBlockBytes, optimalIoBytes } = inner.limits;
    this.limits = { ...READ_ONLY_LIMITS, logicalBlockBytes, optimalIoBytes };
  }

  submit(bio: Bio): void {
    const refused = refusal(this, bio);
    if (refused !== null) bio.end(refused);
    // Nothing was written through this device, and a flush would make the one below write.
    else if (bio.op === "flush") bio.end(null);
    else this.#inner.submit(bio);
  }

  extents(sector: number, sectors: number, maxExtents: number): Extent[] {
    return this.#inner.extents(sector, sectors, maxExtents);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}

/** Closing it closes `inner`. */
export function readOnly(inner: BlockDevice): BlockDevice {
  return inner.limits.readOnly ? inner : new ReadOnlyDevice(inner);
}
