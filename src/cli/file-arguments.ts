/**
 * Telling files in a volume from disks (docs/decisions/0004-file-arguments.md).
 *
 * A word that begins with ":/" names a file in the volume. Behind `--volume NAME`, where the disks have been named, the
 * colon may be left off. Everything else is a path of this machine. So nothing depends on what exists where.
 */
import { HoldfastError } from "../base/errors.ts";
import type { CommandMeta, OptionSpec } from "./command.ts";

/** The words with a colon in front of those that the second rule makes file names. */
export function markFileArguments(meta: CommandMeta, words: readonly string[]): string[] {
  if (meta.fileArguments === undefined) return [...words];
  const operands = operandIndexes(meta.options, words);
  if (meta.fileArguments.lastIsLocal) operands.pop();
  const marked = [...words];
  const volumeAt = words.findIndex((word) => word === "--volume" || word.startsWith("--volume="));
  if (volumeAt < 0) return marked;
  for (const index of operands) {
    const word = words[index]!;
    if (index > volumeAt && word.startsWith("/")) marked[index] = `:${word}`;
  }
  return marked;
}

/** Where the words stand that are neither options nor their values. */
function operandIndexes(options: readonly OptionSpec[], words: readonly string[]): number[] {
  const indexes: number[] = [];
  let isOptionOver = false;
  for (let index = 0; index < words.length; index += 1) {
    const word = words[index]!;
    if (isOptionOver || word === "-" || !word.startsWith("-")) {
      indexes.push(index);
    } else if (word === "--") {
      isOptionOver = true;
    } else if (takesNextWord(options, word)) {
      index += 1;
    }
  }
  return indexes;
}

function takesNextWord(options: readonly OptionSpec[], word: string): boolean {
  const option = options.find(
    ({ long, short }) => word === `--${long}` || (short !== undefined && word === `-${short}`),
  );
  return option?.value !== undefined && option.value.optional !== true;
}

export interface SplitOperands {
  /** Paths of this machine. */
  readonly disks: readonly string[];
  /** Absolute paths in the volume, without the colon. */
  readonly files: readonly string[];
}

function isFile(word: string): boolean {
  return word.startsWith(":/");
}

/** Throws `usage` when there are no disks among the operands. */
export function splitOperands(verb: string, operands: readonly string[]): SplitOperands {
  const disks = operands.filter((word) => !isFile(word));
  if (disks.length === 0) {
    throw new HoldfastError(
      "usage",
      `${verb}: no disk is named: disks stand in front of --volume, files in the volume behind it or with a colon, as in 'holdfast ${verb} disk1.img disk2.img :/folder/file'.`,
    );
  }
  return { disks, files: operands.filter(isFile).map((word) => word.slice(1)) };
}
