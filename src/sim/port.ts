/** The way in which one process reaches a disk. A dead process gets no answer; the disk does what it was asked all the same. */
import type { Bio } from "../block/bio.ts";
import { WRITABLE_LIMITS } from "../block/device.ts";
import type { BlockDevice, BlockLimits, Extent } from "../block/device.ts";
import { refusal } from "../block/refuse.ts";
import type { SimDisk } from "./disk.ts";
import type { SimProcess } from "./process.ts";

export class DiskPort implements BlockDevice {
  readonly limits: BlockLimits = { ...WRITABLE_LIMITS, discard: false, writeZeroes: false };
  readonly #disk: SimDisk;
  readonly #process: SimProcess;

  constructor(disk: SimDisk, process: SimProcess) {
    this.#disk = disk;
    this.#process = process;
  }

  get name(): string {
    return this.#disk.name;
  }

  get sectors(): number {
    return this.#disk.sectors;
  }

  submit(bio: Bio): void {
    // A dead process asks for nothing.
    if (!this.#process.isAlive) return;
    const refused = refusal(this, bio);
    if (refused !== null) {
      bio.end(refused);
      return;
    }
    const { end } = bio;
    const { books } = this.#process;
    books.asked(this.name);
    this.#disk.ask(bio, (error) => {
      books.answered(this.name);
      if (this.#process.isAlive) end(error);
    });
  }

  extents(sector: number, sectors: number): Extent[] {
    return [{ sector, sectors, kind: "data" }];
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
