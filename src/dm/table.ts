/**
 * Tables: which target serves which sectors of a mapped device. One line each, `START LENGTH TARGET WORD...`, in order and without gaps.
 *
 *   0 2048 linear /srv/a.img 0
 *   2048 4096 striped 2 64 /srv/b.img 0 /srv/c.img 0
 *
 * A backslash takes away the meaning of what follows it, so blanks can be in names. Empty lines and those that begin with `#` say nothing.
 */
import { HoldfastError } from "../base/errors.ts";

export interface TableLine {
  readonly start: number;
  readonly sectors: number;
  readonly target: string;
  /** Behind the target's name. */
  readonly words: readonly string[];
}

export type Table = readonly TableLine[];

const NUMBER = /^\d+$/;
/** Numbers are exact up to here; no device comes near it. Kernels take up to 2^64. */
const MAX_SECTORS = "2^53 - 1";

/** The words of a line, as the kernel takes a target's apart. */
export function splitWords(text: string): string[] {
  const words: string[] = [];
  let word: string | null = null;
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at]!;
    if (/\s/.test(char)) {
      if (word !== null) words.push(word);
      word = null;
    } else if (char === "\\" && at + 1 < text.length) {
      at += 1;
      word = (word ?? "") + text[at]!;
    } else word = (word ?? "") + char;
  }
  if (word !== null) words.push(word);
  return words;
}

/** One word of a line that `splitWords` gives back as it was. */
export function quoteWord(word: string): string {
  return word.replaceAll(/[\s\\]/g, (char) => `\\${char}`);
}

function numberIn(line: number, what: string, word: string | undefined, min: number): number {
  const value = Number(word);
  if (word === undefined || !NUMBER.test(word) || !Number.isSafeInteger(value) || value < min) {
    const found = word === undefined ? "nothing" : `"${word}"`;
    throw new HoldfastError(
      "usage",
      `table line ${line}: ${what} is a number of sectors from ${min} to ${MAX_SECTORS}, and there is ${found}.`,
    );
  }
  return value;
}

/** @throws HoldfastError `usage` naming the line and the word */
export function parseTable(text: string): Table {
  const lines: TableLine[] = [];
  let end = 0;
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "" || line.trimStart().startsWith("#")) continue;
    const number = index + 1;
    if (line.includes("\0"))
      throw new HoldfastError("usage", `table line ${number}: it has a zero byte.`);
    const [first, second, target, ...words] = splitWords(line);
    const start = numberIn(number, "the start", first, 0);
    const sectors = numberIn(number, "the length", second, 1);
    if (target === undefined)
      throw new HoldfastError("usage", `table line ${number}: the target is missing.`);
    if (start !== end)
      throw new HoldfastError(
        "usage",
        `table line ${number}: it starts at sector ${start}, and the line before ends at ${end}.`,
      );
    end = start + sectors;
    if (!Number.isSafeInteger(end))
      throw new HoldfastError(
        "usage",
        `table line ${number}: it must end at sector ${MAX_SECTORS} or before.`,
      );
    lines.push({ start, sectors, target, words });
  }
  if (lines.length === 0) throw new HoldfastError("usage", "The table has no line.");
  return lines;
}

export function tableSectors(table: Table): number {
  const last = table.at(-1);
  return last === undefined ? 0 : last.start + last.sectors;
}
