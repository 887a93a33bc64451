/**
 * One open handle for all who use parts of a disk. Arrays on partitions of one image are members of one file, which can be had exclusively
 * only once; who uses which part is for the users to see to.
 */
import { HoldfastError } from "../base/errors.ts";
import type { Bio } from "../block/bio.ts";
import type { BlockDevice, BlockLimits, Extent } from "../block/device.ts";
import type { Env } from "../env/env.ts";
import type { OpenedDevice } from "./file.ts";
import type { OpenOptions } from "./open.ts";

type Open = (env: Env, path: string, options: OpenOptions) => Promise<OpenedDevice>;

interface Disk {
  readonly device: Promise<OpenedDevice>;
  readonly readOnly: boolean;
  users: number;
}

/** Opens as `open` does, but what is open already once more only by name. It is closed when the last of its users has closed it. */
export function sharingOpen(open: Open): Open {
  const disks = new Map<string, Disk>();
  return async (env, path, options) => {
    const key = (await env.files.stat(path).catch(() => null))?.identity ?? path;
    let disk = disks.get(key);
    if (disk === undefined) {
      disk = { device: open(env, path, options), readOnly: options.readOnly, users: 0 };
      disks.set(key, disk);
    } else if (disk.readOnly && !options.readOnly) {
      throw new HoldfastError("busy", `${path} is in use here, and may only be read.`);
    }
    const shared = disk;
    shared.users += 1;
    const release = async (): Promise<void> => {
      shared.users -= 1;
      if (shared.users > 0) return;
      disks.delete(key);
      await (await shared.device).close();
    };
    try {
      return new SharedDevice(await shared.device, release);
    } catch (error) {
      shared.users -= 1;
      if (disks.get(key) === shared) disks.delete(key);
      throw error;
    }
  };
}

class SharedDevice implements BlockDevice {
  readonly name: string;
  readonly notes: readonly string[];
  readonly #device: OpenedDevice;
  #release: (() => Promise<void>) | null;

  constructor(device: OpenedDevice, release: () => Promise<void>) {
    this.name = device.name;
    this.notes = device.notes;
    this.#device = device;
    this.#release = release;
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
    const release = this.#release;
    this.#release = null;
    await release?.();
  }
}
