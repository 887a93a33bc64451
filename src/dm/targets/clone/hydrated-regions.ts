/** Goes through the bitset of a clone's metadata as it lies there, which may be damaged. */
import { BITSET_WORD_BITS, BITSET_WORD_BYTES } from "../../../pdata/bitset.ts";
import type { BlockCache } from "../../../pdata/block-cache.ts";
import { walkArray } from "../../../pdata/walk-array.ts";
import type { LostKeys } from "../../../pdata/walk.ts";
import { arrayHeader } from "../../../formats/persistent-data.ts";
import { RegionMap } from "./region-map.ts";

export interface BitsetWalk {
  readonly cache: BlockCache;
  enter(location: number): boolean;
  /** Regions `from` up to `to` are hydrated; in order, never two that follow each other. */
  hydrated(from: number, to: number): void | Promise<void>;
  /** Regions. */
  lost(keys: LostKeys): void;
}

export async function walkBitset(walk: BitsetWalk, root: number, regions: number): Promise<void> {
  let run = { from: 0, to: 0 };
  const add = async (from: number, to: number): Promise<void> => {
    if (run.to === from) {
      run.to = to;
      return;
    }
    if (run.from < run.to) await walk.hydrated(run.from, run.to);
    run = { from, to };
  };
  const inRegions = (word: number): number => Math.min(word * BITSET_WORD_BITS, regions);
  await walkArray(
    {
      cache: walk.cache,
      valueBytes: BITSET_WORD_BYTES,
      enter: (location) => walk.enter(location),
      values: async ({ data }, from, words) => {
        const bits = new RegionMap(
          inRegions(from + words) - inRegions(from),
          data.slice(arrayHeader.size, arrayHeader.size + words * BITSET_WORD_BYTES),
        );
        await eachRun(bits, inRegions(from), add);
      },
      lost: ({ from, to, why }) =>
        walk.lost({ from: inRegions(from), to: to === null ? regions : inRegions(to), why }),
    },
    root,
    Math.ceil(regions / BITSET_WORD_BITS),
  );
  if (run.from < run.to) await walk.hydrated(run.from, run.to);
}

async function eachRun(
  bits: RegionMap,
  first: number,
  visit: (from: number, to: number) => Promise<void>,
): Promise<void> {
  for (let at = 0; at < bits.regions;) {
    const end = bits.runEnd(at, bits.regions);
    if (bits.has(at)) await visit(first + at, first + end);
    at = end;
  }
}
