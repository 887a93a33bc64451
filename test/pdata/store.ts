/** A superblock of nothing but roots: what the tests of persistent-data work on. */
import type { BlockDevice } from "../../src/block/device.ts";
import { METADATA_BLOCK_BYTES, SPACE_MAP_ROOT_BYTES } from "../../src/formats/persistent-data.ts";
import type { BlockKind } from "../../src/formats/persistent-data.ts";
import { BlockCache } from "../../src/pdata/block-cache.ts";
import {
  formatDataMap,
  formatMetadataMap,
  openDataMap,
  openMetadataMap,
} from "../../src/pdata/space-maps.ts";
import type { StoredMap } from "../../src/pdata/space-maps.ts";
import { Transaction } from "../../src/pdata/transaction.ts";

const SUPERBLOCK: BlockKind = { name: "superblock", checksumXor: 4711, locationBytes: 8 };
const METADATA_AT = 64;
const DATA_AT = 192;
const ROOTS_AT = 320;

export interface Store {
  readonly transaction: Transaction;
  readonly metadata: StoredMap;
  readonly data: StoredMap;
  /** Of whatever trees the test has. */
  roots: number[];
}

export function formatStore(disk: BlockDevice, dataBlocks: number): Store {
  const transaction = new Transaction(new BlockCache(disk, 64));
  const metadata = formatMetadataMap(transaction, transaction.cache.blocks);
  return { transaction, metadata, data: formatDataMap(transaction, dataBlocks), roots: [] };
}

export async function openStore(disk: BlockDevice): Promise<Store> {
  const transaction = new Transaction(new BlockCache(disk, 64));
  const { data: bytes, view } = await transaction.cache.read(0, SUPERBLOCK);
  transaction.cache.forget(0);
  const rootAt = (at: number): Uint8Array => bytes.slice(at, at + SPACE_MAP_ROOT_BYTES);
  const metadata = await openMetadataMap(transaction, rootAt(METADATA_AT));
  const roots: number[] = [];
  for (let at = ROOTS_AT; view.getUint32(at, true) !== 0; at += 4)
    roots.push(view.getUint32(at, true));
  return { transaction, metadata, data: openDataMap(transaction, rootAt(DATA_AT)), roots };
}

export async function commitStore({ transaction, metadata, data, roots }: Store): Promise<void> {
  await data.map.write();
  await metadata.map.write();
  const superblock = new Uint8Array(METADATA_BLOCK_BYTES);
  superblock.set(metadata.root(), METADATA_AT);
  superblock.set(data.root(), DATA_AT);
  const view = new DataView(superblock.buffer);
  for (const [index, root] of roots.entries()) view.setUint32(ROOTS_AT + index * 4, root, true);
  await transaction.commit(SUPERBLOCK, superblock);
  data.map.committed();
  metadata.map.committed();
}
