/**
 * AlignedRequests: reads and writes of whole sectors on their way from ByteDevice to its device, without an allocation a request.
 * A write holds its sectors shared until it ends.
 */
import type { HoldfastError } from "../base/errors.ts";
import { SECTOR_BYTES } from "../base/units.ts";
import { ignore } from "../base/nothing.ts";
import { BioFlags, aim, dropData, ownBio } from "./bio.ts";
import type { BioEnd, OwnBio } from "./bio.ts";
import type { BlockDevice } from "./device.ts";
import { Pool } from "./pool.ts";
import type { Pooled } from "./pool.ts";
import type { RangeHold, RangeLock } from "./range-lock.ts";

class AlignedRequest implements Pooled {
  isSpare = false;
  hold: RangeHold | null = null;
  end: BioEnd = ignore;
  readonly bio: OwnBio;
  readonly locked: (hold: RangeHold) => void;

  constructor(
    device: BlockDevice,
    ended: (request: AlignedRequest, error: HoldfastError | null) => void,
  ) {
    this.bio = ownBio((error) => ended(this, error));
    this.locked = (hold) => {
      this.hold = hold;
      device.submit(this.bio);
    };
  }
}

export class AlignedRequests {
  readonly #device: BlockDevice;
  readonly #lock: RangeLock;
  readonly #pool: Pool<AlignedRequest>;

  constructor(device: BlockDevice, lock: RangeLock) {
    this.#device = device;
    this.#lock = lock;
    this.#pool = new Pool(
      () => new AlignedRequest(device, (request, error) => this.#ended(request, error)),
    );
  }

  read(sector: number, data: Uint8Array, end: BioEnd): void {
    const request = this.#pool.take();
    request.end = end;
    const sectors = data.length / SECTOR_BYTES;
    this.#device.submit(aim(request.bio, "read", sector, sectors, data, BioFlags.none));
  }

  /** @param flags BioFlags */
  write(sector: number, data: Uint8Array, flags: number, end: BioEnd): void {
    const request = this.#pool.take();
    request.end = end;
    const sectors = data.length / SECTOR_BYTES;
    aim(request.bio, "write", sector, sectors, data, flags);
    this.#lock.lock(sector, sectors, "shared", request.locked);
  }

  #ended(request: AlignedRequest, error: HoldfastError | null): void {
    const { hold, end } = request;
    request.hold = null;
    request.end = ignore;
    dropData(request.bio);
    this.#pool.give(request);
    if (hold !== null) this.#lock.release(hold);
    end(error);
  }
}
