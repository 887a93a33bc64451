/**
 * Metadata of a thin pool: its devices, where their blocks are, and which data blocks are free.
 *
 * Looking up a mapping needs no promise while its tree's nodes are in memory and nobody changes trees; everything else takes its turn. A change that
 * fails leaves what is in memory torn: only `abort` helps, which goes back to the last commit.
 *
 * Sharing is told by time: the pool's time goes up with every snapshot, mappings carry the time at which they were made, and devices the time at which
 * they were last part of a snapshot. A mapping older than that may be shared.
 */
import { HoldfastError } from "../../base/errors.ts";
import { OneByOne } from "../../base/one-by-one.ts";
import type { BlockDevice } from "../../block/device.ts";
import { NOT_FOUND, NOT_IN_MEMORY } from "../../pdata/btree.ts";
import { putU64 } from "../../pdata/btree-node.ts";
import type { CachedBlock } from "../../pdata/block-cache.ts";
import { usableBlocks } from "../../pdata/space-maps.ts";
import {
  MAPPING_BYTES,
  THIN_NEEDS_CHECK,
  mappedBlock,
  mappedTime,
  putMapping,
} from "../../formats/thin.ts";
import { DeviceTable } from "./device-table.ts";
import type { ThinDevice } from "./device-table.ts";
import { markNeedsCheck } from "./needs-check.ts";
import { MetadataStore } from "./metadata-store.ts";

/** Of a mapping: that of the block does not exist; what is needed is not in memory; else `block` and `isShared` of the metadata say it. */
export type Lookup = "mapped" | "unmapped" | "later";

/** Blocks that are kept for what must always be possible: a tenth, at most 4096. */
const MAX_RESERVED_BLOCKS = 4096;
/** A mapping and its commit need no more: the ways to the leaves of all trees, and the space maps. */
const CHANGE_BLOCKS = 16;

/** Whoever asked made a mistake, which was found before anything had changed. */
export function isRefusal(error: unknown): boolean {
  return (
    error instanceof HoldfastError &&
    (error.code === "usage" || error.code === "not-found" || error.code === "busy")
  );
}

export class ThinMetadata {
  readonly #device: BlockDevice;
  #store: MetadataStore;
  readonly #turns = new OneByOne();
  #devices: DeviceTable;
  #isTorn = false;
  /** What `lookup` found. */
  block = 0;
  isShared = false;

  constructor(device: BlockDevice, store: MetadataStore) {
    this.#device = device;
    this.#store = store;
    this.#devices = new DeviceTable(store);
  }

  get dataBlockSectors(): number {
    return this.#store.dataBlockSectors;
  }

  get transactionId(): number {
    return this.#store.state.transactionId;
  }

  /** 0: there is no metadata snapshot. */
  get heldRoot(): number {
    return this.#store.state.heldRoot;
  }

