/**
 * Copies from the source to the same place of the destination, so many at a time, each with a buffer of at most 1 MiB. Buffers are used again, and
 * take few bytes together: what was just read is still in the processor's cache when it is written.
 */
import type { BioEnd } from "../../../block/bio.ts";
import { copyBufferBytes, copySectors } from "../../../block/copy-sectors.ts";
import type { BlockDevice } from "../../../block/device.ts";

const MAX_COPIES = 32;
/** Under way; the last copy to begin may go beyond that. */
const MAX_BYTES = 8 * 1024 * 1024;

export class Copier {
  readonly #source: BlockDevice;
  readonly #destination: BlockDevice;
  #running = 0;
  #bytes = 0;
  readonly #queue: (() => void)[] = [];
  readonly #buffers: Uint8Array[] = [];

  constructor(source: BlockDevice, destination: BlockDevice) {
    this.#source = source;
    this.#destination = destination;
  }

  /** A copy would begin at once. */
  get hasRoom(): boolean {
    return this.#running < MAX_COPIES && this.#bytes < MAX_BYTES;
  }

  copy(sector: number, sectors: number, end: BioEnd): void {
    const start = (): void => {
      this.#running += 1;
      const bytes = copyBufferBytes(sectors);
      const buffer = this.#take(bytes);
      this.#bytes += bytes;
      const copied: BioEnd = (error) => {
        this.#buffers.push(buffer);
        this.#bytes -= bytes;
        this.#running -= 1;
        while (this.hasRoom && this.#queue.length > 0) this.#queue.shift()!();
        end(error);
      };
      copySectors(this.#source, sector, this.#destination, sector, sectors, copied, buffer);
    };
    if (this.hasRoom) start();
    else this.#queue.push(start);
  }

  /** The one used last, unless it is too small: then a larger one takes its place. */
  #take(bytes: number): Uint8Array {
    const last = this.#buffers.pop();
    return last !== undefined && last.length >= bytes ? last : new Uint8Array(bytes);
  }

  /** There is nothing more to copy. */
  finish(): void {
    this.#buffers.length = 0;
  }
}
