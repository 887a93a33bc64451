/**
 * Hydration: regions come to the destination, because somebody writes to them, or in the background, one after the other.
 *
 *   not hydrated --copy, or a write of all of it--> under way --ended--> marked, then whoever waited goes on
 *                                                      '--failed--> not hydrated, who waited fails
 *
 * In the background new copies begin while nobody else uses the clone, up to the threshold of regions under way, and neighbours in batches.
 * Who finds the clone in use, or a copy that failed, looks again a second later.
 */
import { assert } from "../../../base/assert.ts";
import type { HoldfastError } from "../../../base/errors.ts";
import { writeBio } from "../../../block/bio.ts";
import type { Bio } from "../../../block/bio.ts";
import type { BlockDevice } from "../../../block/device.ts";
import type { Timer, Timers } from "../../../env/env.ts";
import type { Tuning } from "./clone-words.ts";
import type { Commits } from "./commits.ts";
import type { Copier } from "./copier.ts";
import type { CloneSizes } from "./superblock.ts";

const RETRY_MS = 1000;
/** Batches that begin in one go: copies between devices that answer at once leave the others their turn. */
const BURST = 64;

export interface HydrationOptions {
  readonly timers: Timers;
  readonly sizes: CloneSizes;
  readonly destination: BlockDevice;
  readonly copier: Copier;
  readonly commits: Commits;
  readonly tuning: Tuning;
  /** Somebody's bios are under way. */
  readonly isInUse: () => boolean;
  /** A bio that waited for its region is looked at again. */
  readonly again: (bio: Bio) => void;
  /** A bio's region could not be hydrated; or, without error, it is done by having hydrated it. */
  readonly end: (bio: Bio, error: HoldfastError | null) => void;
}

export class Hydration {
  readonly #options: HydrationOptions;
  readonly #copier: Copier;
  /** Regions under way, and who waits for them. */
  readonly #waiting = new Map<number, Bio[]>();
  /** Where to look for the next region. */
  #offset = 0;
  #isStopped = true;
  #isStarting = false;
  #timer: Timer | null = null;
  #quiet: (() => void) | null = null;

  constructor(options: HydrationOptions) {
    this.#options = options;
    this.#copier = options.copier;
  }

  /** Regions under way. */
  get inFlight(): number {
    return this.#waiting.size;
  }

  /** If the region is under way the bio waits for that. */
  wait(region: number, bio: Bio): boolean {
    const waiting = this.#waiting.get(region);
    waiting?.push(bio);
    return waiting !== undefined;
  }

  /** A region under way among `from` up to `to`. */
  underWay(from: number, to: number): number | undefined {
    return [...this.#waiting.keys()].find((region) => region >= from && region < to);
  }

  /** For a write to a region that is neither hydrated nor under way. */
  hydrateFor(region: number, bio: Bio): void {
    if (bio.sectors === this.#sectorsOf(region, 1)) this.#overwrite(region, bio);
    else {
      this.#waiting.set(region, [bio]);
      this.#copy(region, 1);
    }
  }

  #sectorsOf(region: number, regions: number): number {
    const { regionSectors, targetSectors } = this.#options.sizes;
    return Math.min(regions * regionSectors, targetSectors - region * regionSectors);
  }

  /** The bio's data instead of the source's. A FUA write is done when the metadata says so too. */
  #overwrite(region: number, bio: Bio): void {
    const { destination, end } = this.#options;
    this.#waiting.set(region, []);
    destination.submit(
      writeBio(bio.sector, bio.data, bio.flags, (error) => {
        const failure = this.#done(region, error);
        end(bio, failure);
      }),
    );
  }

  #copy(region: number, regions: number): void {
    const sector = region * this.#options.sizes.regionSectors;
    this.#copier.copy(sector, this.#sectorsOf(region, regions), (error) => {
      let failure: HoldfastError | null = null;
      for (let each = region; each < region + regions; each += 1) failure = this.#done(each, error);
      if (failure === null) this.wake();
      else this.#wakeIn(RETRY_MS);
    });
  }

  /** 1 the region is marked, 2 who waited goes on: to the destination, or not at all. @returns why it is not hydrated */
  #done(region: number, error: HoldfastError | null): HoldfastError | null {
    const { commits, again, end } = this.#options;
    const waiting = this.#waiting.get(region);
    assert(waiting !== undefined, "a region that is done was under way");
    const isMarked = error === null && commits.mark(region, region + 1);
    const failure = isMarked ? null : (error ?? commits.refusal());
    this.#waiting.delete(region);
    for (const bio of waiting) {
      if (failure === null || bio.op === "discard") again(bio);
      else end(bio, failure);
    }
    if (commits.regions.isComplete) this.#copier.finish();
    if (this.#waiting.size === 0) this.#quiet?.();
    return failure;
  }

  get #isWanted(): boolean {
    const { commits, tuning } = this.#options;
    const { mode, regions } = commits;
    return tuning.isEnabled && !this.#isStopped && mode === "write" && !regions.isComplete;
  }

  /** Goes on in the background, if it may. */
  wake(): void {
    if (this.#isStarting || !this.#isWanted) return;
    this.#isStarting = true;
    let left = BURST;
    while (left > 0 && this.#isWanted && this.#startBatch()) left -= 1;
    this.#isStarting = false;
    if (left === 0) this.#wakeIn(0);
    else if (this.#options.isInUse()) this.#wakeIn(RETRY_MS);
  }

  #wakeIn(delayMs: number): void {
    if (this.#isStopped) return;
    this.#timer ??= this.#options.timers.set(delayMs, () => {
      this.#timer = null;
      this.wake();
    });
  }

  /** @returns false: not now */
  #startBatch(): boolean {
    const { commits, tuning, isInUse } = this.#options;
    const room = tuning.thresholdRegions - this.inFlight;
    if (room <= 0 || isInUse() || !this.#copier.hasRoom) return false;
    const { regions } = commits;
    const first = this.#next(this.#offset, regions.regions) ?? this.#next(0, this.#offset);
    if (first === null) return false;
    const limit = Math.min(regions.regions, first + Math.min(room, tuning.batchRegions || 1));
    let end = first;
    while (end < limit && !regions.has(end) && !this.#waiting.has(end)) {
      this.#waiting.set(end, []);
      end += 1;
    }
    this.#offset = end;
    this.#copy(first, end - first);
    return true;
  }

  /** The first region from `from` on, and before `to`, that is not hydrated and not under way. */
  #next(from: number, to: number): number | null {
    const { regions } = this.#options.commits;
    let at = regions.nextUnhydrated(from, to);
    while (at < to && this.#waiting.has(at)) at = regions.nextUnhydrated(at + 1, to);
    return at < to ? at : null;
  }

  /** Nothing begins in the background any more. */
  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#timer = null;
  }

  /** It is stopped, and nothing is under way. */
  async quiet(): Promise<void> {
    if (this.#waiting.size === 0) return;
    await new Promise<void>((resolve) => (this.#quiet = resolve));
    this.#quiet = null;
  }

  go(): void {
    this.#isStopped = false;
    this.wake();
  }
}
