/** Who has a mapped device open: a table above it, or whoever serves it. */
import type { Bio } from "../block/bio.ts";
import type { BlockDevice, BlockLimits, Extent } from "../block/device.ts";
import { InFlight } from "../block/in-flight.ts";
import { refusal } from "../block/refuse.ts";
import type { MappedDevice } from "./mapped-device.ts";

export interface MappedUse extends BlockDevice {
  readonly readOnly: boolean;
}

export interface UseOptions {
  readonly readOnly: boolean;
  /** Called before a suspend that flushes: whatever is kept above is to be written down. */
  readonly sync?: () => Promise<void>;
  /** The mapped device that stands on it, if one does. */
  readonly by?: MappedDevice;
}

export class Use implements MappedUse {
  readonly readOnly: boolean;
  readonly #of: MappedDevice;
  readonly #inFlight = new InFlight();
  #closing: Promise<void> | null = null;
  readonly #closed: () => void;

  /** @param closed called once, when nothing of it is under way any more */
  constructor(of: MappedDevice, readOnly: boolean, closed: () => void) {
    this.#of = of;
    this.readOnly = readOnly;
    this.#closed = closed;
  }

  get name(): string {
    return this.#of.name;
  }

  get sectors(): number {
    return this.#of.sectors;
  }

  get limits(): BlockLimits {
    const { limits } = this.#of;
    return this.readOnly && !limits.readOnly ? { ...limits, readOnly: true } : limits;
  }

  submit(bio: Bio): void {
    const refused = this.readOnly ? refusal(this, bio) : null;
    if (refused !== null) {
      bio.end(refused);
      return;
    }
    this.#inFlight.begin();
    this.#of.submit(bio, this.#inFlight);
  }

  extents(sector: number, sectors: number, maxExtents: number): Extent[] {
    return this.#of.extents(sector, sectors, maxExtents);
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#inFlight.drain().then(this.#closed));
  }
}
