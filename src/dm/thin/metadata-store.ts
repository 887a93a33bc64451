/**
 * What a pool keeps on its metadata device, as one transaction after the other: superblock, space maps and the roots of the trees. What the
 * trees say is metadata.ts.
 *
 *   commit:  1 the data device is flushed: what new mappings vouch for is there,
 *            2 space maps, 3 all changed blocks, 4 flush, 5 the superblock with FUA
 * A cut before 5 leaves the commit of before, whose blocks nobody has touched.
 */
import { HoldfastError } from "../../base/errors.ts";
import { readSectors } from "../../block/promises.ts";
import type { BlockDevice } from "../../block/device.ts";
import {
  METADATA_BLOCK_BYTES,
  METADATA_BLOCK_SECTORS,
  SPACE_MAP_ROOT_BYTES,
} from "../../formats/persistent-data.ts";
import {
  DEVICE_DETAILS_BYTES,
  MAPPING_BYTES,
  THIN_MAGIC,
  THIN_SUPERBLOCK,
  THIN_VERSION,
  mappedBlock,
  thinSuperblock,
  thinSuperblockProblem,
} from "../../formats/thin.ts";
import type { ThinSuperblock } from "../../formats/thin.ts";
import { BlockCache } from "../../pdata/block-cache.ts";
import type { CachedBlock } from "../../pdata/block-cache.ts";
import { Btree, subtrees } from "../../pdata/btree.ts";
import type { SpaceMap } from "../../pdata/space-map.ts";
import {
  formatDataMap,
  formatMetadataMap,
  openDataMap,
  openMetadataMap,
  usableBlocks,
} from "../../pdata/space-maps.ts";
import type { StoredMap } from "../../pdata/space-maps.ts";
import { Transaction } from "../../pdata/transaction.ts";

/** Of the superblock, what changes and is not a root of a space map. */
export type ThinState = {
  -readonly [
    Field in
      | "flags"
      | "time"
      | "transactionId"
      | "heldRoot"
      | "dataMappingRoot"
      | "deviceDetailsRoot"
  ]: ThinSuperblock[Field];
};

export interface ThinFormat {
  readonly dataBlockSectors: number;
  readonly dataBlocks: number;
}

/** A superblock as it is found. @throws `bad-metadata`, `io` */
export async function readThinSuperblock(
  device: BlockDevice,
  location = 0,
): Promise<ThinSuperblock> {
  if (device.sectors < METADATA_BLOCK_SECTORS)
    throw new HoldfastError("bad-metadata", `${device.name} is too small for metadata of a pool.`);
  const data = await readSectors(device, location * METADATA_BLOCK_SECTORS, METADATA_BLOCK_SECTORS);
  const problem = location === 0 ? thinSuperblockProblem(data) : null;
  if (problem !== null) throw new HoldfastError("bad-metadata", `${device.name}: ${problem}.`);
  return thinSuperblock.decode(data);
}

export class MetadataStore {
  readonly transaction: Transaction;
  readonly mappings: Btree;
  readonly devices: Btree;
  readonly details: Btree;
  readonly state: ThinState;
  readonly dataBlockSectors: number;
  readonly uuid: Uint8Array;
  readonly #metadata: StoredMap;
  readonly #data: StoredMap;
  readonly #metadataBlocks: number;
  #written: string;

  private constructor(
    transaction: Transaction,
    metadata: StoredMap,
    data: StoredMap,
    superblock: Pick<ThinSuperblock, "dataBlockSectors" | "uuid" | "metadataBlocks"> & ThinState,
  ) {
    this.transaction = transaction;
    this.#metadata = metadata;
    this.#data = data;
    const { map } = data;
    this.mappings = new Btree(transaction, {
      bytes: MAPPING_BYTES,
      inc: (node, offset, count) => addMapped(map, node, offset, count, 1),
      dec: (node, offset, count) => addMapped(map, node, offset, count, -1),
    });
    this.devices = new Btree(transaction, subtrees(this.mappings));
    this.details = new Btree(transaction, { bytes: DEVICE_DETAILS_BYTES });
    const { flags, time, transactionId, heldRoot, dataMappingRoot, deviceDetailsRoot } = superblock;
    this.state = { flags, time, transactionId, heldRoot, dataMappingRoot, deviceDetailsRoot };
    this.dataBlockSectors = superblock.dataBlockSectors;
    this.uuid = superblock.uuid;
    this.#metadataBlocks = superblock.metadataBlocks;
    this.#written = JSON.stringify(this.state);
  }

