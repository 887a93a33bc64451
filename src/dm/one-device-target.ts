/** A target that passes everything on to one place of one device: the base of linear, and of those that do something on the way. */
import type { Bio } from "../block/bio.ts";
import type { Extent } from "../block/device.ts";
import { Relay } from "../block/relay.ts";
import { ignore } from "../base/nothing.ts";
import type { Target, TargetDevice, TargetLimits } from "./target.ts";

export abstract class OneDeviceTarget implements Target {
  readonly splitSectors: number = 0;
  readonly devices: readonly TargetDevice[];
  protected readonly offset: number;
  readonly #relay: Relay;

  constructor(on: TargetDevice, offset: number) {
    this.devices = [on];
    this.offset = offset;
    this.#relay = new Relay(on.device, ignore);
  }

  get limits(): TargetLimits {
    return this.devices[0]!.device.limits;
  }

  submit(bio: Bio): void {
    this.pass(bio);
  }

  protected pass(bio: Bio): void {
    this.#relay.pass(bio, bio.op === "flush" ? 0 : bio.sector + this.offset);
  }

  extents(sector: number, sectors: number, maxExtents: number): Extent[] {
    return this.devices[0]!.device.extents(sector + this.offset, sectors, maxExtents).map(
      (run) => ({ ...run, sector: run.sector - this.offset }),
    );
  }

  abstract status(): string;

  abstract table(): string;

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** @throws for a range that the device has not */
export function checkRange(
  { device, id }: TargetDevice,
  offset: number,
  sectors: number,
  wrong: (why: string) => Error,
): void {
  if (offset + sectors > device.sectors)
    throw wrong(`${id} has ${device.sectors} sectors, and ${offset + sectors} are needed`);
}
