/** What is on a simulated disk, for whoever looks at it from outside: read at once, and never written. */
import type { Bio } from "../../block/bio.ts";
import { READ_ONLY_LIMITS } from "../../block/device.ts";
import type { BlockDevice, Extent } from "../../block/device.ts";
import { refusal } from "../../block/refuse.ts";
import type { SimDisk } from "../disk.ts";

export class ImageDevice implements BlockDevice {
  readonly name: string;
  readonly sectors: number;
  readonly limits = READ_ONLY_LIMITS;
  readonly #disk: SimDisk;

  constructor(disk: SimDisk) {
    this.name = disk.name;
    this.sectors = disk.sectors;
    this.#disk = disk;
  }

  submit(bio: Bio): void {
    const refused = refusal(this, bio);
    if (refused === null && bio.op === "read") this.#disk.content.read(bio.sector, bio.data);
    bio.end(refused);
  }

  extents(sector: number, sectors: number): Extent[] {
    return [{ sector, sectors, kind: "data" }];
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
