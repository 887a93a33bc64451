/**
 * The words of a mirror's table line:
 *
 *   core COUNT REGION_SIZE [sync|nosync] [block_on_error]
 *   disk COUNT LOG_DEVICE REGION_SIZE [sync|nosync] [block_on_error]
 *     MIRRORS (DEVICE OFFSET)... [COUNT [handle_errors] [keep_log]]
 */
import { isPowerOfTwo } from "../../../formats/md/shape-check.ts";
import { quoteWord } from "../../table.ts";
import type { Words } from "../../words.ts";

/** What a kernel's copier takes: one source and eight destinations. */
const MAX_LEGS = 9;

export interface LogArguments {
  readonly type: "core" | "disk";
  /** Of a disk log; "" for a core log. */
  readonly deviceWord: string;
  readonly regionSectors: number;
  /** `sync`, `nosync`: whatever the log says, everything is to be synced, or nothing. */
  readonly sync: "as-logged" | "sync" | "nosync";
  readonly blocksOnError: boolean;
}

export interface MirrorArguments {
  readonly log: LogArguments;
  readonly legs: readonly { readonly deviceWord: string; readonly offset: number }[];
  readonly handlesErrors: boolean;
  readonly keepsLog: boolean;
}

/** @throws HoldfastError `usage` naming the word */
export function parseMirror(words: Words, sectors: number): MirrorArguments {
  const log = parseLog(words, sectors);
  const count = words.number("the number of mirrors", 2, MAX_LEGS);
  const legs = Array.from({ length: count }, (_unused, index) => ({
    deviceWord: words.word(`the device of mirror ${index}`),
    offset: words.number(`the offset of mirror ${index} in sectors`),
  }));
  const features = words.left === 0 ? [] : parseFeatures(words);
  words.end();
  const handlesErrors = features.includes("handle_errors");
  return { log, legs, handlesErrors, keepsLog: features.includes("keep_log") };
}

function parseFeatures(words: Words): string[] {
  const group = words.group("features", 2);
  const features: string[] = [];
  while (group.left > 0) {
    const feature = group.choice("a feature", ["handle_errors", "keep_log"]);
    if (features.includes(feature)) throw group.wrong(`${feature} is there already`);
    features.push(feature);
  }
  if (features.includes("keep_log") && !features.includes("handle_errors"))
    throw group.wrong("keep_log is only for a mirror with handle_errors");
  return features;
}

function parseLog(words: Words, sectors: number): LogArguments {
  const type = words.choice("the type of the log", ["core", "disk"]);
  const group = words.group("log arguments", 4);
  const deviceWord = type === "disk" ? group.word("the device of the log") : "";
  const regionSectors = group.number("the region size in sectors", 2, Math.max(2, sectors));
  if (!isPowerOfTwo(regionSectors)) throw group.wrong("the region size is a power of two");
  let sync: LogArguments["sync"] = "as-logged";
  if (group.peek === "sync" || group.peek === "nosync")
    sync = group.choice("what is to be synced", ["sync", "nosync"]);
  const blocksOnError = group.left > 0;
  if (blocksOnError) group.choice("what is left of the log arguments", ["block_on_error"]);
  group.end();
  return { type, deviceWord, regionSectors, sync, blocksOnError };
}

/** As `dmsetup table` shows it. @param logId of a disk log's device */
export function mirrorTable(
  { log, legs, handlesErrors, keepsLog }: MirrorArguments,
  logId: string,
  legIds: readonly string[],
): string {
  const device = log.type === "disk" ? [quoteWord(logId)] : [];
  const sync = log.sync === "as-logged" ? [] : [log.sync];
  const block = log.blocksOnError ? ["block_on_error"] : [];
  const logWords = [...device, log.regionSectors, ...sync, ...block];
  const features = [...(handlesErrors ? ["handle_errors"] : []), ...(keepsLog ? ["keep_log"] : [])];
  return [
    log.type,
    logWords.length,
    ...logWords,
    legs.length,
    ...legs.flatMap(({ offset }, index) => [quoteWord(legIds[index]!), offset]),
    ...(features.length === 0 ? [] : [features.length, ...features]),
  ].join(" ");
}
