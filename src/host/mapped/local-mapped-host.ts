/**
 * LocalMappedHost: the mapped devices of this process, on the same devices, arrays and NBD exports as the arrays of LocalArrayHost.
 *
 * A device with a live table is served under its name. Whoever has it open, a client, a table or an array, keeps it from being removed.
 */
import { HoldfastError, toHoldfastError } from "../../base/errors.ts";
import { ignore } from "../../base/nothing.ts";
import type { BlockDevice } from "../../block/device.ts";
import { readOnlyError } from "../../block/refuse.ts";
import { Use } from "../../dm/mapped-use.ts";
import { MappedDevices } from "../../dm/mapped-devices.ts";
import type { MappedDevicesOptions } from "../../dm/mapped-devices.ts";
import type { MappedDevice } from "../../dm/mapped-device.ts";
import { parseTable } from "../../dm/table.ts";
import { TARGET_TYPES } from "../../dm/targets/index.ts";
import type { Log } from "../../env/env.ts";
import type { MappedMembers } from "../device-registry.ts";
import type { ArrayListener, ServedArray } from "../listener.ts";
import type {
  MappedCreateCall,
  MappedHost,
  MappedLoadCall,
  MappedMessageCall,
  MappedStatusCall,
  MappedSuspendCall,
  MappedView,
  TargetTypeView,
} from "./mapped-host.ts";
import { mappedView } from "./mapped-view.ts";
import type { TablePaths } from "./table-paths.ts";

export interface LocalMappedOptions extends Omit<MappedDevicesOptions, "paths" | "removing"> {
  readonly paths: TablePaths;
}

export class LocalMappedHost implements MappedHost, MappedMembers {
  readonly #paths: TablePaths;
  readonly #log: Log;
  readonly #devices: MappedDevices;
  readonly #listeners = new Set<ArrayListener>();
  readonly #served = new Map<MappedDevice, ServedArray>();

