/**
 * Writes of a mirror, and flushes: 1 the regions are durably dirty (law 2), 2 all legs in use are written, 3 if one of them failed that is
 * recorded (failures.ts), 4 the write ends; so it is where another write has found that out. A crash before 4 leaves regions that differ marked dirty.
 * Regions that are being synced are written as all others, in turn with background sync, which holds what it copies.
 */
import type { HoldfastError } from "../../../base/errors.ts";
import { aim, dropData, ownBio } from "../../../block/bio.ts";
import type { Bio, BioEnd, OwnBio } from "../../../block/bio.ts";
import { Pool } from "../../../block/pool.ts";
import type { Pooled } from "../../../block/pool.ts";
import type { RangeHold, RangeLock } from "../../../block/range-lock.ts";
import type { RegionTracker } from "../../../regions/region-tracker.ts";
import type { MirrorFailures } from "./failures.ts";
import type { Leg, Legs } from "./legs.ts";

class WriteStep implements Pooled {
  isSpare = false;
  parent: Bio | null = null;
  hold: RangeHold | null = null;
  left = 0;
  /** Bit n: leg n failed. */
  failed = 0;
  error: HoldfastError | null = null;
  readonly granted: (hold: RangeHold) => void;
  readonly begun: BioEnd;
  readonly recorded: BioEnd;
  readonly certain: BioEnd;
  /** One a leg. */
  readonly bios: readonly OwnBio[];

  constructor(owner: StepOwner, legs: number) {
    this.granted = (hold) => owner.granted(this, hold);
    this.begun = (error) => owner.begun(this, error);
    this.recorded = (error) => owner.recorded(this, error);
    this.certain = (error) => owner.certain(this, error);
    this.bios = Array.from({ length: legs }, (_unused, leg) =>
      ownBio((error) => owner.ended(this, leg, error)),
    );
  }
}

interface StepOwner {
  granted(step: WriteStep, hold: RangeHold): void;
  begun(step: WriteStep, error: HoldfastError | null): void;
  ended(step: WriteStep, leg: number, error: HoldfastError | null): void;
  recorded(step: WriteStep, error: HoldfastError | null): void;
  certain(step: WriteStep, error: HoldfastError | null): void;
}

export interface WriteOptions {
  readonly legs: Legs;
  readonly locks: RangeLock;
  readonly tracker: RegionTracker;
  readonly failures: MirrorFailures;
  /** Regions were left that differ. */
  readonly wantSync: () => void;
}

export class MirrorWrites {
  readonly #options: WriteOptions;
  readonly #steps: Pool<WriteStep>;
  /** Writes begun and ended, for background sync to make room. */
  readonly foreground = { started: 0, ended: 0 };

  constructor(options: WriteOptions) {
    this.#options = options;
    const owner: StepOwner = {
      granted: (step, hold) => this.#granted(step, hold),
      begun: (step, error) => this.#begun(step, error),
      ended: (step, leg, error) => this.#ended(step, leg, error),
      recorded: (step, error) => this.#recorded(step, error),
      certain: (step, error) => this.#certain(step, error),
    };
    this.#steps = new Pool(() => new WriteStep(owner, options.legs.all.length));
  }

  /** A write, discard, write-zeroes or flush. */
  submit(bio: Bio): void {
    const { failures, locks } = this.#options;
    if (failures.isStopped) {
      failures.stop(bio);
      return;
    }
    const step = this.#steps.take();
    step.parent = bio;
    step.failed = 0;
    step.error = null;
    this.foreground.started += 1;
    if (bio.op === "flush") this.#issue(step);
    else locks.lock(bio.sector, bio.sectors, "shared", step.granted);
  }

  #granted(step: WriteStep, hold: RangeHold): void {
    step.hold = hold;
    const { sector, sectors } = step.parent!;
    this.#options.tracker.beginWrite(sector, sectors, step.begun);
  }

  #begun(step: WriteStep, error: HoldfastError | null): void {
    if (error === null) {
      this.#issue(step);
      return;
    }
    // Nothing was written anywhere.
    const { failures } = this.#options;
    const bio = this.#release(step);
    failures.holdOrFail(bio, error);
  }

  #issue(step: WriteStep): void {
    const { op, sector, sectors, data, flags } = step.parent!;
    const legs = this.#options.legs.inUse;
    step.left = legs.length;
    for (const { index, offset, on } of legs) {
      const at = op === "flush" ? 0 : offset + sector;
      on.device.submit(aim(step.bios[index]!, op, at, sectors, data, flags));
    }
  }

  #ended(step: WriteStep, leg: number, error: HoldfastError | null): void {
    dropData(step.bios[leg]!);
    if (error !== null) {
      step.failed |= 1 << leg;
      step.error ??= error;
    }
    step.left -= 1;
    if (step.left > 0) return;
    const { failures } = this.#options;
    if (step.failed !== 0) this.#fail(step);
    else if (failures.isRecorded) this.#finish(step);
    else failures.whenRecorded(step.certain);
  }

  #certain(step: WriteStep, error: HoldfastError | null): void {
    if (error === null) this.#finish(step);
    else this.#recorded(step, error);
  }

  #finish(step: WriteStep): void {
    const { sector, sectors, op } = step.parent!;
    if (op !== "flush") this.#options.tracker.endWrite(sector, sectors, true);
    this.#release(step).end(null);
  }

  #fail(step: WriteStep): void {
    const { legs, failures } = this.#options;
    const { op } = step.parent!;
    // Whoever cannot discard is as good as before, though no longer like the others.
    if (op === "discard" && step.error!.code === "unsupported") {
      this.#recorded(step, step.error);
      return;
    }
    const failed: readonly Leg[] = legs.all.filter(({ index }) => (step.failed >>> index) & 1);
    failures.lose(failed, op === "flush" ? "flush" : "write", step.error!, step.recorded);
  }

  /** Null: whoever is left has it. */
  #recorded(step: WriteStep, error: HoldfastError | null): void {
    const { tracker, failures, wantSync } = this.#options;
    const { op, sector, sectors } = step.parent!;
    const isRefused = op === "discard" && step.error?.code === "unsupported";
    if (op !== "flush") tracker.endWrite(sector, sectors, error === null);
    const bio = this.#release(step);
    if (isRefused) bio.end(error);
    else failures.settle(bio, error);
    if (error !== null) wantSync();
  }

  /** Of the step nothing is left; its bio is to be ended. */
  #release(step: WriteStep): Bio {
    const { hold } = step;
    const bio = step.parent!;
    step.parent = null;
    step.hold = null;
    step.error = null;
    this.#steps.give(step);
    this.foreground.ended += 1;
    if (hold !== null) this.#options.locks.release(hold);
    return bio;
  }
}
