/** Sectors that tell which one they are and which write they belong to, from the first word to the last. */
import { SECTOR_BYTES } from "../base/units.ts";

const WORDS = SECTOR_BYTES / 4;

/** Fills `data` with sectors from `sector` on, as written by the write `version`. Its length is whole sectors, its start aligned to 4. */
export function stamp(data: Uint8Array, sector: number, version: number): void {
  const words = wordsOf(data);
  for (let at = 0; at < words.length; at += 2) {
    words[at] = sector + Math.floor(at / WORDS) + 1;
    words[at + 1] = version;
  }
}

export function stamped(sector: number, sectors: number, version: number): Uint8Array {
  const data = new Uint8Array(sectors * SECTOR_BYTES);
  stamp(data, sector, version);
  return data;
}

/** As words, of which `versionsIn` reads. Its start is aligned to 4. */
export function wordsOf(data: Uint8Array): Uint32Array {
  return new Uint32Array(data.buffer, data.byteOffset, data.length / 4);
}

/** The versions in the sector that is so many sectors behind the start of `words`, lowest and highest; 0: never written. Null: that was never written there. */
export function versionsIn(
  words: Uint32Array,
  behind: number,
  sector: number,
): { low: number; high: number } | null {
  const start = behind * WORDS;
  let low = words[start + 1]!;
  let high = low;
  const first = words[start]!;
  if (first !== sector + 1 && (first !== 0 || low !== 0)) return null;
  for (let at = start + 2; at < start + WORDS; at += 2) {
    if (words[at] !== first) return null;
    const version = words[at + 1]!;
    if (version < low) low = version;
    if (version > high) high = version;
  }
  return { low, high };
}
