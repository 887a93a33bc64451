/** Walks an array that may be damaged, as walk.ts does with trees. */
import { HoldfastError } from "../base/errors.ts";
import { ARRAY_BLOCK } from "../formats/persistent-data.ts";
import { arrayBlockProblem, valuesPerBlock } from "./array.ts";
import type { BlockCache, CachedBlock } from "./block-cache.ts";
import { entriesOf, getU64, keyAt, valueOffset } from "./btree-node.ts";
import { walkTree } from "./walk.ts";
import type { LostKeys } from "./walk.ts";

export interface ArrayWalk {
  readonly cache: BlockCache;
  readonly valueBytes: number;
  /** As for trees, for the blocks of the array too. */
  enter(location: number): boolean;
  /** @param from index of the block's first value */
  values(block: CachedBlock, from: number, count: number): void | Promise<void>;
  /** Values. */
  lost(keys: LostKeys): void;
}

/** Walks the array of `length` values at `root`, which may be damaged. */
export async function walkArray(walk: ArrayWalk, root: number, length: number): Promise<void> {
  const perBlock = valuesPerBlock(walk.valueBytes);
  let next = 0;
  const lose = (from: number, to: number, why: string): void => {
    if (from < to) walk.lost({ from, to, why });
  };
  await walkTree(
    {
      cache: walk.cache,
      valueBytes: 8,
      enter: (location) => walk.enter(location),
      leaf: async (node) => {
        for (let index = 0; index < entriesOf(node); index += 1) {
          const from = keyAt(node, index) * perBlock;
          lose(next, Math.min(from, length), "the array has no such part");
          next = Math.max(next, Math.min(from + perBlock, length));
          const location = getU64(node.view, valueOffset(node, index));
          if (walk.enter(location)) await walkArrayBlock(walk, location, from, length);
        }
      },
      lost: ({ from, to, why }) => {
        const end = Math.min((to ?? Infinity) * perBlock, length);
        lose(Math.max(next, Math.min(from * perBlock, length)), end, why);
        next = Math.max(next, end);
      },
    },
    root,
  );
  lose(next, length, "the array ends before");
}

async function walkArrayBlock(
  walk: ArrayWalk,
  location: number,
  from: number,
  length: number,
): Promise<void> {
  const count = Math.min(length - from, valuesPerBlock(walk.valueBytes));
  // Kernels do not mind parts behind the end.
  if (count <= 0) return;
  const lose = (why: string): void => walk.lost({ from, to: from + count, why });
  try {
    const block = await walk.cache.read(location, ARRAY_BLOCK);
    const problem = arrayBlockProblem(block, walk.valueBytes, count);
    if (problem === null) await walk.values(block, from, count);
    else lose(`${problem} (block ${location})`);
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    lose(error.message);
  }
}
