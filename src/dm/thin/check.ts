/** Checks metadata as thin_check does, and says what that says. Nothing is written. */
import { HoldfastError } from "../../base/errors.ts";
import type { BlockDevice } from "../../block/device.ts";
import {
  DEVICE_DETAILS_BYTES,
  MAPPING_BYTES,
  THIN_NEEDS_CHECK,
  THIN_SUPERBLOCK,
  mappedBlock,
  thinSuperblock,
} from "../../formats/thin.ts";
import { BlockCache } from "../../pdata/block-cache.ts";
import type { CachedBlock } from "../../pdata/block-cache.ts";
import { entriesOf, getU64, keyAt, valueOffset } from "../../pdata/btree-node.ts";
import { MetadataCheck } from "../../pdata/metadata-check.ts";
import type { CheckLine, CheckResult } from "../../pdata/metadata-check.ts";
import { readThinSuperblock } from "./metadata-store.ts";

const LOST_DEVICES = "missing devices:";

/** The trees of a pool, in which each use of a data block is counted too. */
class PoolTrees {
  readonly #cache: BlockCache;
  readonly #check: MetadataCheck;
  readonly dataUsers = new Map<number, number>();

  constructor(cache: BlockCache, check: MetadataCheck) {
    this.#cache = cache;
    this.#check = check;
  }

  details(root: number): Promise<void> {
    return this.#check.walk(root, DEVICE_DETAILS_BYTES, LOST_DEVICES);
  }

  mappings(root: number): Promise<void> {
    return this.#check.walk(root, 8, "missing all mappings for devices:", async (node) => {
      for (let index = 0; index < entriesOf(node); index += 1) {
        const id = keyAt(node, index);
        await this.#check.walk(
          getU64(node.view, valueOffset(node, index)),
          MAPPING_BYTES,
          `thin device ${id} is missing mappings`,
          (leaf) => this.#countMapped(leaf),
        );
      }
    });
  }

  #countMapped(leaf: CachedBlock): void {
    for (let index = 0; index < entriesOf(leaf); index += 1) {
      const block = mappedBlock(leaf.view, valueOffset(leaf, index));
      this.dataUsers.set(block, (this.dataUsers.get(block) ?? 0) + 1);
    }
  }

  /** The metadata snapshot: a superblock, and trees that share what did not change since. */
  async held(heldRoot: number): Promise<void> {
    if (heldRoot === 0) return;
    this.#check.enter(heldRoot);
    const { data } = await this.#cache.read(heldRoot, THIN_SUPERBLOCK);
    const { deviceDetailsRoot, dataMappingRoot } = thinSuperblock.decode(data);
    await this.details(deviceDetailsRoot);
    await this.mappings(dataMappingRoot);
  }
}

/** @param say gets the lines that thin_check prints, in order */
export async function checkPool(
  device: BlockDevice,
  say: (line: CheckLine) => void,
): Promise<CheckResult> {
  const progress = (text: string): void => say({ kind: "progress", text });
  const cache = new BlockCache(device);
  const check = new MetadataCheck(cache, say);
  progress("examining superblock");
  const superblock = await readThinSuperblock(device).catch((error: unknown) => {
    if (error instanceof HoldfastError && error.code === "bad-metadata") return error;
    throw error;
  });
  if (superblock instanceof HoldfastError) {
    check.problem("superblock is corrupt", superblock.message);
    return { verdict: check.verdict, needsCheck: false };
  }
  const trees = new PoolTrees(cache, check);
  say({ kind: "fact", name: "TRANSACTION_ID", value: superblock.transactionId });
  // thin_check takes the device's size and the superblock alone for this.
  say({ kind: "fact", name: "METADATA_FREE_BLOCKS", value: cache.blocks - 1 });
  progress("examining devices tree");
  await trees.details(superblock.deviceDetailsRoot);
  progress("examining mapping tree");
  await trees.mappings(superblock.dataMappingRoot);
  if (check.verdict === "clean") {
    const { metadataSpaceMap: metadata, dataSpaceMap: root, heldRoot } = superblock;
    const data = { root, users: trees.dataUsers };
    await check.counts({ metadata, data }, () => trees.held(heldRoot));
  }
  return { verdict: check.verdict, needsCheck: (superblock.flags & THIN_NEEDS_CHECK) !== 0 };
}
