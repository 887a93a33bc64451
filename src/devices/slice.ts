/** A range of another device: a partition, the data area of an array member. It borrows the device and does not close it. */
import { assert } from "../base/assert.ts";
import type { Bio } from "../block/bio.ts";
import type { BlockDevice, BlockLimits, Extent } from "../block/device.ts";
import { InFlight } from "../block/in-flight.ts";
import { isAdmitted } from "../block/admit.ts";
import { Relay } from "../block/relay.ts";

export class SliceDevice implements BlockDevice {
  readonly name: string;
  readonly sectors: number;
  readonly #inner: BlockDevice;
  readonly #startSector: number;
  readonly #inFlight = new InFlight();
  readonly #relay: Relay;

  /** The range must lie inside `inner`: whoever got it from a disk has checked it. */
  constructor(inner: BlockDevice, name: string, startSector: number, sectors: number) {
    assert(startSector >= 0 && sectors >= 0, "a slice is a range");
    assert(startSector + sectors <= inner.sectors, "a slice lies inside its device");
    this.#inner = inner;
    this.#startSector = startSector;
    this.#relay = new Relay(inner, () => this.#inFlight.end());
    this.name = name;
    this.sectors = sectors;
  }

  get limits(): BlockLimits {
    return this.#inner.limits;
  }

  submit(bio: Bio): void {
    if (isAdmitted(this, this.#inFlight, bio))
      this.#relay.pass(bio, bio.op === "flush" ? 0 : bio.sector + this.#startSector);
  }

  extents(sector: number, sectors: number, maxExtents: number): Extent[] {
    return this.#inner
      .extents(sector + this.#startSector, sectors, maxExtents)
      .map((run) => ({ ...run, sector: run.sector - this.#startSector }));
  }

  close(): Promise<void> {
    return this.#inFlight.drain();
  }
}