  get needsCheck(): boolean {
    return (this.#store.state.flags & THIN_NEEDS_CHECK) !== 0;
  }

  get isDirty(): boolean {
    return this.#store.isDirty || this.#devices.hasChanged;
  }

  get dataBlocks(): number {
    return this.#store.dataMap.blocks;
  }

  get freeDataBlocks(): number {
    return this.#store.dataMap.free;
  }

  get metadataBlocks(): number {
    return this.#store.metadataMap.blocks;
  }

  /** Without those that are kept in reserve. */
  get freeMetadataBlocks(): number {
    const { blocks, free } = this.#store.metadataMap;
    return Math.max(0, free - Math.min(MAX_RESERVED_BLOCKS, Math.floor(blocks / 10)));
  }

  /** A block can be mapped, and what that changes committed: the kernel's reserve is too small for that on small devices. */
  get hasRoom(): boolean {
    return this.freeMetadataBlocks > 0 && this.#store.metadataMap.free >= CHANGE_BLOCKS;
  }

  /** Changed blocks in memory. */
  get dirtyBlocks(): number {
    return this.#store.transaction.cache.dirtyBlocks;
  }

  /** A change of trees, in its turn. @throws whatever went wrong; then all is torn, unless it was refused */
  #change<T>(work: () => Promise<T>): Promise<T> {
    return this.#turns.run(async () => {
      this.#checkWhole();
      this.#isTorn = true;
      try {
        const result = await work();
        this.#isTorn = false;
        return result;
      } catch (error) {
        this.#isTorn = !isRefusal(error);
        throw error;
      }
    });
  }

  /** Where a block is, if that can be said at once. */
  lookup(device: ThinDevice, block: number): Lookup {
    if (this.#isTorn) return "later";
    const { cache, details } = device;
    const place = cache.find(block);
    if (place >= 0) {
      this.block = cache.dataBlockAt(place);
      this.isShared = details.snapshottedTime > cache.timeAt(place);
      return "mapped";
    }
    const { mappings } = this.#store;
    const offset = mappings.find(device.root, block);
    if (offset === NOT_IN_MEMORY) return "later";
    if (offset === NOT_FOUND) return "unmapped";
    const { view } = mappings.leaf!;
    const time = mappedTime(view, offset);
    this.block = mappedBlock(view, offset);
    this.isShared = details.snapshottedTime > time;
    cache.keep(block, this.block, time);
    return "mapped";
  }

  /** As `lookup`, with what must be read first. Null: unmapped. @throws `io`, `bad-metadata` */
  locate(device: ThinDevice, block: number): Promise<Located | null> {
    return this.#turns.run(async () => {
      this.#checkWhole();
      const found = await this.#store.mappings.get(device.root, block);
      if (found === null) return null;
      const view = new DataView(found.buffer);
      const isShared = device.details.snapshottedTime > mappedTime(view, 0);
      return { block: mappedBlock(view, 0), isShared };
    });
  }

  #checkWhole(): void {
    if (this.#isTorn)
      throw new HoldfastError("io", "The metadata of the pool could not be changed before.");
  }

  /** @throws `not-found` */
  openDevice(id: number): Promise<ThinDevice> {
    return this.#turns.run(() => this.#devices.open(id));
  }

  closeDevice(device: ThinDevice): void {
    this.#devices.close(device);
  }

  /** A device without mappings. @throws `usage` if it is there */
  createThin(id: number): Promise<void> {
    return this.#change(() => this.#devices.create(id));
  }

  /** A device that shares all mappings with another. @throws `usage`, `not-found` */
  createSnapshot(id: number, originId: number): Promise<void> {
    return this.#change(() => this.#devices.snapshot(id, originId));
  }

  /** @throws `not-found`, `busy` while somebody has it open */
  deleteDevice(id: number): Promise<void> {
    return this.#change(() => this.#devices.delete(id));
  }

  /** A data block that is free, for a mapping to come. Null: there is none now; a commit may bring some. */
  reserve(): Promise<number | null> {
    return this.#turns.run(() => {
      this.#checkWhole();
      return this.#store.dataMap.reserve();
    });
  }

  /** The mapping does not come. */
  giveBack(dataBlock: number): void {
    this.#store.dataMap.giveBack(dataBlock);
  }

  /** One more user of data blocks, or one less. */
  addUsers(block: number, count: number, by: 1 | -1): Promise<void> {
    return this.#change(async () => {
      const { dataMap } = this.#store;
      for (let each = block; each < block + count; each += 1) {
        await dataMap.prepare(each);
        dataMap.add(each, by);
      }
    });
  }

  /** How often a data block is used. */
  users(block: number): Promise<number> {
    return this.#turns.run(async () => {
      await this.#store.dataMap.prepare(block);
      return this.#store.dataMap.count(block);
    });
  }

  /** Maps a block to a data block that was reserved; what it was mapped to has one user less. */
  map(device: ThinDevice, block: number, dataBlock: number): Promise<void> {
    return this.#change(async () => {
      const { mappings, dataMap, state } = this.#store;
      device.cache.forget(block, block + 1);
      await dataMap.prepare(dataBlock);
      dataMap.take(dataBlock);
      const isNew = (await mappings.get(device.root, block)) === null;
      const value = new Uint8Array(MAPPING_BYTES);
      putMapping(new DataView(value.buffer), 0, dataBlock, state.time);
      await this.#changeRoot(device, (root) => mappings.insert(root, block, value));
      // It has changed in any case: a FUA write to the block waits for the commit.
      this.#devices.count(device, isNew ? 1 : 0);
    });
  }

  /** Takes away the mappings of blocks `from` up to `to`; their data blocks have one user less each. */
  unmap(device: ThinDevice, from: number, to: number): Promise<void> {
    return this.#change(async () => {
      const { mappings } = this.#store;
      device.cache.forget(from, to);
      const first = await mappings.next(device.root, from);
      if (first === null || first.key >= to) return;
      await this.#changeRoot(device, async (root) => {
        for (let after = root; ;) {
          const step = await mappings.removeSome(after, from, to);
          after = step.root;
          if (step.removed === 0) return after;
          this.#devices.count(device, -step.removed);
        }
      });
    });
  }

  /** The first run of mapped blocks in `from` up to `to` whose data blocks follow each other. */
  run(device: ThinDevice, from: number, to: number): Promise<MappedRun | null> {
    return this.#turns.run(async () => {
      const { mappings } = this.#store;
      const first = await mappings.next(device.root, from);
      if (first === null || first.key >= to) return null;
      const block = mappedBlock(first.leaf.view, first.offset);
      const time = mappedTime(first.leaf.view, first.offset);
      const isShared = device.details.snapshottedTime > time;
      let count = 1;
      while (first.key + count < to) {
        const next = await mappings.get(device.root, first.key + count);
        if (next === null) break;
        const view = new DataView(next.buffer);
        const isLike = device.details.snapshottedTime > mappedTime(view, 0) === isShared;
        if (mappedBlock(view, 0) !== block + count || !isLike) break;
        count += 1;
      }
      return { from: first.key, dataBlock: block, count, isShared };
    });
  }

  /** What leads to the device's tree is shadowed before the tree: a shared way has one more user of the tree than the tree's count says. */
  async #changeRoot(device: ThinDevice, change: (root: number) => Promise<number>): Promise<void> {
    const { devices, state } = this.#store;
    const put = async ({ view }: CachedBlock, offset: number): Promise<void> => {
      device.root = await change(device.root);
      putU64(view, offset, device.root);
    };
    state.dataMappingRoot = await devices.change(state.dataMappingRoot, device.id, put);
  }

  /** The highest mapped block; null: none is. */
  highest(device: ThinDevice): Promise<number | null> {
    return this.#turns.run(() => this.#store.mappings.last(device.root));
  }

  /** @throws `usage` if it is not `from` now */
  setTransactionId(from: number, to: number): Promise<void> {
    return this.#turns.run(() => {
      const { state } = this.#store;
      if (state.transactionId !== from)
        throw new HoldfastError(
          "usage",
          `The transaction id of the pool is ${state.transactionId}, not ${from}.`,
        );
      state.transactionId = to;
      return Promise.resolve();
    });
  }

  /** Keeps the trees of the last commit for others to read; nothing has changed since. @throws `busy` if there is such a snapshot */
  reserveSnapshot(): Promise<void> {
    return this.#change(() => Promise.resolve(this.#store.hold()));
  }

  /** @throws `usage` if there is none */
  releaseSnapshot(): Promise<void> {
    return this.#change(() => this.#store.release());
  }

  /** More data blocks. */
  growData(blocks: number): Promise<void> {
    return this.#change(() => Promise.resolve(this.#store.dataMap.extend(blocks)));
  }

  /** The blocks that the metadata device has now. */
  get usableMetadataBlocks(): number {
    return usableBlocks(this.#store.transaction);
  }

  growMetadata(): Promise<void> {
    const blocks = this.usableMetadataBlocks;
    return this.#change(() => Promise.resolve(this.#store.metadataMap.extend(blocks)));
  }

  /** Makes all changes durable; without any nothing is written. On an error all is torn. */
  commit(flushData: () => Promise<void>): Promise<void> {
    return this.#turns.run(async () => {
      this.#checkWhole();
      if (!this.isDirty) return;
      try {
        const changed = await this.#devices.write();
        await this.#store.commit(flushData);
        this.#devices.committed(changed);
      } catch (error) {
        this.#isTorn = true;
        throw error;
      }
    });
  }

  /**
   * Back to the last commit, which is marked to be checked before anything else is changed. What was mapped since is not; devices made since are gone for
   * those who have them open as well. @throws `io`, `bad-metadata`: nothing can be had of the metadata
   */
  abort(): Promise<void> {
    return this.#turns.run(async () => {
      await markNeedsCheck(this.#device, true);
      this.#store = await MetadataStore.open(this.#device);
      this.#devices = await DeviceTable.after(this.#devices, this.#store);
      this.#isTorn = false;
    });
  }
}

export interface Located {
  readonly block: number;
  readonly isShared: boolean;
}

export interface MappedRun {
  readonly from: number;
  readonly dataBlock: number;
  readonly count: number;
  readonly isShared: boolean;
}
