/** snapshot-origin: a device that has snapshots; whoever writes to it must do so by this one. `DEVICE` */
import { ignore } from "../../../base/nothing.ts";
import type { Bio } from "../../../block/bio.ts";
import type { Extent } from "../../../block/device.ts";
import { Relay } from "../../../block/relay.ts";
import { checkRange } from "../../one-device-target.ts";
import { quoteWord } from "../../table.ts";
import type { Target, TargetDevice, TargetLimits, TargetType } from "../../target.ts";
import { originOf } from "../snapshot/origin.ts";
import type { Origin } from "../snapshot/origin.ts";

class SnapshotOriginTarget implements Target {
  readonly devices: readonly TargetDevice[];
  readonly #on: TargetDevice;
  readonly #origin: Origin;
  readonly #relay: Relay;

  constructor(on: TargetDevice, origin: Origin) {
    this.devices = [on];
    this.#on = on;
    this.#origin = origin;
    this.#relay = new Relay(on.device, ignore);
  }

  get limits(): TargetLimits {
    return { ...this.#on.device.limits, discard: false, writeZeroes: false };
  }

  /** So that a bio waits for few chunks. */
  get splitSectors(): number {
    return this.#origin.minChunkSectors;
  }

  submit(bio: Bio): void {
    const pass = (): void => this.#relay.pass(bio, bio.sector);
    if (bio.op === "read" || bio.op === "flush") pass();
    else this.#origin.beforeWrite(bio.sector, bio.sectors, pass);
  }

  extents(sector: number, sectors: number, maxExtents: number): Extent[] {
    return this.#on.device.extents(sector, sectors, maxExtents);
  }

  status(): string {
    return "";
  }

  table(): string {
    return quoteWord(this.#on.id);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

export const SNAPSHOT_ORIGIN: TargetType = {
  name: "snapshot-origin",
  version: [1, 9, 0],
  isSingleton: false,
  construct: async (context, words) => {
    const word = words.word("the device");
    words.end();
    const device = await context.open(word);
    checkRange(device, 0, context.sectors, (why) => words.wrong(why));
    return new SnapshotOriginTarget(device, originOf(context, device));
  },
};
