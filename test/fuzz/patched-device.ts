/**
 * A device with some sectors changed and maybe its end cut off, without copying it. Read-only; counts what is read, and
 * can be told to fail in places.
 */
import { HoldfastError } from "../../src/base/errors.ts";
import type { SectorRange } from "../../src/base/units.ts";
import { SECTOR_BYTES } from "../../src/base/units.ts";
import { readBio } from "../../src/block/bio.ts";
import type { Bio } from "../../src/block/bio.ts";
import { READ_ONLY_LIMITS } from "../../src/block/device.ts";
import type { BlockDevice, Extent } from "../../src/block/device.ts";
import { refusal } from "../../src/block/refuse.ts";

export class PatchedDevice implements BlockDevice {
  readonly name: string;
  readonly sectors: number;
  readonly limits = READ_ONLY_LIMITS;
  readonly #base: BlockDevice;
  readonly #patches = new Map<number, Uint8Array>();
  readonly #faults: SectorRange[] = [];
  reads = 0;
  readBytes = 0;

  constructor(base: BlockDevice, sectors = base.sectors) {
    this.#base = base;
    this.name = base.name;
    this.sectors = sectors;
  }

  /** Puts whole sectors over the device; what lies behind its end is dropped. */
  patch(sector: number, data: Uint8Array): void {
    for (let at = 0; at < data.length; at += SECTOR_BYTES)
      this.#patches.set(sector + at / SECTOR_BYTES, data.slice(at, at + SECTOR_BYTES));
  }

  failReads(range: SectorRange): void {
    this.#faults.push(range);
  }

  submit(bio: Bio): void {
    const refused = refusal(this, bio);
    if (refused !== null || bio.op !== "read") {
      bio.end(refused);
      return;
    }
    this.reads += 1;
    this.readBytes += bio.data.length;
    const end = bio.sector + bio.sectors;
    const fault = this.#faults.find(
      (one) => bio.sector < one.sector + one.sectors && one.sector < end,
    );
    if (fault !== undefined) {
      bio.end(new HoldfastError("io", `${this.name}: sector ${fault.sector} cannot be read`));
      return;
    }
    this.#base.submit(
      readBio(bio.sector, bio.data, (error) => {
        for (const [sector, data] of this.#patches)
          if (sector >= bio.sector && sector < end)
            bio.data.set(data, (sector - bio.sector) * SECTOR_BYTES);
        bio.end(error);
      }),
    );
  }

  extents(sector: number, sectors: number, maxExtents: number): Extent[] {
    return this.#patches.size > 0
      ? [{ sector, sectors, kind: "data" }]
      : this.#base.extents(sector, sectors, maxExtents);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
