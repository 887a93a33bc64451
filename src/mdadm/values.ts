/** The values of options: text to number, null when it is none. Facts: mdadm(8). */
import { parseLayout } from "../formats/md/layout-names.ts";
import type { MdLevel } from "../formats/md/superblock.ts";
import type { BitmapChoice, MetadataChoice } from "./command.ts";

const SECTORS_PER_UNIT: Readonly<Record<string, number>> = {
  "": 2,
  K: 2,
  M: 2048,
  G: 2 ** 21,
  T: 2 ** 31,
  s: 1,
};

/** "64", "64K" (both KiB), "1M", "2G", "1T", "8s" (sectors) in sectors; only what is above 0. */
export function parseSize(text: string): number | null {
  const match = /^\s*\+?(\d+)([KMGTs]?)$/.exec(text);
  const sectors = Number(match?.[1]) * SECTORS_PER_UNIT[match?.[2] ?? ""]!;
  return Number.isSafeInteger(sectors) && sectors > 0 ? sectors : null;
}

/** A decimal integer of at least `least`. */
export function parseCount(text: string, least: number): number | null {
  if (!/^\s*[-+]?\d+$/.test(text)) return null;
  const value = Number(text);
  return value >= least && value < 2 ** 31 ? value : null;
}

/** 32 hex digits with blanks, colons, dots or dashes between them, in md's form; null when it is something else. */
export function parseUuid(text: string): string | null {
  const digits = text.replace(/[ :.-]/g, "");
  if (!/^[0-9a-fA-F]{32}$/.test(digits)) return null;
  return digits.toLowerCase().replace(/(.{8})(?=.)/g, "$1:");
}

/** The first word of a row is the one that is printed. */
const LEVEL_WORDS: readonly (readonly string[])[] = [
  ["linear"],
  ["raid0", "0", "stripe"],
  ["raid1", "1", "mirror"],
  ["raid4", "4"],
  ["raid5", "5"],
  ["multipath", "mp"],
  ["raid6", "6"],
  ["raid10", "10"],
  ["faulty"],
  ["container"],
];

/** A level's own name for any of its words; null when there is no such level. */
export function parseLevel(text: string): string | null {
  return LEVEL_WORDS.find((words) => words.includes(text))?.[0] ?? null;
}

const RAID10_COPIES = /^([nof])(\d+)$/;
const MOST_COPIES = 200;

/** "n2", "f2", "o3": copies from 1 to 200. */
function parseCopies(text: string): number | null {
  const [, way, digits] = RAID10_COPIES.exec(text) ?? [];
  const copies = Number(digits);
  if (way === undefined || copies < 1 || copies > MOST_COPIES) return null;
  if (way === "n") return 0x100 + copies;
  return copies * 256 + 1 + (way === "o" ? 0x10000 : 0);
}

const FAULTY_WORDS: ReadonlyMap<string, number> = new Map([
  ["write-transient", 0],
  ["wt", 0],
  ["read-transient", 1],
  ["rt", 1],
  ["write-persistent", 2],
  ["wp", 2],
  ["read-persistent", 3],
  ["rp", 3],
  ["write-all", 4],
  ["wa", 4],
  ["read-fixable", 5],
  ["rf", 5],
  ["default", 31],
  ["none", 31],
  ["clear", 31],
  ["flush", 30],
]);
const FAULTY_PERIOD = 32;

/** A mode of faults, and behind it the number of requests from one fault to the next. */
function parseFaults(text: string): number | null {
  const [, word = "", period = ""] = /^(\D+)(\d*)$/.exec(text) ?? [];
  const mode = FAULTY_WORDS.get(word);
  return mode === undefined ? null : mode + FAULTY_PERIOD * Number(period);
}

/** @param level as parseLevel gives it; null also when the level has no layouts */
export function parseLayoutOf(level: string, text: string): number | null {
  switch (level) {
    case "raid10":
      return parseCopies(text);
    case "faulty":
      return parseFaults(text);
    case "raid0":
    case "raid5":
    case "raid6":
      return parseLayout(level satisfies MdLevel, text);
    default:
      return null;
  }
}

/** Whether --layout means something for the level. */
export function hasLayouts(level: string): boolean {
  return ["raid0", "raid5", "raid6", "raid10", "faulty"].includes(level);
}

const NATIVE: ReadonlyMap<string, "0.90" | "1" | "1.0" | "1.1" | "1.2"> = new Map([
  ["0", "0.90"],
  ["0.9", "0.90"],
  ["0.90", "0.90"],
  ["0.91", "0.90"],
  ["00.90", "0.90"],
  // Of the other byte order: it is told by the magic number.
  ["0.swap", "0.90"],
  ["default", "1.2"],
  ["1", "1"],
  ["1.0", "1.0"],
  ["1.1", "1.1"],
  ["1.2", "1.2"],
]);

export function parseMetadata(text: string): MetadataChoice | null {
  const version = NATIVE.get(text);
  if (version !== undefined) return { kind: "native", version };
  return text === "ddf" || text === "imsm" ? { kind: "foreign", name: text } : null;
}

/** A path has a slash in it. */
export function parseBitmap(text: string): BitmapChoice | null {
  switch (text) {
    case "none":
    case "internal":
    case "clustered":
    case "lockless":
      return { kind: text };
    default:
      return text.includes("/") ? { kind: "file", path: text } : null;
  }
}

/** "no", or "yes", "md", "mdp", "part", "p" with or without a number behind: what --auto once took. */
export function isAutoWord(text: string): boolean {
  return text === "no" || /^(?:yes|md|mdp|part|p)\d*$/.test(text);
}
