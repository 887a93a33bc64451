/** Clears the bits of the bitmap, some time after they were set. */
import { HoldfastError, toHoldfastError } from "../../../base/errors.ts";
import { alignDown } from "../../../base/units.ts";
import type { Timer } from "../../../env/env.ts";
import type { Bitmap } from "./bitmap.ts";
import { flushed, locked } from "./parts.ts";
import type { Parts } from "./parts.ts";

export class BitmapCleaner {
  readonly #parts: Parts;
  readonly #bitmap: Bitmap;
  readonly #intervalMs: number;
  #timer: Timer | null = null;
  #running: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(parts: Parts, bitmap: Bitmap, intervalMs: number) {
    this.#parts = parts;
    this.#bitmap = bitmap;
    this.#intervalMs = intervalMs;
  }

  /** A bit was set, or tags were recalculated. */
  later(delayMs = this.#intervalMs): void {
    if (this.#isStopped) return;
    this.#timer ??= this.#parts.env.timers.set(delayMs, () => {
      this.#timer = null;
      this.#running = this.#running
        .then(() => this.#clear())
        .catch((error: unknown) => this.#fail(error));
    });
  }

  /** Resolves when nothing is under way; nothing begins any more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#timer = null;
    await this.#running;
  }

  #fail(error: unknown): void {
    const failed = toHoldfastError(error);
    this.#parts.failure.set(new HoldfastError(failed.code, `the bitmap: ${failed.message}`));
  }

  /**
   * 1 flush, for the most part, 2 nobody writes any more, 3 flush, 4 the bits are cleared, with FUA, 5 writes go on. A bit that were cleared before
   * what was written under it is durable would hide tags that a crash makes wrong.
   */
  async #clear(): Promise<void> {
    const parts = this.#parts;
    if (parts.failure.error !== null) return;
    const { dataSectors } = parts.layout;
    await flushed(parts);
    const hold = await locked(parts, 0, dataSectors);
    try {
      await flushed(parts);
      await this.#bitmap.clear(this.#knownSectors());
    } finally {
      parts.lock.release(hold);
    }
  }

  /** Behind them tags are not recalculated yet: their bits stay. */
  #knownSectors(): number {
    const { superblock, layout } = this.#parts;
    if (!superblock.has("recalculating")) return layout.dataSectors;
    const { recalculatedSectors } = superblock.values;
    if (recalculatedSectors >= layout.dataSectors) return layout.dataSectors;
    return alignDown(recalculatedSectors, this.#bitmap.bitSectors);
  }
}
