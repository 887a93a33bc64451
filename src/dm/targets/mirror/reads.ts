/** Reads of a mirror: from one leg after the other while all hold the same there, else from the default mirror alone. */
import { HoldfastError, errorIn } from "../../../base/errors.ts";
import { aim, dropData, ownBio } from "../../../block/bio.ts";
import type { Bio, OwnBio } from "../../../block/bio.ts";
import { Pool } from "../../../block/pool.ts";
import type { Pooled } from "../../../block/pool.ts";
import type { MirrorFailures } from "./failures.ts";
import type { Leg, Legs } from "./legs.ts";

class ReadStep implements Pooled {
  isSpare = false;
  parent: Bio | null = null;
  leg: Leg | null = null;
  /** Bit n: leg n was tried in vain. */
  tried = 0;
  error: HoldfastError | null = null;
  readonly bio: OwnBio;

  constructor(ended: (step: ReadStep, error: HoldfastError | null) => void) {
    this.bio = ownBio((error) => ended(this, error));
  }
}

export class MirrorReads {
  readonly #name: string;
  readonly #legs: Legs;
  readonly #failures: MirrorFailures;
  readonly #isAlike: (sector: number, sectors: number) => boolean;
  readonly #steps = new Pool(() => new ReadStep((step, error) => this.#ended(step, error)));

  /** @param isAlike all legs in use hold the same there */
  constructor(
    name: string,
    legs: Legs,
    failures: MirrorFailures,
    isAlike: (sector: number, sectors: number) => boolean,
  ) {
    this.#name = name;
    this.#legs = legs;
    this.#failures = failures;
    this.#isAlike = isAlike;
  }

  submit(bio: Bio): void {
    const step = this.#steps.take();
    step.parent = bio;
    step.tried = 0;
    step.error = null;
    this.#try(step);
  }

  #try(step: ReadStep): void {
    const { sector, sectors, data, flags } = step.parent!;
    const leg = this.#legs.choose(this.#isAlike(sector, sectors), step.tried);
    if (leg === null) {
      this.#finish(step, errorIn(this.#name, step.error ?? NOBODY));
      return;
    }
    step.leg = leg;
    leg.on.device.submit(aim(step.bio, "read", leg.offset + sector, sectors, data, flags));
  }

  #ended(step: ReadStep, error: HoldfastError | null): void {
    const leg = step.leg!;
    // Who was lost meanwhile may have answered after it lost its cache (law 3).
    if (error === null && leg.isInUse) {
      this.#finish(step, null);
      return;
    }
    if (error !== null && leg.isInUse) this.#failures.readFailed(leg);
    step.error ??= error;
    step.tried |= 1 << leg.index;
    this.#try(step);
  }

  #finish(step: ReadStep, error: HoldfastError | null): void {
    const parent = step.parent!;
    step.parent = null;
    step.leg = null;
    step.error = null;
    dropData(step.bio);
    this.#steps.give(step);
    parent.end(error);
  }
}

const NOBODY = new HoldfastError("io", "No mirror that has everything is left to be read.");
