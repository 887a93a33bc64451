/** linear: a range of one device. `DEVICE OFFSET` */
import { quoteWord } from "../../table.ts";
import { OneDeviceTarget, checkRange } from "../../one-device-target.ts";
import type { BlockDevice } from "../../../block/device.ts";
import type { Route, TargetDevice, TargetType } from "../../target.ts";

class LinearRoute implements Route {
  readonly #device: BlockDevice;
  readonly #offset: number;

  constructor({ device }: TargetDevice, offset: number) {
    this.#device = device;
    this.#offset = offset;
  }

  deviceAt(): BlockDevice {
    return this.#device;
  }

  sectorAt(sector: number): number {
    return sector + this.#offset;
  }
}

class LinearTarget extends OneDeviceTarget {
  readonly route: Route;

  constructor(on: TargetDevice, offset: number) {
    super(on, offset);
    this.route = new LinearRoute(on, offset);
  }

  status(): string {
    return "";
  }

  table(): string {
    return `${quoteWord(this.devices[0]!.id)} ${this.offset}`;
  }
}

export const LINEAR: TargetType = {
  name: "linear",
  version: [1, 4, 0],
  isSingleton: false,
  construct: async (context, words) => {
    const word = words.word("the device");
    const offset = words.number("the offset in sectors");
    words.end();
    const device = await context.open(word);
    checkRange(device, offset, context.sectors, (why) => words.wrong(why));
    return new LinearTarget(device, offset);
  },
};
