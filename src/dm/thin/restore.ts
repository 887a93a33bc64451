/** Makes metadata out of what it is told: from a file, or from metadata that is damaged. Nothing counts before the superblock, which is written last. */
import { assert } from "../../base/assert.ts";
import { HoldfastError } from "../../base/errors.ts";
import type { BlockDevice } from "../../block/device.ts";
import { MAPPING_BYTES, THIN_NEEDS_CHECK, deviceDetails, putMapping } from "../../formats/thin.ts";
import { putU64 } from "../../pdata/btree-node.ts";
import { MetadataStore } from "./metadata-store.ts";
import type { DeviceFacts, MappingFacts, PoolFacts, PoolVisitor } from "./visitor.ts";

/** Changed blocks that are kept in memory: 16 MiB. */
const MAX_DIRTY = 4096;

export class PoolBuilder implements PoolVisitor {
  readonly #output: BlockDevice;
  #store: MetadataStore | null = null;
  #device: DeviceFacts | null = null;
  #root = 0;
  #mapped = 0;

  /** @param output what is there is lost */
  constructor(output: BlockDevice) {
    this.#output = output;
  }

  get #made(): MetadataStore {
    assert(this.#store !== null, "the pool comes first");
    return this.#store;
  }

  pool(facts: PoolFacts): Promise<void> {
    const { dataBlockSectors, dataBlocks } = facts;
    this.#store = MetadataStore.format(this.#output, { dataBlockSectors, dataBlocks });
    const { state, uuid } = this.#store;
    state.time = facts.time;
    state.transactionId = facts.transactionId;
    // What is made anew needs no check.
    state.flags = facts.flags & ~THIN_NEEDS_CHECK;
    uuid.set(Buffer.from(facts.uuid.replaceAll("-", ""), "hex").subarray(0, uuid.length));
    return Promise.resolve();
  }

  device(facts: DeviceFacts): Promise<void> {
    this.#device = facts;
    this.#root = this.#made.mappings.empty();
    this.#mapped = 0;
    return Promise.resolve();
  }

  async mapping({ origin, data, length, time }: MappingFacts): Promise<void> {
    const { mappings, dataMap, transaction } = this.#made;
    if (data + length > dataMap.blocks)
      throw new HoldfastError(
        "usage",
        `Data block ${data + length - 1} is mapped, and the pool has ${dataMap.blocks} blocks.`,
      );
    const value = new Uint8Array(MAPPING_BYTES);
    const view = new DataView(value.buffer);
    for (let index = 0; index < length; index += 1) {
      await dataMap.prepare(data + index);
      dataMap.add(data + index, 1);
      putMapping(view, 0, data + index, time);
      this.#root = await mappings.insert(this.#root, origin + index, value);
    }
    this.#mapped += length;
    // They belong to no commit, so they may be written at any time.
    if (transaction.cache.dirtyBlocks > MAX_DIRTY) await transaction.cache.writeDirty();
  }

  async deviceEnd(): Promise<void> {
    const { devices, details, state } = this.#made;
    const device = this.#device!;
    const root = new Uint8Array(8);
    putU64(new DataView(root.buffer), 0, this.#root);
    state.dataMappingRoot = await devices.insert(state.dataMappingRoot, device.id, root);
    const value = deviceDetails.encode({ ...device, mappedBlocks: this.#mapped });
    state.deviceDetailsRoot = await details.insert(state.deviceDetailsRoot, device.id, value);
  }

  /** 1 all blocks, 2 flush, 3 the superblock. */
  poolEnd(): Promise<void> {
    return this.#made.commit(() => Promise.resolve());
  }
}
