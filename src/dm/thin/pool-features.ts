/** The feature words of a pool's table line. */
import type { Words } from "../words.ts";

export interface PoolFeatures {
  readonly zeroesNewBlocks: boolean;
  readonly discards: boolean;
  readonly passesDiscardsDown: boolean;
  readonly isReadOnly: boolean;
  readonly failsWithoutSpace: boolean;
}

const FEATURES = [
  "skip_block_zeroing",
  "ignore_discard",
  "no_discard_passdown",
  "read_only",
  "error_if_no_space",
] as const;
type Feature = (typeof FEATURES)[number];

/** An argument group, which may be missing. */
export function parseFeatures(words: Words): PoolFeatures {
  const found = new Set<Feature>();
  if (words.left > 0) {
    const group = words.group("features", FEATURES.length);
    while (group.left > 0) found.add(group.choice("a feature", FEATURES));
  }
  return {
    zeroesNewBlocks: !found.has("skip_block_zeroing"),
    discards: !found.has("ignore_discard"),
    passesDiscardsDown: !found.has("no_discard_passdown"),
    isReadOnly: found.has("read_only"),
    failsWithoutSpace: found.has("error_if_no_space"),
  };
}

/** As the kernel writes them, with the blank behind the last. */
export function featureWords(features: PoolFeatures): string {
  const isThere: Readonly<Record<Feature, boolean>> = {
    skip_block_zeroing: !features.zeroesNewBlocks,
    ignore_discard: !features.discards,
    no_discard_passdown: !features.passesDiscardsDown,
    read_only: features.isReadOnly,
    error_if_no_space: features.failsWithoutSpace,
  };
  const words = FEATURES.filter((feature) => isThere[feature]);
  return [String(words.length), ...words].map((word) => `${word} `).join("");
}
