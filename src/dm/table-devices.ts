/**
 * The devices that tables stand on. A mapped device may be open often; any other is opened once for all tables that name it, whatever the
 * way, and closed with the last of them: to the outside device-mapper is one user, as the kernel's is.
 */
import { HoldfastError } from "../base/errors.ts";
import type { Bio } from "../block/bio.ts";
import type { BlockDevice, BlockLimits, Extent } from "../block/device.ts";
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
    if (mapped !== null) return openMapped(mapped, user, readOnly);
    const shared = await this.#take(word);
    const { device, id } = await shared.opened;
    if (!readOnly && device.limits.readOnly) {
      await this.#give(shared);
      throw readOnlyError(word);
    }
    const { key } = shared;
    return { device: new SharedUse(device, () => this.#give(shared)), id, key, mapped: null };
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

function openMapped(mapped: MappedDevice, user: MappedDevice, readOnly: boolean): TargetDevice {
  if (mapped === user || mapped.standsOn(user))
    throw new HoldfastError("usage", `${user.name} would stand on itself, by ${mapped.name}.`);
  const id = `${DM_MAJOR}:${mapped.minor}`;
  return { device: mapped.open({ readOnly, by: user }), id, key: `dm ${mapped.minor}`, mapped };
}

/** One table's use of a device that others use as well. */
class SharedUse implements BlockDevice {
  readonly #device: BlockDevice;
  #give: (() => Promise<void>) | null;

  constructor(device: BlockDevice, give: () => Promise<void>) {
    this.#device = device;
    this.#give = give;
  }

  get name(): string {
    return this.#device.name;
  }

  get sectors(): number {
    return this.#device.sectors;
  }

  get limits(): BlockLimits {
    return this.#device.limits;
  }

  submit(bio: Bio): void {
    this.#device.submit(bio);
  }

  extents(sector: number, sectors: number, maxExtents: number): Extent[] {
    return this.#device.extents(sector, sectors, maxExtents);
  }

  async close(): Promise<void> {
    const give = this.#give;
    this.#give = null;
    await give?.();
  }
}
