/** counted(): what goes through a device, in counts and bytes, for reports and metrics. */
import type { HoldfastError } from "../base/errors.ts";
import { SECTOR_BYTES } from "../base/units.ts";
import type { Bio, BioOp } from "./bio.ts";
import type { BlockDevice } from "./device.ts";
import { DeviceOver } from "./over.ts";
import { Relay } from "./relay.ts";

export interface OpStats {
  /** Ended, with or without an error. */
  readonly count: number;
  /** Of those that ended without one. */
  readonly bytes: number;
  readonly errors: number;
}

export interface DeviceStats {
  readonly ops: Readonly<Record<BioOp, OpStats>>;
  readonly inFlight: number;
}

class Counter implements OpStats {
  count = 0;
  bytes = 0;
  errors = 0;
}

class CountedDevice extends DeviceOver {
  readonly #ops: Record<BioOp, Counter> = {
    read: new Counter(),
    write: new Counter(),
    flush: new Counter(),
    discard: new Counter(),
    "write-zeroes": new Counter(),
  };
  readonly #relay: Relay;
  #inFlight = 0;

  constructor(inner: BlockDevice) {
    super(inner);
    this.#relay = new Relay(inner, (bio, error) => this.#count(bio, error));
  }

  /** Live: the numbers go on changing. */
  get stats(): DeviceStats {
    return { ops: this.#ops, inFlight: this.#inFlight };
  }

  submit(bio: Bio): void {
    this.#inFlight += 1;
    this.#relay.pass(bio, bio.sector);
  }

  #count(bio: Bio, error: HoldfastError | null): void {
    const counter = this.#ops[bio.op];
    this.#inFlight -= 1;
    counter.count += 1;
    if (error === null) counter.bytes += bio.sectors * SECTOR_BYTES;
    else counter.errors += 1;
  }
}

/** Closing it closes `inner`. */
export function counted(inner: BlockDevice): BlockDevice & { readonly stats: DeviceStats } {
  return new CountedDevice(inner);
}
