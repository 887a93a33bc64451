/**
 * The devices of a pool: what is known of each, in its details and with the root of its mappings. Details that change are kept here until the commit.
 */
import { assert } from "../../base/assert.ts";
import { HoldfastError } from "../../base/errors.ts";
import { deviceDetails } from "../../formats/thin.ts";
import type { DeviceDetails } from "../../formats/thin.ts";
import { getU64, putU64 } from "../../pdata/btree-node.ts";
import { MappingCache } from "./mapping-cache.ts";
import type { MetadataStore } from "./metadata-store.ts";

/** A device that somebody has open, or that has changed. */
export interface ThinDevice {
  readonly id: number;
  /** Of its mappings. */
  root: number;
  details: DeviceDetails;
  hasChanged: boolean;
  /** Of what was written since it was opened some is gone: no flush may say otherwise. */
  hasLost: boolean;
  users: number;
  readonly cache: MappingCache;
}

export class DeviceTable {
  readonly #store: MetadataStore;
  readonly #known = new Map<number, ThinDevice>();

  constructor(store: MetadataStore) {
    this.#store = store;
  }

  /** The devices that were open, as another store has them; those that it has not stay as they are, and are nobody's. */
  static async after(before: DeviceTable, store: MetadataStore): Promise<DeviceTable> {
    const table = new DeviceTable(store);
    for (const device of before.#known.values()) {
      device.cache.clear();
      if (device.hasChanged) device.hasLost = true;
      const stored = await table.#read(device.id);
      if (stored === null || device.users === 0) continue;
      Object.assign(device, { root: stored.root, details: stored.details, hasChanged: false });
      table.#known.set(device.id, device);
    }
    return table;
  }

  get hasChanged(): boolean {
    for (const device of this.#known.values()) if (device.hasChanged) return true;
    return false;
  }

  /** @throws `not-found` */
  async open(id: number): Promise<ThinDevice> {
    const device = await this.#find(id);
    device.users += 1;
    this.#known.set(id, device);
    return device;
  }

  close(device: ThinDevice): void {
    assert(device.users > 0, "a device is closed by those who opened it");
    device.users -= 1;
    if (device.users === 0 && !device.hasChanged) this.#known.delete(device.id);
  }

  async #find(id: number): Promise<ThinDevice> {
    const device = await this.#read(id);
    if (device === null) throw new HoldfastError("not-found", `The pool has no device ${id}.`);
    return device;
  }

  /** As the trees have it, or with what changed since the last commit. */
  async #read(id: number): Promise<ThinDevice | null> {
    const known = this.#known.get(id);
    if (known !== undefined) return known;
    const { details, devices, state } = this.#store;
    const found = await details.get(state.deviceDetailsRoot, id);
    const root = await devices.get(state.dataMappingRoot, id);
    if (found === null || root === null) return null;
    return {
      id,
      root: getU64(new DataView(root.buffer), 0),
      details: deviceDetails.decode(found),
      hasChanged: false,
      hasLost: false,
      users: 0,
      cache: new MappingCache(),
    };
  }

  #changed(device: ThinDevice): void {
    device.hasChanged = true;
    this.#known.set(device.id, device);
  }

  /** So many mappings more, or less. */
  count(device: ThinDevice, by: number): void {
    device.details = { ...device.details, mappedBlocks: device.details.mappedBlocks + by };
    this.#changed(device);
  }

  async create(id: number): Promise<void> {
    await this.#checkNew(id);
    await this.#add(id, this.#store.mappings.empty(), 0);
  }

  async snapshot(id: number, originId: number): Promise<void> {
    await this.#checkNew(id);
    const origin = await this.#find(originId);
    const { transaction, state } = this.#store;
    transaction.inc(origin.root);
    state.time += 1;
    origin.details = { ...origin.details, snapshottedTime: state.time };
    this.#changed(origin);
    await this.#add(id, origin.root, origin.details.mappedBlocks);
  }

  async #checkNew(id: number): Promise<void> {
    if ((await this.#read(id)) !== null)
      throw new HoldfastError("usage", `The pool has a device ${id} already.`);
  }

  async #add(id: number, root: number, mappedBlocks: number): Promise<void> {
    const { devices, state } = this.#store;
    const value = new Uint8Array(8);
    putU64(new DataView(value.buffer), 0, root);
    state.dataMappingRoot = await devices.insert(state.dataMappingRoot, id, value);
    const { transactionId, time } = state;
    const details = { mappedBlocks, transactionId, creationTime: time, snapshottedTime: time };
    const cache = new MappingCache();
    this.#changed({ id, root, details, hasChanged: true, hasLost: false, users: 0, cache });
  }

  async delete(id: number): Promise<void> {
    const device = await this.#find(id);
    if (device.users > 0) throw new HoldfastError("busy", `Device ${id} of the pool is in use.`);
    this.#known.delete(id);
    const { devices, details, state } = this.#store;
    state.deviceDetailsRoot =
      (await details.remove(state.deviceDetailsRoot, id)) ?? state.deviceDetailsRoot;
    state.dataMappingRoot =
      (await devices.remove(state.dataMappingRoot, id)) ?? state.dataMappingRoot;
  }

  /** Changed details into their tree. @returns for `committed` */
  async write(): Promise<ThinDevice[]> {
    const { details, state } = this.#store;
    const changed = [...this.#known.values()].filter(({ hasChanged }) => hasChanged);
    for (const { id, details: value } of changed)
      state.deviceDetailsRoot = await details.insert(
        state.deviceDetailsRoot,
        id,
        deviceDetails.encode(value),
      );
    return changed;
  }

  /** The superblock is written: not before that has a device no changes, for a FUA write waits for it. */
  committed(changed: readonly ThinDevice[]): void {
    for (const device of changed) {
      device.hasChanged = false;
      if (device.users === 0) this.#known.delete(device.id);
    }
  }
}
