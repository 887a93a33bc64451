/**
 * The devices that tables stand on. A mapped device may be open often; any other is opened once for all tables that name it, whatever the
 * way, and closed with the last of them: to the outside device-mapper is one user, as the kernel's is.
 */
import { HoldfastError } from "../base/errors.ts";
import type { BlockDevice } from "../block/device.ts";
import { LentDevice } from "../block/lent.ts";
import { readOnlyError } from "../block/refuse.ts";
import { DM_MAJOR } from "./numbers.ts";
import type { MappedDevice } from "./mapped-device.ts";
import type { TargetDevice } from "./target.ts";

export interface OpenedPath {
  readonly device: BlockDevice;
  /** As tables name it: "8:16", or the path. */
  readonly id: string;
}

/** For what is no mapped device. Both throw a HoldfastError naming the path. */
export interface PathOpener {
  /** The same for all ways to name a device. */
  keyOf(path: string): Promise<string>;
  /** Opens it for writing if that is possible. */
  open(path: string): Promise<OpenedPath>;
  /** What is no mapped device, but stands on this one. */
  standsOn?(path: string, lower: MappedDevice): boolean;
}

interface Shared {
  readonly key: string;
  readonly opened: Promise<OpenedPath>;
  users: number;
}

export class TableDevices {
  readonly #paths: PathOpener;
  readonly #mapped: (word: string) => MappedDevice | null;
  readonly #shared = new Map<string, Shared>();

  /** @param mapped the mapped device that a word names, if it names one */
  constructor(paths: PathOpener, mapped: (word: string) => MappedDevice | null) {
    this.#paths = paths;
    this.#mapped = mapped;
  }

  /** @param user that stands on it. @throws HoldfastError `usage` for a device that would stand on itself */
  async open(word: string, user: MappedDevice, readOnly: boolean): Promise<TargetDevice> {
    const mapped = this.#mapped(word);
    if (mapped !== null) return this.#openMapped(mapped, user, readOnly);
    if (this.#paths.standsOn?.(word, user)) throw onItself(user.name, word);
    const shared = await this.#take(word);
    const { device, id } = await shared.opened;
    if (!readOnly && device.limits.readOnly) {
      await this.#give(shared);
      throw readOnlyError(word);
    }
    const { key } = shared;
    return { device: new LentDevice(device, () => this.#give(shared)), id, key, mapped: null };
  }

  #openMapped(mapped: MappedDevice, user: MappedDevice, readOnly: boolean): TargetDevice {
    // Tables that are being made are seen by who has what open, arrays between devices by the tables there are.
    if (mapped.standsOn(user) || this.standsOn(mapped, user))
      throw onItself(user.name, mapped.name);
    const id = `${DM_MAJOR}:${mapped.minor}`;
    return { device: mapped.open({ readOnly, by: user }), id, key: `dm ${mapped.minor}`, mapped };
  }

  /** Also if it is the same one. */
  standsOn(upper: MappedDevice, lower: MappedDevice): boolean {
    if (upper === lower) return true;
    const below = [upper.live, upper.inactive].flatMap((table) => table?.devices ?? []);
    return below.some(({ mapped, id }) =>
      mapped === null ? (this.#paths.standsOn?.(id, lower) ?? false) : this.standsOn(mapped, lower),
    );
  }

  async #take(word: string): Promise<Shared> {
    const key = await this.#paths.keyOf(word);
    let shared = this.#shared.get(key);
    if (shared === undefined) {
      shared = { key, opened: this.#paths.open(word), users: 0 };
      this.#shared.set(key, shared);
    }
    shared.users += 1;
    try {
      await shared.opened;
      return shared;
    } catch (error) {
      if (this.#shared.get(key) === shared) this.#shared.delete(key);
      throw error;
    }
  }

  async #give(shared: Shared): Promise<void> {
    shared.users -= 1;
    if (shared.users > 0) return;
    this.#shared.delete(shared.key);
    await (await shared.opened).device.close();
  }
}

function onItself(user: string, by: string): HoldfastError {
  return new HoldfastError("usage", `${user} would stand on itself, by ${by}.`);
}
