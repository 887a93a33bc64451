/**
 * The devices that arrays of this host hold, each held once: opened by path, with the name and the numbers by which others know it.
 *
 * Who has a disk has its partitions too, and the other way round. Nobody but this process is kept away here: that is for the opener, which
 * is told to have the device for itself. A device that does not answer for a long time is given up as a whole (devices/deadline.ts): then its
 * arrays go on without it.
 */
import { HoldfastError } from "../base/errors.ts";
import type { BlockDevice } from "../block/device.ts";
import { DM_MAJOR } from "../dm/numbers.ts";
import { DeadlineDevice } from "../devices/deadline.ts";
import type { Env } from "../env/env.ts";
import { collectWritable } from "../volume/collect-writable.ts";
import { collectDevices } from "../volume/devices.ts";
import type { DeviceCollection } from "../volume/devices.ts";
import { locateDevice } from "../volume/locate.ts";
import type { DevicePlace } from "../volume/locate.ts";

/** Opens a device for one user alone. */
export type MemberOpener = (
  env: Env,
  path: string,
  options: { readonly readOnly: boolean; readonly exclusive: boolean },
) => Promise<BlockDevice>;

export interface HeldDevice {
  /** As it was taken; it labels the member. */
  readonly path: string;
  /** A mapped device may have got another name since. */
  readonly currentPath: string;
  readonly device: BlockDevice;
  /** The base name of its path, as the kernel would call it: "sda", "d0.img". */
  readonly name: string;
  readonly major: number;
  readonly minor: number;
  /** Equal for what lies on one disk. */
  readonly disk: string;
  release(): Promise<void>;
}

export interface TakeOptions {
  /** Who wants it, for messages: "/dev/md0". */
  readonly holder: string;
  /** `if-need-be`: where it may not be written, it is opened for reading. */
  readonly readOnly: "no" | "if-need-be";
}

/** Of loop devices, which files are to a kernel. */
const MAJOR = 7;

interface Claim {
  readonly holder: string;
  readonly path: string;
  readonly place: DevicePlace;
  name: string;
  minor: number;
}

function isShared(one: DevicePlace, other: DevicePlace): boolean {
  if (one.disk !== other.disk) return false;
  return one.partitions.every(
    (number, depth) => depth >= other.partitions.length || other.partitions[depth] === number,
  );
}

/** Neither blanks nor what stands behind names in /proc/mdstat. */
function baseName(path: string): string {
  const last = path.slice(path.lastIndexOf("/") + 1).replaceAll(/[^\w.:+@=,-]/g, "_");
  return last === "" ? "device" : last;
}

/** The mapped devices of this host, which are named like others and stand on others. */
export interface MappedMembers {
  /** The same for all paths that name the device; null: it is no mapped device. */
  minorOf(path: string): number | null;
  /** By its name now. */
  pathOf(minor: number): string | null;
  /** @throws HoldfastError `read-only` */
  open(path: string, options: { readonly readOnly: boolean }): BlockDevice;
}

export class DeviceRegistry {
  readonly #env: Env;
  readonly #open: MemberOpener;
  readonly #mapped: MappedMembers;
  readonly #timeoutMs: number | null;
  readonly #claims = new Set<Claim>();

  /** @param timeoutMs for any one request to a device; null: as long as it takes */
  constructor(env: Env, open: MemberOpener, mapped: MappedMembers, timeoutMs: number | null) {
    this.#env = env;
    this.#open = open;
    this.#mapped = mapped;
    this.#timeoutMs = timeoutMs;
  }

  async #locate(path: string): Promise<DevicePlace> {
    const place = await locateDevice(this.#env, path);
    const minor = this.#mapped.minorOf(place.basePath);
    return minor === null ? place : { ...place, disk: `dm ${minor}` };
  }

  /**
   * @throws HoldfastError `busy` when somebody has it, or a part of it; `usage` for a folder; what opening fails with
   */
  async take(path: string, options: TakeOptions): Promise<HeldDevice> {
    const place = await this.#locate(path);
    const claim = this.#claim(path, place, options.holder);
    try {
      const collect = (readOnly: boolean): Promise<DeviceCollection> =>
        this.#collect(path, readOnly);
      return await this.#held(claim, await collectWritable(collect, options.readOnly));
    } catch (error) {
      this.#claims.delete(claim);
      throw error;
    }
  }

  #claim(path: string, place: DevicePlace, holder: string): Claim {
    for (const other of this.#claims)
      if (isShared(place, other.place))
        throw new HoldfastError("busy", `${path} is in use by ${other.holder}`);
    const claim = { holder, path, place, name: this.#freeName(path), minor: this.#freeMinor() };
    this.#claims.add(claim);
    return claim;
  }

  #freeName(path: string): string {
    const wanted = baseName(path);
    const names = new Set([...this.#claims].map(({ name }) => name));
    let name = wanted;
    for (let n = 2; names.has(name); n += 1) name = `${wanted}-${n}`;
    return name;
  }

  #freeMinor(): number {
    const minors = new Set([...this.#claims].map(({ minor }) => minor));
    let minor = 0;
    while (minors.has(minor)) minor += 1;
    return minor;
  }

  #collect(path: string, readOnly: boolean): Promise<DeviceCollection> {
    return collectDevices(this.#env, [path], {
      readOnly,
      open: async (env, base, how) => {
        // One that is suspended answers when it is resumed.
        if (this.#mapped.minorOf(base) !== null) return this.#mapped.open(base, how);
        return this.#bounded(await this.#open(env, base, { ...how, exclusive: true }));
      },
    });
  }

  #bounded(device: BlockDevice): BlockDevice {
    if (this.#timeoutMs === null) return device;
    const { clock, timers, log } = this.#env;
    return new DeadlineDevice(device, {
      clock,
      timers,
      timeoutMs: this.#timeoutMs,
      slowMs: this.#timeoutMs / 10,
      onGivenUp: ({ message }) => log.write("error", message),
    });
  }

  async #held(claim: Claim, collection: DeviceCollection): Promise<HeldDevice> {
    const found = collection.devices.find(({ path }) => path === claim.path);
    if (found === undefined) {
      await collection.close();
      throw new HoldfastError("usage", `${claim.path} is no device`);
    }
    const { path, name, minor, place } = claim;
    const release = async (): Promise<void> => {
      if (!this.#claims.has(claim)) return;
      await collection.close();
      this.#claims.delete(claim);
    };
    const { device } = found;
    const { disk } = place;
    const mapped = place.partitions.length > 0 ? null : this.#mapped.minorOf(place.basePath);
    if (mapped === null)
      return {
        path,
        currentPath: path,
        device,
        name,
        major: MAJOR,
        minor,
        disk,
        release,
      };
    const current = (): string => this.#mapped.pathOf(mapped) ?? path;
    return {
      path,
      get currentPath() {
        return current();
      },
      device,
      name: `dm-${mapped}`,
      major: DM_MAJOR,
      minor: mapped,
      disk,
      release,
    };
  }

  /** Who has the device or a part of it; null: nobody. */
  async holderOf(path: string): Promise<string | null> {
    const place = await this.#locate(path);
    return [...this.#claims].find((one) => isShared(place, one.place))?.holder ?? null;
  }

  /** Is it the same device, however it was named? */
  async isSame(held: HeldDevice, path: string): Promise<boolean> {
    const { currentPath } = held;
    if (currentPath === path) return true;
    const [one, other] = await Promise.all([this.#locate(currentPath), this.#locate(path)]);
    return isShared(one, other) && one.partitions.length === other.partitions.length;
  }
}
