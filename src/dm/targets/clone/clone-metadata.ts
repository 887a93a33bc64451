/**
 * Metadata of a clone on its device: which regions are hydrated.
 *
 *   commit:  0 the bits to be committed are set apart, 1 the destination is flushed: the data of these regions is there,
 *            2 bits, 3 space map, 4 all changed blocks, 5 flush, 6 the superblock with FUA
 * A cut before 6 leaves the commit of before, whose blocks nobody has touched. A region that is hydrated after 0 may not be covered by the flush:
 * its bit waits for the next commit.
 */
import { HoldfastError } from "../../../base/errors.ts";
import type { BlockDevice } from "../../../block/device.ts";
import {
  CLONE_MAGIC,
  CLONE_SUPERBLOCK,
  CLONE_VERSION,
  cloneSuperblock,
} from "../../../formats/dm-clone.ts";
import { METADATA_BLOCK_BYTES } from "../../../formats/persistent-data.ts";
import { DiskBitset } from "../../../pdata/bitset.ts";
import { BlockCache } from "../../../pdata/block-cache.ts";
import { formatMetadataMap, openMetadataMap, usableBlocks } from "../../../pdata/space-maps.ts";
import type { StoredMap } from "../../../pdata/space-maps.ts";
import { Transaction } from "../../../pdata/transaction.ts";
import { RegionMap } from "./region-map.ts";
import { readCloneSuperblock, regionsOf } from "./superblock.ts";
import type { CloneSizes } from "./superblock.ts";

interface Trees {
  readonly transaction: Transaction;
  readonly map: StoredMap;
  readonly bitset: DiskBitset;
  bitsetRoot: number;
}

export class CloneMetadata {
  readonly regions: RegionMap;
  readonly #sizes: CloneSizes;
  readonly #trees: Trees;
  /** As they are on the device, or will be with the commit that is under way. */
  readonly #stored: Uint8Array;

  private constructor(sizes: CloneSizes, trees: Trees, stored: Uint8Array) {
    this.#sizes = sizes;
    this.#trees = trees;
    this.#stored = stored;
    this.regions = new RegionMap(regionsOf(sizes), stored.slice());
  }

  /** Makes metadata of a clone of which nothing is hydrated. @throws `no-space`, `io` */
  static async format(device: BlockDevice, sizes: CloneSizes): Promise<void> {
    const transaction = new Transaction(new BlockCache(device));
    const map = formatMetadataMap(transaction, usableBlocks(transaction));
    const bitset = new DiskBitset(transaction);
    const bitsetRoot = await bitset.make(regionsOf(sizes));
    await commit({ transaction, map, bitset, bitsetRoot }, sizes);
  }

  /** @throws `usage` for metadata of a clone of other sizes, `bad-metadata`, `io` */
  static async open(device: BlockDevice, sizes: CloneSizes): Promise<CloneMetadata> {
    const found = await readCloneSuperblock(device);
    const { regionSectors, targetSectors } = found;
    if (regionSectors !== sizes.regionSectors || targetSectors !== sizes.targetSectors)
      throw new HoldfastError(
        "usage",
        `${device.name} has the metadata of a clone of ${targetSectors} sectors in regions of ${regionSectors}, and the table says ${sizes.targetSectors} in regions of ${sizes.regionSectors}.`,
      );
    const transaction = new Transaction(new BlockCache(device));
    const map = await openMetadataMap(transaction, found.metadataSpaceMap);
    const bitset = new DiskBitset(transaction);
    const stored = await bitset.load(found.bitsetRoot, regionsOf(sizes));
    const trees: Trees = { transaction, map, bitset, bitsetRoot: found.bitsetRoot };
    return new CloneMetadata(sizes, trees, stored);
  }

  get blocks(): number {
    return this.#trees.map.map.blocks;
  }

  get usedBlocks(): number {
    const { blocks, free } = this.#trees.map.map;
    return blocks - free;
  }

  /** Makes durable what has changed. One at a time; after an error only `open` helps. @throws `io`, `no-space`, `bad-metadata` */
  async commit(flushDestination: () => Promise<void>): Promise<void> {
    const trees = this.#trees;
    const words = this.regions.takeChanged(this.#stored);
    await flushDestination();
    for (const word of words)
      trees.bitsetRoot = await trees.bitset.setWord(trees.bitsetRoot, word, this.#stored);
    await commit(trees, this.#sizes);
  }
}

async function commit({ transaction, map, bitsetRoot }: Trees, sizes: CloneSizes): Promise<void> {
  await map.map.write();
  const superblock = new Uint8Array(METADATA_BLOCK_BYTES);
  cloneSuperblock.encodeInto(superblock, 0, {
    magic: CLONE_MAGIC,
    version: CLONE_VERSION,
    metadataSpaceMap: map.root(),
    ...sizes,
    bitsetRoot,
  });
  await transaction.commit(CLONE_SUPERBLOCK, superblock);
  map.map.committed();
}
