/**
 * A device whose failed reads give zeros, and that keeps the errors: for looking at several places of a failing disk
 * with code that gives up at the first error. Read-only; borrows the device and does not close it.
 */
import type { HoldfastError } from "../base/errors.ts";
import { readBio } from "../block/bio.ts";
import type { Bio } from "../block/bio.ts";
import type { BlockDevice, BlockLimits, Extent } from "../block/device.ts";
import { refusal } from "../block/refuse.ts";

/** More are of no interest to anybody. */
const MAX_ERRORS = 64;

export class TolerantDevice implements BlockDevice {
  readonly name: string;
  readonly sectors: number;
  readonly limits: BlockLimits;
  readonly errors: HoldfastError[] = [];
  readonly #inner: BlockDevice;

  constructor(inner: BlockDevice) {
    this.name = inner.name;
    this.sectors = inner.sectors;
    this.limits = { ...inner.limits, readOnly: true, discard: false, writeZeroes: false };
    this.#inner = inner;
  }

  submit(bio: Bio): void {
    const refused = refusal(this, bio);
    if (refused !== null) {
      bio.end(refused);
      return;
    }
    if (bio.op !== "read") {
      this.#inner.submit(bio);
      return;
    }
    this.#inner.submit(
      readBio(bio.sector, bio.data, (error) => {
        if (error !== null) {
          if (this.errors.length < MAX_ERRORS) this.errors.push(error);
          bio.data.fill(0);
        }
        bio.end(null);
      }),
    );
  }

  extents(sector: number, sectors: number, maxExtents: number): Extent[] {
    return this.#inner.extents(sector, sectors, maxExtents);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