  constructor(options: LocalMappedOptions) {
    this.#paths = options.paths;
    this.#log = options.env.log;
    this.#devices = new MappedDevices({
      ...options,
      removing: (device) => this.#withdraw(device),
    });
  }

  /** @throws HoldfastError `not-found` */
  #find(name: string): MappedDevice {
    const found = this.#devices.all.find((device) => device.name === name);
    const meant = found ?? this.#devices.named(name);
    if (meant === null) throw new HoldfastError("not-found", `There is no mapped device ${name}.`);
    return meant;
  }

  /** The mapped device that a path names; null: none. */
  #named(path: string): MappedDevice | null {
    return path.startsWith("/dev/") ? this.#devices.named(path) : null;
  }

  minorOf(path: string): number | null {
    return this.#named(path)?.minor ?? null;
  }

  pathOf(minor: number): string | null {
    const device = this.#devices.all.find((each) => each.minor === minor);
    return device === undefined ? null : `/dev/mapper/${device.name}`;
  }

  open(path: string, { readOnly }: { readonly readOnly: boolean }): BlockDevice {
    const device = this.#named(path);
    if (device === null) throw new HoldfastError("not-found", `There is no mapped device ${path}.`);
    if (!readOnly && device.limits.readOnly) throw readOnlyError(path);
    return device.open({ readOnly });
  }

  /** Whether what a path names stands on this device, or is it. */
  standsOn(path: string, lower: MappedDevice): boolean {
    const device = this.#named(path);
    return device !== null && this.#devices.standsOn(device, lower);
  }

  #view(device: MappedDevice): MappedView {
    return mappedView(device, (key) => this.#paths.numbersOf(key));
  }

  mappedDevices(): Promise<readonly MappedView[]> {
    const views = this.#devices.all.map((device) => this.#view(device));
    return Promise.resolve(views.toSorted((one, other) => (one.name < other.name ? -1 : 1)));
  }

  async mappedDevice(device: string): Promise<MappedView> {
    return this.#view(this.#find(device));
  }

  async mappedCreate(call: MappedCreateCall): Promise<MappedView> {
    const table = call.table === null ? null : parseTable(call.table);
    const device = this.#devices.create(call);
    if (table === null) return this.#view(device);
    try {
      await this.#devices.load(device, table, call.readOnly);
      await this.#devices.resume(device);
    } catch (error) {
      await this.#devices.remove(device, { deferred: false });
      throw error;
    }
    this.#announce(device);
    return this.#view(device);
  }

  async mappedLoad({ device, table, readOnly }: MappedLoadCall): Promise<MappedView> {
    const found = this.#find(device);
    await this.#devices.load(found, parseTable(table), readOnly);
    return this.#view(found);
  }

  async mappedClear(device: string): Promise<MappedView> {
    const found = this.#find(device);
    await this.#devices.clear(found);
    return this.#view(found);
  }

  async mappedSuspend({ device, noFlush, noLockFs }: MappedSuspendCall): Promise<MappedView> {
    const found = this.#find(device);
    await this.#devices.suspend(found, noFlush ? "noflush" : "flush", !noLockFs);
    return this.#view(found);
  }

  async mappedResume(device: string): Promise<MappedView> {
    const found = this.#find(device);
    await this.#devices.resume(found);
    this.#announce(found);
    return this.#view(found);
  }

  async mappedStatus({ device, inactive, noFlush }: MappedStatusCall): Promise<readonly string[]> {
    const found = this.#find(device);
    const table = inactive ? found.inactive : found.live;
    return (await table?.status(!noFlush)) ?? [];
  }

  async mappedMessage(call: MappedMessageCall): Promise<{ readonly answer: string | null }> {
    const { device, sector, words } = call;
    return { answer: await this.#devices.message(this.#find(device), sector, words) };
  }

  async mappedRename({
    device,
    name,
  }: {
    readonly device: string;
    readonly name: string;
  }): Promise<MappedView> {
    const found = this.#find(device);
    this.#devices.rename(found, name);
    const before = this.#served.get(found);
    if (before !== undefined) {
      const after = { ...before, path: `/dev/mapper/${name}` };
      this.#served.set(found, after);
      for (const listener of this.#listeners) listener.renamed?.(after);
    }
    return this.#view(found);
  }

  async mappedSetUuid({
    device,
    uuid,
  }: {
    readonly device: string;
    readonly uuid: string;
  }): Promise<MappedView> {
    const found = this.#find(device);
    this.#devices.setUuid(found, uuid);
    return this.#view(found);
  }

  async mappedRemove({
    device,
    deferred,
  }: {
    readonly device: string;
    readonly deferred: boolean;
  }): Promise<"removed" | "deferred"> {
    const found = this.#find(device);
    const outcome = await this.#devices.remove(found, { deferred });
    const served = this.#served.get(found);
    if (served !== undefined) for (const listener of this.#listeners) listener.closing?.(served);
    return outcome;
  }

  async mappedWait({
    device,
    event,
  }: {
    readonly device: string;
    readonly event: number;
  }): Promise<number> {
    const found = this.#find(device);
    if (found.eventNr === event) await found.waitForEvent(event);
    return found.eventNr;
  }

  targetTypes(): Promise<readonly TargetTypeView[]> {
    return Promise.resolve(TARGET_TYPES.map(({ name, version }) => ({ name, version })));
  }

  listen(listener: ArrayListener): () => void {
    this.#listeners.add(listener);
    for (const served of this.#served.values()) listener.appeared(served);
    return () => this.#listeners.delete(listener);
  }

  /** A client has it open, until what is returned is called; null: it is none of these. @param kernelName "dm-0" */
  use(kernelName: string): (() => void) | null {
    const found = this.#devices.named(`/dev/${kernelName}`);
    if (found === null) return null;
    const use = found.open({ readOnly: found.live?.limits.readOnly ?? true });
    return () => void use.close();
  }

  #announce(device: MappedDevice): void {
    if (device.live === null || device.live.targets.length === 0 || this.#served.has(device))
      return;
    const served: ServedArray = {
      kernelName: `dm-${device.minor}`,
      path: `/dev/mapper/${device.name}`,
      // Clients are counted by `use`.
      volume: new Use(device, false, ignore),
    };
    this.#served.set(device, served);
    for (const listener of this.#listeners) listener.appeared(served);
  }

  #withdraw(device: MappedDevice): void {
    const served = this.#served.get(device);
    if (served === undefined) return;
    this.#served.delete(device);
    // No client has it open.
    for (const listener of this.#listeners) void listener.leaving(served);
  }

  /**
   * What is suspended goes on with the table it has: who stops all of this waits for requests, and none was answered that waited here. Devices
   * that cannot go on fail them.
   */
  async letGo(): Promise<void> {
    for (const device of this.#devices.all.filter(({ isSuspended }) => isSuspended)) {
      try {
        await this.#devices.clear(device);
        if (device.live !== null) await this.#devices.resume(device);
      } catch (thrown) {
        const { message } = toHoldfastError(thrown);
        this.#log.write("error", `${device.name} stays suspended: ${message}`);
        device.beginRemoval();
      }
    }
  }

  /** Those that nobody has open, one after the other until none is left of them. True: one was. */
  async closeIdle(): Promise<boolean> {
    let some = false;
    for (;;) {
      const idle = this.#devices.all.findLast(({ openCount }) => openCount === 0);
      if (idle === undefined) return some;
      some = true;
      await this.#devices.remove(idle, { deferred: false });
    }
  }
}
