/** The two kinds of space map: that of the metadata itself, with its index in one block, and that of data, with its index in a tree. */
import {
  INDEX_BLOCK,
  MAX_METADATA_BITMAPS,
  MAX_METADATA_BLOCKS,
  indexEntry,
  indexEntryOffset,
  spaceMapRoot,
} from "../formats/persistent-data.ts";
import type { IndexEntry } from "../formats/persistent-data.ts";
import { HoldfastError } from "../base/errors.ts";
import { assert } from "../base/assert.ts";
import { Btree } from "./btree.ts";
import type { CachedBlock } from "./block-cache.ts";
import { SpaceMap } from "./space-map.ts";
import type { IndexStore } from "./space-map.ts";
import type { Transaction } from "./transaction.ts";

/** A mapping has 40 bits for one. */
const MAX_DATA_BLOCKS = 2 ** 40;

const COUNT: { readonly bytes: number } = { bytes: 4 };

/** Up to 255 entries in one block. */
class IndexInBlock implements IndexStore {
  readonly #transaction: Transaction;
  #block: CachedBlock;

  constructor(transaction: Transaction, block: CachedBlock) {
    this.#transaction = transaction;
    this.#block = block;
  }

  get root(): number {
    return this.#block.location;
  }

  load(page: number): Promise<IndexEntry> {
    return Promise.resolve(indexEntry.decode(this.#block.data, indexEntryOffset(page)));
  }

  async begin(): Promise<void> {
    this.#block = (await this.#transaction.shadow(this.root, INDEX_BLOCK)).block;
  }

  save(page: number, entry: IndexEntry): Promise<void> {
    assert(page < MAX_METADATA_BITMAPS, "the index of the metadata has room");
    indexEntry.encodeInto(this.#block.data, indexEntryOffset(page), entry);
    return Promise.resolve();
  }
}

class IndexInTree implements IndexStore {
  readonly #tree: Btree;
  root: number;

  constructor(transaction: Transaction, root: number | null) {
    this.#tree = new Btree(transaction, { bytes: indexEntry.size });
    this.root = root ?? this.#tree.empty();
  }

  async load(page: number): Promise<IndexEntry> {
    const found = await this.#tree.get(this.root, page);
    if (found === null)
      throw new HoldfastError("bad-metadata", `The space map of the data has no bitmap ${page}.`);
    return indexEntry.decode(found);
  }

  begin(): Promise<void> {
    return Promise.resolve();
  }

  async save(page: number, entry: IndexEntry): Promise<void> {
    this.root = await this.#tree.insert(this.root, page, indexEntry.encode(entry));
  }
}

/** A space map with what a superblock keeps of it. */
export interface StoredMap {
  readonly map: SpaceMap;
  /** Right after `map.write()`. */
  root(): Uint8Array;
}

/** What `root` says of a map; that of a new one, before `format`, without it. */
function spaceMap(
  transaction: Transaction,
  of: "metadata" | "data",
  store: IndexStore,
  root = { blocks: 0, allocated: 0, counts: 0 },
): SpaceMap {
  const { blocks, allocated, counts: countsRoot } = root;
  const tree = new Btree(transaction, COUNT);
  return new SpaceMap({ transaction, store, tree, of, blocks, allocated, countsRoot });
}

function stored(map: SpaceMap, index: { readonly root: number }): StoredMap {
  return {
    map,
    root: () =>
      spaceMapRoot.encode({
        blocks: map.blocks,
        allocated: map.allocated,
        index: index.root,
        counts: map.countsRoot,
      }),
  };
}

/** Blocks of a metadata device that are used. */
export function usableBlocks(transaction: Transaction): number {
  return Math.min(transaction.cache.blocks, MAX_METADATA_BLOCKS);
}

/** A map of the metadata in which only the superblock, block 0, is in use; the transaction counts in it from now on. */
export function formatMetadataMap(transaction: Transaction, blocks: number): StoredMap {
  // The block of the index is taken from the map that it is the index of.
  const store: IndexStore & { index: IndexInBlock | null; readonly root: number } = {
    index: null,
    get root() {
      return this.index!.root;
    },
    load: (page) => store.index!.load(page),
    begin: () => store.index!.begin(),
    save: (page, entry) => store.index!.save(page, entry),
  };
  const map = spaceMap(transaction, "metadata", store);
  transaction.counts = map;
  map.format(blocks, 1);
  store.index = new IndexInBlock(transaction, transaction.newBlock(INDEX_BLOCK));
  return stored(map, store);
}

function checkCounts(
  of: string,
  { blocks, allocated }: { readonly blocks: number; readonly allocated: number },
  most: number,
): void {
  if (blocks > most || allocated > blocks)
    throw new HoldfastError(
      "bad-metadata",
      `The space map of the ${of} says that ${allocated} of ${blocks} blocks are used.`,
    );
}

/** @throws `bad-metadata`, `io` */
export async function openMetadataMap(
  transaction: Transaction,
  root: Uint8Array,
): Promise<StoredMap> {
  const said = spaceMapRoot.decode(root);
  const { index } = said;
  checkCounts("metadata", said, MAX_METADATA_BLOCKS);
  const store = new IndexInBlock(transaction, await transaction.cache.read(index, INDEX_BLOCK));
  const map = spaceMap(transaction, "metadata", store, said);
  transaction.counts = map;
  await map.loadAll();
  return stored(map, store);
}

/** A map of data blocks, all of them free. */
export function formatDataMap(transaction: Transaction, blocks: number): StoredMap {
  const store = new IndexInTree(transaction, null);
  const map = spaceMap(transaction, "data", store);
  map.format(blocks, 0);
  return stored(map, store);
}

/** @throws `bad-metadata` */
export function openDataMap(transaction: Transaction, root: Uint8Array): StoredMap {
  const said = spaceMapRoot.decode(root);
  checkCounts("data", said, MAX_DATA_BLOCKS);
  const store = new IndexInTree(transaction, said.index);
  const map = spaceMap(transaction, "data", store, said);
  return stored(map, store);
}
