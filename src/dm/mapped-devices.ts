/**
 * The mapped devices there are, by name, and what can be done to them: what the ioctls of /dev/mapper/control do for dmsetup. What is done to
 * one device is done one after the other; what is refused has changed nothing.
 */
import { assert } from "../base/assert.ts";
import { HoldfastError, toHoldfastError } from "../base/errors.ts";
import { OneByOne } from "../base/one-by-one.ts";
import type { Env } from "../env/env.ts";
import type { ParityEngine } from "../parity/engine.ts";
import type { SyncScheduler } from "../sync/scheduler.ts";
import { loadTable } from "./load-table.ts";
import type { MappedDevice } from "./mapped-device.ts";
import { DM_MAJOR } from "./numbers.ts";
import { MAPPED_PARTS } from "./parts.ts";
import type { MappedParts } from "./parts.ts";
import type { Table } from "./table.ts";
import { TableDevices } from "./table-devices.ts";
import type { PathOpener } from "./table-devices.ts";
import type { SuspendKind } from "./target.ts";

/** Bytes, with the zero at the end in the kernel. */
const MAX_NAME = 127;
const MAX_UUID = 128;

export interface MappedDevicesOptions {
  readonly env: Env;
  readonly parityEngine: () => ParityEngine;
  readonly scheduler: SyncScheduler;
  /** For devices that are not mapped devices. */
  readonly paths: PathOpener;
  /** It is on its way out, also when that was put off until nobody has it open: nobody is to be let at it any more. */
  readonly removing?: (device: MappedDevice) => void;
  readonly parts?: Partial<MappedParts>;
}

export interface CreateMapped {
  readonly name: string;
  readonly uuid: string;
  /** Null: the lowest that is free. */
  readonly minor: number | null;
}

/** Which device is meant. */
export type MappedRef =
  | { readonly kind: "name"; readonly name: string }
  | { readonly kind: "uuid"; readonly uuid: string }
  | { readonly kind: "number"; readonly major: number; readonly minor: number };

export interface RemoveOptions {
  /** Where somebody has it open it goes when it is closed. */
  readonly deferred: boolean;
}

export class MappedDevices {
  readonly #options: MappedDevicesOptions;
  readonly #parts: MappedParts;
  readonly #devices = new Map<string, MappedDevice>();
  readonly #turns = new WeakMap<MappedDevice, OneByOne>();
  readonly #opened: TableDevices;
  readonly #shared = new Map<string, object>();
  /** Under way, and nobody else waits for them. */
  readonly #removals = new Set<Promise<void>>();

  constructor(options: MappedDevicesOptions) {
    this.#options = options;
    this.#parts = { ...MAPPED_PARTS, ...options.parts };
    this.#opened = new TableDevices(options.paths, (word) => this.named(word));
  }

