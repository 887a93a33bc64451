/**
 * Checks metadata as thin_check does, and says what that says: the trees are walked, every use of a block is counted, and the space maps must say the
 * same. Nothing is written.
 */
import { HoldfastError } from "../../base/errors.ts";
import type { BlockDevice } from "../../block/device.ts";
import {
  BITMAP_ENTRIES,
  INDEX_BLOCK,
  indexEntry,
  indexEntryOffset,
  spaceMapRoot,
} from "../../formats/persistent-data.ts";
import {
  DEVICE_DETAILS_BYTES,
  MAPPING_BYTES,
  THIN_NEEDS_CHECK,
  THIN_SUPERBLOCK,
  mappedBlock,
  thinSuperblock,
} from "../../formats/thin.ts";
import type { ThinSuperblock } from "../../formats/thin.ts";
import { BlockCache } from "../../pdata/block-cache.ts";
import type { CachedBlock } from "../../pdata/block-cache.ts";
import { entriesOf, getU64, keyAt, valueOffset } from "../../pdata/btree-node.ts";
import type { SpaceMap } from "../../pdata/space-map.ts";
import { openDataMap, openMetadataMap } from "../../pdata/space-maps.ts";
import { Transaction } from "../../pdata/transaction.ts";
import { walkTree } from "../../pdata/walk.ts";
import { readThinSuperblock } from "./metadata-store.ts";

/** `facts` goes where results go, the rest where messages go. */
export interface CheckLine {
  readonly kind: "facts" | "progress" | "problem";
  readonly text: string;
}

export interface CheckResult {
  /** Fatal: mappings or counts are lost or too low; leaks: blocks are counted that nobody uses. */
  readonly verdict: "clean" | "leaks" | "fatal";
  readonly needsCheck: boolean;
}

class Check {
  readonly #cache: BlockCache;
  readonly #superblock: ThinSuperblock;
  readonly #say: (line: CheckLine) => void;
  /** How often each metadata block is used, and each data block. */
  readonly metadataUsers = new Map<number, number>();
  readonly dataUsers = new Map<number, number>();
  verdict: CheckResult["verdict"] = "clean";

  constructor(cache: BlockCache, superblock: ThinSuperblock, say: (line: CheckLine) => void) {
    this.#cache = cache;
    this.#superblock = superblock;
    this.#say = say;
  }

  problem(text: string, detail: string | null, severity: "leaks" | "fatal" = "fatal"): void {
    this.#say({ kind: "problem", text: `  ${text}` });
    if (detail !== null) this.#say({ kind: "problem", text: `    ${detail}` });
    if (this.verdict !== "fatal") this.verdict = severity;
  }

  readonly #enter = (location: number): boolean => {
    const users = this.metadataUsers.get(location) ?? 0;
    this.metadataUsers.set(location, users + 1);
    return users === 0;
  };

  /** Walks a tree, counting. */
  walk(
    root: number,
    valueBytes: number,
    lost: string,
    leaf: (node: CachedBlock) => void | Promise<void> = () => {},
  ): Promise<void> {
    return walkTree(
      {
        cache: this.#cache,
        valueBytes,
        enter: this.#enter,
        leaf,
        lost: ({ from, to, why }) => this.problem(`${lost} [${from}, ${to ?? "-"}]`, why),
      },
      root,
    );
  }

  mappings(root: number): Promise<void> {
    return this.walk(root, 8, "missing all mappings for devices:", async (node) => {
      for (let index = 0; index < entriesOf(node); index += 1) {
        const id = keyAt(node, index);
        await this.walk(
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
  async held(): Promise<void> {
    const { heldRoot } = this.#superblock;
    if (heldRoot === 0) return;
    this.#enter(heldRoot);
    const { data } = await this.#cache.read(heldRoot, THIN_SUPERBLOCK);
    const { deviceDetailsRoot, dataMappingRoot } = thinSuperblock.decode(data);
    await this.walk(deviceDetailsRoot, DEVICE_DETAILS_BYTES, "missing devices:");
    await this.mappings(dataMappingRoot);
  }

  /** What the space maps themselves are made of. */
  async maps(): Promise<void> {
    const metadata = spaceMapRoot.decode(this.#superblock.metadataSpaceMap);
    const data = spaceMapRoot.decode(this.#superblock.dataSpaceMap);
    await this.walk(data.index, indexEntry.size, "missing bitmaps", (node) => {
      for (let index = 0; index < entriesOf(node); index += 1)
        this.#enter(indexEntry.decode(node.data, valueOffset(node, index)).bitmap);
    });
    await this.walk(data.counts, 4, "missing reference counts");
    await this.walk(metadata.counts, 4, "missing reference counts");
    this.#enter(0);
    this.#enter(metadata.index);
    const index = await this.#cache.read(metadata.index, INDEX_BLOCK);
    for (let page = 0; page * BITMAP_ENTRIES < metadata.blocks; page += 1)
      this.#enter(indexEntry.decode(index.data, indexEntryOffset(page)).bitmap);
  }

  /** Every count of a map against what was counted. */
  async compare(
    what: "data" | "metadata",
    map: SpaceMap,
    users: ReadonlyMap<number, number>,
  ): Promise<void> {
    for (let block = 0; block < map.blocks; block += 1) {
      await map.prepare(block);
      const expected = users.get(block) ?? 0;
      const count = map.count(block);
      if (count === expected) continue;
      this.problem(
        `${what} reference counts differ for block ${block}, expected ${expected}, but got ${count}`,
        null,
        count > expected ? "leaks" : "fatal",
      );
    }
  }
}

/** @param say gets the lines that thin_check prints, in order */
export async function checkPool(
  device: BlockDevice,
  say: (line: CheckLine) => void,
): Promise<CheckResult> {
  const progress = (text: string): void => say({ kind: "progress", text });
  progress("examining superblock");
  const superblock = await readThinSuperblock(device).catch((error: unknown) => {
    if (error instanceof HoldfastError && error.code === "bad-metadata") return error;
    throw error;
  });
  if (superblock instanceof HoldfastError) {
    say({ kind: "problem", text: "  superblock is corrupt" });
    say({ kind: "problem", text: `    ${superblock.message}` });
    return { verdict: "fatal", needsCheck: false };
  }
  const cache = new BlockCache(device);
  const check = new Check(cache, superblock, say);
  say({ kind: "facts", text: `TRANSACTION_ID=${superblock.transactionId}` });
  // thin_check takes the device's size and the superblock alone for this.
  say({ kind: "facts", text: `METADATA_FREE_BLOCKS=${cache.blocks - 1}` });
  progress("examining devices tree");
  await check.walk(superblock.deviceDetailsRoot, DEVICE_DETAILS_BYTES, "missing devices:");
  progress("examining mapping tree");
  await check.mappings(superblock.dataMappingRoot);
  if (check.verdict === "clean") {
    progress("checking space map counts");
    await checkCounts(check, cache, superblock);
  }
  return { verdict: check.verdict, needsCheck: (superblock.flags & THIN_NEEDS_CHECK) !== 0 };
}

async function checkCounts(
  check: Check,
  cache: BlockCache,
  superblock: ThinSuperblock,
): Promise<void> {
  const transaction = new Transaction(cache);
  try {
    const { map } = await openMetadataMap(transaction, superblock.metadataSpaceMap);
    const data = openDataMap(transaction, superblock.dataSpaceMap);
    await check.held();
    await check.maps();
    await check.compare("metadata", map, check.metadataUsers);
    await check.compare("data", data.map, check.dataUsers);
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.code !== "bad-metadata") throw error;
    check.problem("the space maps cannot be read", error.message);
  }
}
