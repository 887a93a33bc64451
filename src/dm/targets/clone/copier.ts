/** Copies from the source to the same place of the destination, so many at a time; a copy has a buffer of at most 1 MiB. */
import type { BioEnd } from "../../../block/bio.ts";
import { copySectors } from "../../../block/copy-sectors.ts";
import type { BlockDevice } from "../../../block/device.ts";

const MAX_COPIES = 32;

export class Copier {
  readonly #source: BlockDevice;
  readonly #destination: BlockDevice;
  #running = 0;
  readonly #queue: (() => void)[] = [];

  constructor(source: BlockDevice, destination: BlockDevice) {
    this.#source = source;
    this.#destination = destination;
  }

  /** A copy would begin at once. */
  get hasRoom(): boolean {
    return this.#running < MAX_COPIES;
  }

  copy(sector: number, sectors: number, end: BioEnd): void {
    const start = (): void => {
      this.#running += 1;
      copySectors(this.#source, sector, this.#destination, sector, sectors, (error) => {
        this.#running -= 1;
        this.#queue.shift()?.();
        end(error);
      });
    };
    if (this.hasRoom) start();
    else this.#queue.push(start);
  }
}
