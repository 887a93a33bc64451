/** Opens what tables stand on and is no mapped device: arrays of this host, and devices by way of the registry that arrays use. */
import { HoldfastError } from "../../base/errors.ts";
import type { BlockDevice } from "../../block/device.ts";
import { LentDevice } from "../../block/lent.ts";
import type { MappedDevice } from "../../dm/mapped-device.ts";
import type { OpenedPath, PathOpener } from "../../dm/table-devices.ts";
import type { Env } from "../../env/env.ts";
import { locateDevice } from "../../volume/locate.ts";
import type { DeviceRegistry } from "../device-registry.ts";

/** An array of this host, for tables. */
export interface ArrayBelow {
  readonly kernelName: string;
  readonly path: string;
  readonly major: number;
  readonly minor: number;
  readonly volume: BlockDevice;
  /** Paths of its members. */
  readonly members: readonly string[];
  /** It is not stopped meanwhile. @returns what ends it */
  use(): () => void;
}

export interface TablePathsOptions {
  readonly env: Env;
  readonly registry: DeviceRegistry;
  /** The array that a path names, if it names one. */
  readonly array: (path: string) => ArrayBelow | null;
  /** Whether a path leads to this mapped device, or to one that stands on it. */
  readonly isAbove: (path: string, lower: MappedDevice) => boolean;
}

export interface BlockNumbers {
  readonly major: number;
  readonly minor: number;
  readonly blockName: string;
  readonly path: string;
}

const ABSOLUTE = /^(?:\/|[a-z][a-z+.-]*:\/\/)/;
/** To others device-mapper is one user of a device, however many tables name it. */
const HOLDER = "device-mapper";

export class TablePaths implements PathOpener {
  readonly #options: TablePathsOptions;
  readonly #numbers = new Map<string, BlockNumbers>();

  constructor(options: TablePathsOptions) {
    this.#options = options;
  }

  /** How others know a device that is open, by its key. */
  numbersOf(key: string): BlockNumbers {
    return this.#numbers.get(key) ?? { major: 0, minor: 0, blockName: "", path: key };
  }

  async keyOf(path: string): Promise<string> {
    const array = this.#options.array(path);
    if (array !== null) return `array ${array.kernelName}`;
    if (!ABSOLUTE.test(path))
      throw new HoldfastError(
        "not-found",
        `${path} is no mapped device; other devices are named by absolute paths or NBD URIs.`,
      );
    const { disk, partitions } = await locateDevice(this.#options.env, path);
    return [disk, ...partitions].join(":p");
  }

  standsOn(path: string, lower: MappedDevice): boolean {
    const { array, isAbove } = this.#options;
    return array(path)?.members.some((member) => isAbove(member, lower)) ?? false;
  }

  async open(path: string): Promise<OpenedPath> {
    const key = await this.keyOf(path);
    const array = this.#options.array(path);
    if (array !== null) return this.#openArray(key, array);
    const held = await this.#options.registry.take(path, {
      holder: HOLDER,
      readOnly: "if-need-be",
    });
    const { major, minor, name } = held;
    this.#numbers.set(key, { major, minor, blockName: name, path });
    const close = (): Promise<void> => {
      this.#numbers.delete(key);
      return held.release();
    };
    return { device: new LentDevice(held.device, close), id: path };
  }

  #openArray(key: string, array: ArrayBelow): OpenedPath {
    const { kernelName, path, major, minor, volume } = array;
    const release = array.use();
    this.#numbers.set(key, { major, minor, blockName: kernelName, path });
    const close = (): Promise<void> => {
      this.#numbers.delete(key);
      release();
      return Promise.resolve();
    };
    return { device: new LentDevice(volume, close), id: path };
  }
}
