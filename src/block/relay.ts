/**
 * Relay: passes bios on to another device, each as a bio of its own, without allocating. For a device that stands between two others
 * and wants to know when a bio ends.
 */
import type { HoldfastError } from "../base/errors.ts";
import { aim, dropData, ownBio } from "./bio.ts";
import type { Bio, OwnBio } from "./bio.ts";
import type { BlockDevice } from "./device.ts";
import { Pool } from "./pool.ts";
import type { Pooled } from "./pool.ts";

/** Called right before the bio's own `end`. */
export type RelayEnded = (bio: Bio, error: HoldfastError | null) => void;

class Passed implements Pooled {
  isSpare = false;
  parent: Bio | null = null;
  readonly bio: OwnBio;

  constructor(ended: (passed: Passed, error: HoldfastError | null) => void) {
    this.bio = ownBio((error) => ended(this, error));
  }
}

export class Relay {
  readonly #target: BlockDevice;
  readonly #ended: RelayEnded;
  readonly #pool = new Pool(() => new Passed((passed, error) => this.#end(passed, error)));

  constructor(target: BlockDevice, ended: RelayEnded) {
    this.#target = target;
    this.#ended = ended;
  }

  /** Submits the same request at another place. */
  pass(bio: Bio, sector: number): void {
    const passed = this.#pool.take();
    passed.parent = bio;
    this.#target.submit(aim(passed.bio, bio.op, sector, bio.sectors, bio.data, bio.flags));
  }

  #end(passed: Passed, error: HoldfastError | null): void {
    const parent = passed.parent!;
    passed.parent = null;
    dropData(passed.bio);
    this.#pool.give(passed);
    this.#ended(parent, error);
    parent.end(error);
  }
}