  /** A pool without devices. Nothing is written before the first commit. */
  static format(device: BlockDevice, { dataBlockSectors, dataBlocks }: ThinFormat): MetadataStore {
    const transaction = new Transaction(new BlockCache(device));
    const blocks = usableBlocks(transaction);
    const metadata = formatMetadataMap(transaction, blocks);
    const data = formatDataMap(transaction, dataBlocks);
    const store = new MetadataStore(transaction, metadata, data, {
      flags: 0,
      time: 0,
      transactionId: 0,
      heldRoot: 0,
      dataMappingRoot: 0,
      deviceDetailsRoot: 0,
      dataBlockSectors,
      uuid: new Uint8Array(16),
      metadataBlocks: blocks,
    });
    store.state.dataMappingRoot = store.devices.empty();
    store.state.deviceDetailsRoot = store.details.empty();
    return store;
  }

  /** @throws `bad-metadata`, `io` */
  static async open(device: BlockDevice): Promise<MetadataStore> {
    const superblock = await readThinSuperblock(device);
    const transaction = new Transaction(new BlockCache(device));
    const metadata = await openMetadataMap(transaction, superblock.metadataSpaceMap);
    const data = openDataMap(transaction, superblock.dataSpaceMap);
    return new MetadataStore(transaction, metadata, data, superblock);
  }

  get metadataMap(): SpaceMap {
    return this.#metadata.map;
  }

  get dataMap(): SpaceMap {
    return this.#data.map;
  }

  get isDirty(): boolean {
    const { transaction, metadataMap, dataMap } = this;
    return (
      transaction.isDirty ||
      metadataMap.isDirty ||
      dataMap.isDirty ||
      JSON.stringify(this.state) !== this.#written
    );
  }

  /** @param flushData the device whose blocks the mappings point to. @throws `io`, `no-space`: the transaction cannot go on */
  async commit(flushData: () => Promise<void>): Promise<void> {
    await flushData();
    await this.dataMap.write();
    await this.metadataMap.write();
    await this.transaction.commit(THIN_SUPERBLOCK, this.superblock());
    this.dataMap.committed();
    this.metadataMap.committed();
    this.#written = JSON.stringify(this.state);
  }

  /** As the next commit writes it, if nothing changes until then. */
  superblock(): Uint8Array {
    const data = new Uint8Array(METADATA_BLOCK_BYTES);
    thinSuperblock.encodeInto(data, 0, {
      ...this.state,
      uuid: this.uuid,
      magic: THIN_MAGIC,
      version: THIN_VERSION,
      dataSpaceMap: this.#data.root(),
      metadataSpaceMap: this.#metadata.root(),
      dataBlockSectors: this.dataBlockSectors,
      metadataBlockSectors: METADATA_BLOCK_SECTORS,
      metadataBlocks: this.#metadataBlocks,
    });
    return data;
  }

  /** A metadata snapshot: a superblock without space maps, and its trees, which have one more user each. @throws `busy` if there is one */
  hold(): void {
    const { transaction, state } = this;
    if (state.heldRoot !== 0)
      throw new HoldfastError("busy", "The pool has a metadata snapshot; release that one first.");
    const block = transaction.newBlock(THIN_SUPERBLOCK);
    const none = new Uint8Array(SPACE_MAP_ROOT_BYTES);
    block.data.set(this.superblock());
    thinSuperblock.encodeInto(block.data, 0, { dataSpaceMap: none, metadataSpaceMap: none });
    transaction.inc(state.dataMappingRoot);
    transaction.inc(state.deviceDetailsRoot);
    state.heldRoot = block.location;
  }

  /** @throws `usage` if there is no metadata snapshot */
  async release(): Promise<void> {
    const { transaction, state } = this;
    if (state.heldRoot === 0)
      throw new HoldfastError("usage", "The pool has no metadata snapshot.");
    const held = await transaction.cache.read(state.heldRoot, THIN_SUPERBLOCK);
    const { dataMappingRoot, deviceDetailsRoot } = thinSuperblock.decode(held.data);
    await this.devices.delete(dataMappingRoot);
    await this.details.delete(deviceDetailsRoot);
    transaction.dec(state.heldRoot);
    state.heldRoot = 0;
  }
}

async function addMapped(
  map: SpaceMap,
  { view }: CachedBlock,
  offset: number,
  count: number,
  by: number,
): Promise<void> {
  for (let index = 0; index < count; index += 1) {
    const block = mappedBlock(view, offset + index * MAPPING_BYTES);
    await map.prepare(block);
    map.add(block, by);
  }
}
