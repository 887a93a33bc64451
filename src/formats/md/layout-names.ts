/**
 * Layout numbers and mdadm's words for them, both ways; and the names of levels.
 *
 * raid4/5/6: the ALGORITHM_ numbers of the kernel's raid5.h. 16 and up ("-6") are raid5 layouts with Q always on the last
 * disk: what a raid5 becomes by takeover. 8 to 10 rotate Q as DDF arrays do.
 * raid10: bits 0-7 near copies, 8-15 far copies, 16 the far copies are "offset" (the next stripe, not the next zone),
 * 17 and 18 far copies stay within sets of disks: 18 the right way, 17 as kernels 3.9 to 3.11 had it. mdadm has no word for
 * the sets and shows "far=2" for all of them; here ", far-sets" is added so that names go both ways.
 * raid0: how zones of unequal members are laid out; 0 stands for "not recorded".
 */
import { MD_LEVEL_BY_NUMBER, MD_OTHER_LEVEL_NAMES } from "./superblock.ts";
import type { MdLevel } from "./superblock.ts";

const RAID5: readonly (readonly [number, string])[] = [
  [0, "left-asymmetric"],
  [1, "right-asymmetric"],
  [2, "left-symmetric"],
  [3, "right-symmetric"],
  [4, "parity-first"],
  [5, "parity-last"],
];

const RAID6: readonly (readonly [number, string])[] = [
  ...RAID5,
  [8, "ddf-zero-restart"],
  [9, "ddf-N-restart"],
  [10, "ddf-N-continue"],
  [16, "left-asymmetric-6"],
  [17, "right-asymmetric-6"],
  [18, "left-symmetric-6"],
  [19, "right-symmetric-6"],
  [20, "parity-first-6"],
];

/** Other words that mdadm takes. raid5 has the DDF names as aliases: without Q to rotate they are the plain layouts. */
const SHORT: readonly (readonly [string, number])[] = [
  ["default", 2],
  ["la", 0],
  ["ra", 1],
  ["ls", 2],
  ["rs", 3],
];
const RAID5_ALIASES = new Map([
  ...SHORT,
  ["ddf-zero-restart", 1] as const,
  ["ddf-N-restart", 0] as const,
  ["ddf-N-continue", 2] as const,
]);
const RAID6_ALIASES = new Map(SHORT);

const RAID0: readonly (readonly [number, string])[] = [
  [0, "dangerous"],
  [1, "original"],
  [2, "alternate"],
];
const RAID0_ALIASES = new Map([
  ["1", 1],
  ["2", 2],
]);

const RAID10_OFFSET_BIT = 0x10000;
const RAID10_FAR_SETS_OLD_BIT = 0x20000;
const RAID10_FAR_SETS_BIT = 0x40000;

function find(table: readonly (readonly [number, string])[], layout: number): string {
  return table.find(([number]) => number === layout)?.[1] ?? `unknown (${layout})`;
}

function raid10Name(layout: number): string {
  const near = layout & 0xff;
  const far = (layout >>> 8) & 0xff;
  if (near === 0 || far === 0 || layout >>> 17 > 2) return `unknown (${layout})`;
  const parts: string[] = [];
  if (near !== 1 || far === 1) parts.push(`near=${near}`);
  if (far !== 1) parts.push(`${layout & RAID10_OFFSET_BIT ? "offset" : "far"}=${far}`);
  else if (layout & RAID10_OFFSET_BIT) parts.push("offset=1");
  if (layout & RAID10_FAR_SETS_BIT) parts.push("far-sets");
  if (layout & RAID10_FAR_SETS_OLD_BIT) parts.push("far-sets-old");
  return parts.join(", ");
}

/** mdadm's name for a layout: "left-symmetric", "near=2", "original"; "-" where the level has none. */
export function layoutName(level: MdLevel, layout: number): string {
  switch (level) {
    case "raid5":
      return find(RAID5, layout);
    case "raid6":
      return find(RAID6, layout);
    case "raid10":
      return raid10Name(layout);
    case "raid0":
      return find(RAID0, layout);
    case "linear":
    case "raid1":
    case "raid4":
      return "-";
  }
}

const COPIES = /^(near|far|offset|n|f|o)=?(\d{1,3})$/;

function parseRaid10(text: string): number | null {
  let near = 1;
  let far = 1;
  let flags = 0;
  for (const part of text.split(",").map((word) => word.trim())) {
    if (part === "far-sets") flags |= RAID10_FAR_SETS_BIT;
    else if (part === "far-sets-old") flags |= RAID10_FAR_SETS_OLD_BIT;
    else {
      const match = COPIES.exec(part);
      const copies = Number(match?.[2]);
      if (match === null || copies < 1 || copies > 255) return null;
      if (match[1]!.startsWith("n")) near = copies;
      else far = copies;
      if (match[1]!.startsWith("o")) flags |= RAID10_OFFSET_BIT;
    }
  }
  if (flags >>> 17 > 2) return null;
  return near | (far << 8) | flags;
}

function lookUp(
  table: readonly (readonly [number, string])[],
  aliases: ReadonlyMap<string, number>,
  text: string,
): number | null {
  return table.find(([, name]) => name === text)?.[0] ?? aliases.get(text) ?? null;
}

/** The number for a layout's name as layoutName gives it or mdadm takes it ("ls", "n2"); null if there is none. */
export function parseLayout(level: MdLevel, text: string): number | null {
  switch (level) {
    case "raid5":
      return lookUp(RAID5, RAID5_ALIASES, text);
    case "raid6":
      return lookUp(RAID6, RAID6_ALIASES, text);
    case "raid10":
      return parseRaid10(text);
    case "raid0":
      return lookUp(RAID0, RAID0_ALIASES, text);
    case "linear":
    case "raid1":
    case "raid4":
      return text === "-" ? 0 : null;
  }
}

/** Every layout number that raid4/5/6 arrays can have on disk, by level. */
export function isParityLayout(level: "raid4" | "raid5" | "raid6", layout: number): boolean {
  // raid4's layout is not looked at: parity is always on the last disk.
  if (level === "raid4") return true;
  return (level === "raid5" ? RAID5 : RAID6).some(([number]) => number === layout);
}

/** The kernel's name of a level number. */
export function levelText(level: number): string {
  return MD_LEVEL_BY_NUMBER.get(level) ?? MD_OTHER_LEVEL_NAMES.get(level) ?? "-unknown-";
}
