/**
 * Writes of whole blocks into an overlay: nothing has to be read for them, and they cost no allocation. Blocks are held shared
 * until the store has the data; only then they count as stored.
 */
import type { HoldfastError } from "../base/errors.ts";
import { BioFlags, aim, dropData, ownBio } from "../block/bio.ts";
import type { Bio, OwnBio } from "../block/bio.ts";
import type { BlockDevice } from "../block/device.ts";
import { Pool } from "../block/pool.ts";
import type { Pooled } from "../block/pool.ts";
import type { RangeHold, RangeLock } from "../block/range-lock.ts";
import { BLOCK_SECTORS } from "./overlay-states.ts";
import type { BlockStates } from "./overlay-states.ts";

class BlockWrite implements Pooled {
  isSpare = false;
  parent: Bio | null = null;
  hold: RangeHold | null = null;
  readonly bio: OwnBio;
  readonly locked: (hold: RangeHold) => void;

  constructor(store: BlockDevice, ended: (write: BlockWrite, error: HoldfastError | null) => void) {
    this.bio = ownBio((error) => ended(this, error));
    this.locked = (hold) => {
      this.hold = hold;
      store.submit(this.bio);
    };
  }
}

export class BlockWrites {
  readonly #sectors: number;
  readonly #states: BlockStates;
  readonly #lock: RangeLock;
  readonly #ended: () => void;
  readonly #pool: Pool<BlockWrite>;

  /**
   * @param store has so many sectors as the overlay
   * @param lock of the overlay's blocks
   * @param ended called when a bio is done, right before its own `end`
   */
  constructor(store: BlockDevice, states: BlockStates, lock: RangeLock, ended: () => void) {
    this.#sectors = store.sectors;
    this.#states = states;
    this.#lock = lock;
    this.#ended = ended;
    this.#pool = new Pool(() => new BlockWrite(store, (write, error) => this.#end(write, error)));
  }

  /** Whether a write is of whole blocks (a short last block of the device counts as whole) and wants no flush before it. */
  fits({ sector, sectors, flags }: Bio): boolean {
    const end = sector + sectors;
    const endsWithBlock = end % BLOCK_SECTORS === 0 || end === this.#sectors;
    const startsWithBlock = sector % BLOCK_SECTORS === 0;
    return startsWithBlock && endsWithBlock && sectors > 0 && (flags & BioFlags.preflush) === 0;
  }

  /** @param bio one that fits */
  write(bio: Bio): void {
    const write = this.#pool.take();
    write.parent = bio;
    aim(write.bio, "write", bio.sector, bio.sectors, bio.data, bio.flags);
    const first = bio.sector / BLOCK_SECTORS;
    this.#lock.lock(first, Math.ceil(bio.sectors / BLOCK_SECTORS), "shared", write.locked);
  }

  #end(write: BlockWrite, error: HoldfastError | null): void {
    const parent = write.parent!;
    const hold = write.hold!;
    write.parent = null;
    write.hold = null;
    dropData(write.bio);
    this.#pool.give(write);
    // A failed write leaves the blocks as they were.
    if (error === null) this.#states.setStored(hold.start, hold.end);
    this.#lock.release(hold);
    this.#ended();
    parent.end(error);
  }
}
