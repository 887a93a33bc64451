/** What a flakey target does to I/O while it is down: the words of its table line, both ways. Facts: drivers/md/dm-flakey.c, parse_features. */
import type { Words } from "../../words.ts";

const MAX_U32 = 2 ** 32 - 1;
const MAX_WORDS = 11;
/** Probabilities are parts of this. */
export const CERTAIN = 1_000_000_000;

export interface CorruptByte {
  /** From 1. */
  readonly byte: number;
  readonly direction: "r" | "w";
  readonly value: number;
  /** Of `bi_opf`: only bios that have them all. */
  readonly flags: number;
}

export interface FlakeyFeatures {
  readonly errorReads: boolean;
  readonly writes: "passed" | "dropped" | "failed";
  readonly corruptByte: CorruptByte | null;
  /** Of CERTAIN. */
  readonly randomRead: number;
  readonly randomWrite: number;
}

const ALL_FAILS: FlakeyFeatures = {
  errorReads: true,
  writes: "failed",
  corruptByte: null,
  randomRead: 0,
  randomWrite: 0,
};

const FEATURES = [
  "error_reads",
  "drop_writes",
  "error_writes",
  "corrupt_bio_byte",
  "random_read_corrupt",
  "random_write_corrupt",
] as const;
type FeatureName = (typeof FEATURES)[number];

/** @throws HoldfastError `usage` for a feature that is not known, stands there twice, or contradicts another */
export function parseFeatures(words: Words): FlakeyFeatures {
  if (words.left === 0) return ALL_FAILS;
  const group = words.group("feature words", MAX_WORDS);
  words.end();
  const seen = new Set<FeatureName>();
  let found: FlakeyFeatures = { ...ALL_FAILS, errorReads: false, writes: "passed" };
  while (group.left > 0) {
    const name = group.choice("the feature", FEATURES);
    if (seen.has(name)) throw group.wrong("the feature is there already");
    seen.add(name);
    found = { ...found, ...parseFeature(name, group) };
    const conflict = conflictIn(found, seen);
    if (conflict !== null) throw group.wrong(conflict);
  }
  return seen.size === 0 ? ALL_FAILS : found;
}

function parseFeature(name: FeatureName, words: Words): Partial<FlakeyFeatures> {
  switch (name) {
    case "error_reads":
      return { errorReads: true };
    case "drop_writes":
      return { writes: "dropped" };
    case "error_writes":
      return { writes: "failed" };
    case "corrupt_bio_byte":
      return {
        corruptByte: {
          byte: words.number("the byte", 1, MAX_U32),
          direction: words.choice("the direction", ["r", "w"]),
          value: words.number("the value", 0, 255),
          flags: words.number("the flags", 0, MAX_U32),
        },
      };
    case "random_read_corrupt":
      return { randomRead: words.number("the probability", 0, CERTAIN) };
    case "random_write_corrupt":
      return { randomWrite: words.number("the probability", 0, CERTAIN) };
  }
}

function conflictIn(found: FlakeyFeatures, seen: ReadonlySet<FeatureName>): string | null {
  if (seen.has("drop_writes") && seen.has("error_writes"))
    return "writes are dropped or failed, not both";
  const { corruptByte } = found;
  if (found.writes !== "passed" && (corruptByte?.direction === "w" || found.randomWrite > 0))
    return "writes that are dropped or failed cannot be corrupted";
  if (found.errorReads && (corruptByte?.direction === "r" || found.randomRead > 0))
    return "reads that are failed cannot be corrupted";
  return null;
}

/** Behind the intervals in the table line; as the kernel's it ends with a blank. */
export function featureText(features: FlakeyFeatures): string {
  const { errorReads, writes, corruptByte, randomRead, randomWrite } = features;
  const words: (string | number)[] = [];
  if (errorReads) words.push("error_reads");
  if (writes === "dropped") words.push("drop_writes");
  if (writes === "failed") words.push("error_writes");
  if (corruptByte !== null) {
    const { byte, direction, value, flags } = corruptByte;
    words.push("corrupt_bio_byte", byte, direction, value, flags);
  }
  if (randomRead > 0) words.push("random_read_corrupt", randomRead);
  if (randomWrite > 0) words.push("random_write_corrupt", randomWrite);
  return `${[words.length, ...words].join(" ")} `;
}
