/** A page of a space map: the counts that one bitmap holds, in memory a byte each. */
import { BITMAP_ENTRIES, BITMAP_HEADER_BYTES } from "../formats/persistent-data.ts";
import type { IndexEntry } from "../formats/persistent-data.ts";
import type { CachedBlock } from "./block-cache.ts";

export class Page {
  readonly index: number;
  /** 0, 1, 2 or COUNT_IN_TREE. */
  readonly counts: Uint8Array;
  /** As the last commit had them; null while nothing changed since. */
  committed: Uint8Array | null = null;
  /** 0: there was none yet. */
  bitmap: number;
  free: number;
  noneFreeBefore: number;
  /** What it is written to in this transaction. */
  shadow: CachedBlock | null = null;

  constructor(index: number, entry: IndexEntry) {
    this.index = index;
    this.counts = new Uint8Array(BITMAP_ENTRIES);
    this.bitmap = entry.bitmap;
    this.free = entry.free;
    this.noneFreeBefore = entry.noneFreeBefore;
  }

  isFree(at: number): boolean {
    return this.counts[at] === 0 && (this.committed === null || this.committed[at] === 0);
  }
}

/** The higher bit of a count comes first. */
export function readBitmap({ counts }: Page, data: Uint8Array): void {
  for (let at = 0; at < BITMAP_ENTRIES; at += 1) {
    const two = (data[BITMAP_HEADER_BYTES + (at >> 2)]! >> ((at & 3) * 2)) & 3;
    counts[at] = ((two & 1) << 1) | (two >> 1);
  }
}

/** Into the page's shadow. */
export function fillBitmap({ counts, shadow }: Page): void {
  const { data } = shadow!;
  for (let at = 0; at < BITMAP_ENTRIES; at += 4) {
    let byte = 0;
    for (let one = 0; one < 4; one += 1) {
      const count = counts[at + one]!;
      byte |= (((count & 1) << 1) | (count >> 1)) << (one * 2);
    }
    data[BITMAP_HEADER_BYTES + (at >> 2)] = byte;
  }
}