  /** In the order of their creation. */
  get all(): readonly MappedDevice[] {
    return [...this.#devices.values()];
  }

  /** @throws HoldfastError `not-found` */
  find(ref: MappedRef): MappedDevice {
    const found = this.all.find((device) => isMeant(device, ref));
    if (found === undefined)
      throw new HoldfastError("not-found", `There is no device ${refText(ref)}.`);
    return found;
  }

  /** What a word in a table names: "/dev/mapper/NAME", "/dev/dm-N", "MAJOR:MINOR", or a name. */
  named(word: string): MappedDevice | null {
    const path = /^\/dev\/mapper\/(.+)$/s.exec(word);
    if (path !== null) return this.#devices.get(path[1]!) ?? null;
    const number = /^(?:\/dev\/dm-|254:)(\d+)$/.exec(word);
    if (number !== null) {
      const minor = Number(number[1]);
      return this.all.find((device) => device.minor === minor) ?? null;
    }
    return word.includes("/") ? null : (this.#devices.get(word) ?? null);
  }

  /** Whether bios to `upper` may come to `lower`. */
  standsOn(upper: MappedDevice, lower: MappedDevice): boolean {
    return this.#opened.standsOn(upper, lower);
  }

  /** Without a table. @throws HoldfastError `usage`, `busy` for a name, uuid or minor number that is taken */
  create({ name, uuid, minor }: CreateMapped): MappedDevice {
    this.#checkName(name);
    this.#checkUuid(uuid);
    const minors = new Set(this.all.map((device) => device.minor));
    if (minor !== null && minors.has(minor))
      throw new HoldfastError("busy", `Minor number ${minor} is taken.`);
    let chosen = minor ?? 0;
    if (minor === null) while (minors.has(chosen)) chosen += 1;
    const device = this.#parts.device(name, uuid, chosen);
    this.#devices.set(name, device);
    this.#turns.set(device, new OneByOne());
    return device;
  }

  #checkName(name: string): void {
    if (name === "" || name.includes("/") || name === "." || name === ".." || name === "control")
      throw new HoldfastError("usage", `"${name}" cannot be the name of a device.`);
    if (name.includes("\0"))
      throw new HoldfastError("usage", "The name of a device has no zero byte in it.");
    if (Buffer.byteLength(name) > MAX_NAME)
      throw new HoldfastError("usage", `The name has more than ${MAX_NAME} bytes.`);
    if (this.#devices.has(name))
      throw new HoldfastError("busy", `There is a device ${name} already.`);
  }

  #checkUuid(uuid: string): void {
    if (Buffer.byteLength(uuid) > MAX_UUID)
      throw new HoldfastError("usage", `The uuid has more than ${MAX_UUID} bytes.`);
    const other = uuid === "" ? undefined : this.all.find((device) => device.uuid === uuid);
    if (other !== undefined)
      throw new HoldfastError("busy", `${other.name} has the uuid ${uuid} already.`);
  }

  /** The device's inactive table. @throws what targets say of it; the device is as it was then */
  load(device: MappedDevice, table: Table, readOnly: boolean): Promise<void> {
    return this.#turn(device, async () => {
      const loaded = await loadTable(table, {
        ...this.#options,
        parts: this.#parts,
        device,
        readOnly,
        opened: this.#opened,
        shared: this.#shared,
      });
      await device.load(loaded);
    });
  }

  clear(device: MappedDevice): Promise<void> {
    return this.#turn(device, () => device.clear());
  }

  suspend(device: MappedDevice, kind: SuspendKind, locksFs: boolean): Promise<void> {
    return this.#turn(device, () => device.suspend(kind, locksFs));
  }

  resume(device: MappedDevice): Promise<void> {
    return this.#turn(device, () => device.resume());
  }

  rename(device: MappedDevice, name: string): void {
    this.#checkName(name);
    device.name = name;
    const { all } = this;
    this.#devices.clear();
    for (const each of all) this.#devices.set(each.name, each);
    if (device.live !== null) device.event();
  }

  /** Only a device without one gets a uuid, and keeps it. */
  setUuid(device: MappedDevice, uuid: string): void {
    if (device.uuid !== "")
      throw new HoldfastError("usage", `${device.name} has the uuid ${device.uuid} already.`);
    if (uuid === "") throw new HoldfastError("usage", "A uuid has at least one character.");
    this.#checkUuid(uuid);
    device.uuid = uuid;
    if (device.live !== null) device.event();
  }

  /** To the live table's target at `sector`. @returns the answer; null: none */
  message(device: MappedDevice, sector: number, words: readonly string[]): Promise<string | null> {
    return this.#turn(device, async () => {
      const placed = device.live?.targets.find(
        ({ start, sectors }) => sector >= start && sector < start + sectors,
      );
      if (placed === undefined)
        throw new HoldfastError("usage", `${device.name} has no target at sector ${sector}.`);
      if (placed.target.message === undefined)
        throw new HoldfastError("usage", `${placed.type.name} takes no messages.`);
      return placed.target.message(words);
    });
  }

  /** @returns "deferred": it will go when it is closed. @throws HoldfastError `busy` while somebody has it open */
  async remove(device: MappedDevice, { deferred }: RemoveOptions): Promise<"removed" | "deferred"> {
    if (device.openCount > 0) {
      if (!deferred)
        throw new HoldfastError(
          "busy",
          `${device.name} is in use: it is open ${device.openCount} times.`,
        );
      device.isDeferredRemoval = true;
      device.whenClosed(() => this.#removeLater(device));
      return "deferred";
    }
    await this.#removeNow(device);
    return "removed";
  }

  #removeNow(device: MappedDevice): Promise<void> {
    this.#options.removing?.(device);
    this.#devices.delete(device.name);
    device.beginRemoval();
    return this.#turns.get(device)!.run(() => device.close());
  }

  #removeLater(device: MappedDevice): void {
    const removal = this.#removeNow(device)
      .catch((error: unknown) => {
        const { message } = toHoldfastError(error);
        this.#options.env.log.write("error", `removing ${device.name}: ${message}`);
      })
      .finally(() => this.#removals.delete(removal));
    this.#removals.add(removal);
  }

  /** All of them, those on top first. @throws HoldfastError `busy` while somebody has one open; nothing is closed then */
  async close(): Promise<void> {
    if (this.all.some((device) => device.isServed))
      throw new HoldfastError("busy", "Mapped devices are in use.");
    // What is on top ends only when what it stands on holds nothing back.
    for (const device of this.all) device.beginRemoval();
    const errors: unknown[] = [];
    while (this.#devices.size > 0 || this.#removals.size > 0) {
      await Promise.all(this.#removals);
      const top = this.all.toReversed().find((device) => device.openCount === 0);
      assert(top !== undefined || this.#devices.size === 0, "some device is on top");
      if (top !== undefined)
        await this.#removeNow(top).catch((error: unknown) => errors.push(error));
    }
    if (errors.length > 0) throw errors[0];
  }

  /** @throws HoldfastError `not-found` for a device that was removed meanwhile */
  #turn<T>(device: MappedDevice, work: () => Promise<T>): Promise<T> {
    return this.#turns.get(device)!.run(() => {
      if (device.isRemoved)
        throw new HoldfastError("not-found", `${device.name} was removed meanwhile.`);
      return work();
    });
  }
}

function isMeant(device: MappedDevice, ref: MappedRef): boolean {
  switch (ref.kind) {
    case "name":
      return device.name === ref.name;
    case "uuid":
      return device.uuid === ref.uuid;
    case "number":
      return ref.major === DM_MAJOR && device.minor === ref.minor;
  }
}

function refText(ref: MappedRef): string {
  switch (ref.kind) {
    case "name":
      return ref.name;
    case "uuid":
      return `with the uuid ${ref.uuid}`;
    case "number":
      return `${ref.major}:${ref.minor}`;
  }
}
