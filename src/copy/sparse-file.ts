/**
 * Writing a copy into a file. In a file that was empty before, what is zero is left out and becomes a hole; on a block
 * device, or over old content, zeros are written like anything else.
 */
import { toHoldfastError } from "../base/errors.ts";
import type { FileHandle } from "../env/files.ts";
import { nonZeroRuns } from "./zeros.ts";

const ZEROS = new Uint8Array(1024 * 1024);

export class SparseFile {
  readonly #file: FileHandle;
  readonly #readsAsZeros: boolean;

  /** @param readsAsZeros the file holds nothing yet */
  constructor(file: FileHandle, readsAsZeros: boolean) {
    this.#file = file;
    this.#readsAsZeros = readsAsZeros;
  }

  /** Borrows `data` until the promise is settled. */
  async write(offsetBytes: number, data: Uint8Array): Promise<void> {
    if (!this.#readsAsZeros) {
      await this.#put(offsetBytes, data);
      return;
    }
    for (const { start, end } of nonZeroRuns(data)) {
      await this.#put(offsetBytes + start, data.subarray(start, end));
    }
  }

  async writeZeros(offsetBytes: number, lengthBytes: number): Promise<void> {
    if (this.#readsAsZeros) return;
    for (let done = 0; done < lengthBytes; done += ZEROS.length) {
      const part = ZEROS.subarray(0, Math.min(ZEROS.length, lengthBytes - done));
      await this.#put(offsetBytes + done, part);
    }
  }

  /** Gives the file its size and waits until everything is on stable storage. */
  async finish(sizeBytes: number): Promise<void> {
    if (this.#readsAsZeros) await this.#file.truncate(sizeBytes);
    await new Promise<void>((resolve, reject) => {
      this.#file.flush((error) => (error === null ? resolve() : reject(toHoldfastError(error))));
    });
  }

  #put(offsetBytes: number, data: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#file.write(data, offsetBytes, (error) =>
        error === null ? resolve() : reject(toHoldfastError(error)),
      );
    });
  }
}
