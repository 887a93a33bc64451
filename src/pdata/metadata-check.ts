/**
 * Checks what stands on persistent-data: trees and arrays are walked, every use of a block is counted, and the space maps must say the same. Nothing is
 * written. What the trees are for is the caller's business (dm/thin/check.ts, dm/targets/clone/check.ts).
 */
import { HoldfastError } from "../base/errors.ts";
import {
  BITMAP_ENTRIES,
  INDEX_BLOCK,
  indexEntry,
  indexEntryOffset,
  spaceMapRoot,
} from "../formats/persistent-data.ts";
import type { BlockCache, CachedBlock } from "./block-cache.ts";
import { entriesOf, valueOffset } from "./btree-node.ts";
import type { SpaceMap } from "./space-map.ts";
import { openDataMap, openMetadataMap } from "./space-maps.ts";
import { Transaction } from "./transaction.ts";
import { walkTree } from "./walk.ts";
import type { LostKeys } from "./walk.ts";

/** Fatal: contents or counts are lost or too low; leaks: blocks are counted that nobody uses. */
export type Severity = "leaks" | "fatal";
export type Verdict = "clean" | Severity;

/** What a check says, in order. */
export type CheckLine =
  | { readonly kind: "progress"; readonly text: string }
  | { readonly kind: "fact"; readonly name: string; readonly value: number }
  | {
      readonly kind: "problem";
      readonly text: string;
      readonly detail: string | null;
      readonly severity: Severity;
    };

export interface CheckResult {
  readonly verdict: Verdict;
  /** The mark that kernels refuse changes until it was checked; false where there is none. */
  readonly needsCheck: boolean;
}

/** Roots of space maps, as in a superblock. */
export interface MapRoots {
  readonly metadata: Uint8Array;
  readonly data?: {
    readonly root: Uint8Array;
    /** How often each data block is used. */
    readonly users: ReadonlyMap<number, number>;
  };
}

export class MetadataCheck {
  readonly #cache: BlockCache;
  readonly #say: (line: CheckLine) => void;
  /** How often each block of the metadata is used. */
  readonly #users = new Map<number, number>();
  #verdict: Verdict = "clean";

  constructor(cache: BlockCache, say: (line: CheckLine) => void) {
    this.#cache = cache;
    this.#say = say;
  }

  get verdict(): Verdict {
    return this.#verdict;
  }

  problem(text: string, detail: string | null, severity: Severity = "fatal"): void {
    this.#say({ kind: "problem", text, detail, severity });
    if (this.#verdict !== "fatal") this.#verdict = severity;
  }

  /** One more user. @returns whether it is the first */
  readonly enter = (location: number): boolean => {
    const users = this.#users.get(location) ?? 0;
    this.#users.set(location, users + 1);
    return users === 0;
  };

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
        enter: this.enter,
        leaf,
        lost: (keys) => this.lost(lost, keys),
      },
      root,
    );
  }

  lost(what: string, { from, to, why }: LostKeys): void {
    this.problem(`${what} [${from}, ${to ?? "-"}]`, why);
  }

  /** What the space map of data blocks is made of. */
  async #dataMap(root: Uint8Array): Promise<void> {
    const { index, counts } = spaceMapRoot.decode(root);
    await this.walk(index, indexEntry.size, "missing bitmaps", (node) => {
      for (let at = 0; at < entriesOf(node); at += 1)
        this.enter(indexEntry.decode(node.data, valueOffset(node, at)).bitmap);
    });
    await this.walk(counts, 4, "missing reference counts");
  }

  /** What the space map of the metadata is made of, and the superblock. @throws `bad-metadata` */
  async #metadataMap(root: Uint8Array): Promise<void> {
    const { index, counts, blocks } = spaceMapRoot.decode(root);
    await this.walk(counts, 4, "missing reference counts");
    this.enter(0);
    this.enter(index);
    const { data } = await this.#cache.read(index, INDEX_BLOCK);
    for (let page = 0; page * BITMAP_ENTRIES < blocks; page += 1)
      this.enter(indexEntry.decode(data, indexEntryOffset(page)).bitmap);
  }

  /** Holds what the space maps count against what was found. @param walkRest what else uses blocks: damage in it is told, not thrown */
  async counts(
    { metadata, data }: MapRoots,
    walkRest = (): Promise<void> => Promise.resolve(),
  ): Promise<void> {
    this.#say({ kind: "progress", text: "checking space map counts" });
    const transaction = new Transaction(this.#cache);
    try {
      const { map } = await openMetadataMap(transaction, metadata);
      await walkRest();
      if (data !== undefined) await this.#dataMap(data.root);
      await this.#metadataMap(metadata);
      await this.#compare("metadata", map, this.#users);
      if (data === undefined) return;
      await this.#compare("data", openDataMap(transaction, data.root).map, data.users);
    } catch (error) {
      if (!(error instanceof HoldfastError) || error.code !== "bad-metadata") throw error;
      this.problem("the space maps cannot be read", error.message);
    }
  }

  /** Every count of a map against what was counted. */
  async #compare(
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
