/**
 * A bio on its way through a running array, used again for another one (block/pool.ts).
 *
 *   read   ------------------------------------------------------------------------> the level -> ended
 *   write  -> not suspended -> members flushed, if it says so -> let in by the gate -> the level -> failures recorded -> ended
 *   flush  -> members flushed -> failures recorded -> ended
 */
import type { HoldfastError } from "../../base/errors.ts";
import { aim, BioFlags, dropData, ownBio } from "../../block/bio.ts";
import type { Bio, BioEnd, OwnBio } from "../../block/bio.ts";
import type { Pooled } from "../../block/pool.ts";
import type { Era } from "./eras.ts";

/** What follows when one of the steps above is done. */
export interface RequestSteps {
  preflushed(request: Request, error: HoldfastError | null): void;
  letIn(request: Request): void;
  done(request: Request, error: HoldfastError | null): void;
  recorded(request: Request): void;
}

export class Request implements Pooled {
  isSpare = false;
  bio: Bio | null = null;
  era: Era | null = null;
  /** The gate has counted it in. */
  isInside = false;
  error: HoldfastError | null = null;
  readonly preflushed: BioEnd;
  readonly letIn: () => void;
  readonly done: BioEnd;
  readonly recorded: () => void;
  /** The bio without its preflush; not needed for most. */
  #flushed: OwnBio | null = null;

  constructor(steps: RequestSteps) {
    this.preflushed = (error) => steps.preflushed(this, error);
    this.letIn = () => steps.letIn(this);
    this.done = (error) => steps.done(this, error);
    this.recorded = () => steps.recorded(this);
  }

  start(bio: Bio, era: Era): void {
    this.bio = bio;
    this.era = era;
    this.error = null;
    this.isInside = false;
  }

  /** What the level gets. */
  get flushedBio(): Bio {
    const bio = this.bio!;
    if ((bio.flags & BioFlags.preflush) === 0) return bio;
    this.#flushed ??= ownBio(noEnd);
    const flags = bio.flags & ~BioFlags.preflush;
    return aim(this.#flushed, bio.op, bio.sector, bio.sectors, bio.data, flags);
  }

  /** Lets go of the bio, which the caller ends. */
  finish(): Bio {
    const bio = this.bio!;
    this.bio = null;
    this.era = null;
    this.error = null;
    if (this.#flushed !== null) dropData(this.#flushed);
    return bio;
  }
}

/** Levels are given the end of a bio apart. */
function noEnd(): never {
  throw new Error("a level ends a bio with the end that it was given");
}
