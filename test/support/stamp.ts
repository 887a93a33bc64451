/**
 * Stamped sectors (test/golden/README.md, "The pattern"): each sector tells where in its volume it belongs and which
 * write put it there. 32 equal records of 16 bytes: the sector's number (u64, little endian), then a seed of up to 8
 * ASCII bytes, padded with NUL. `stampRuns` says what a read returned in the words of a golden `map`.
 */
import { closeSync, ftruncateSync, openSync, writeSync } from "node:fs";

const SECTOR_BYTES = 512;
const RECORD_WORDS = 4;
const SECTOR_WORDS = SECTOR_BYTES / 4;

function seedWords(seed: string): [number, number] {
  const bytes = new Uint8Array(8);
  const { written, read } = new TextEncoder().encodeInto(seed, bytes);
  if (written !== seed.length || read !== seed.length || seed === "") {
    throw new Error(`a seed has 1 to 8 ASCII characters, not "${seed}"`);
  }
  const words = new Uint32Array(bytes.buffer);
  return [words[0] ?? 0, words[1] ?? 0];
}

/** Stamps `data` (whole sectors) as the sectors `firstSector...` of a volume. */
export function stampInto(data: Uint8Array, seed: string, firstSector: number): void {
  const [low, high] = seedWords(seed);
  const words = new Uint32Array(data.buffer, data.byteOffset, data.length / 4);
  for (let at = 0, sector = firstSector; at < words.length; sector += 1) {
    const end = at + SECTOR_WORDS;
    for (; at < end; at += RECORD_WORDS) {
      words[at] = sector;
      words[at + 1] = Math.floor(sector / 0x100000000);
      words[at + 2] = low;
      words[at + 3] = high;
    }
  }
}

/** A stamped copy of the sectors `firstSector..firstSector + sectors`. */
export function stampedSectors(seed: string, firstSector: number, sectors: number): Uint8Array {
  const data = new Uint8Array(sectors * SECTOR_BYTES);
  stampInto(data, seed, firstSector);
  return data;
}

/** Makes a file that holds the stamped sectors `0..sectors`. */
export function writeStampFile(path: string, seed: string, sectors: number): void {
  const piece = 4096;
  const file = openSync(path, "w");
  try {
    ftruncateSync(file, sectors * SECTOR_BYTES);
    for (let at = 0; at < sectors; at += piece) {
      const data = stampedSectors(seed, at, Math.min(piece, sectors - at));
      writeSync(file, data, 0, data.length, at * SECTOR_BYTES);
    }
  } finally {
    closeSync(file);
  }
}

export type SectorContent =
  | { readonly kind: "stamp"; readonly seed: string; readonly sector: number }
  | { readonly kind: "zero" }
  | { readonly kind: "other" };

/** What the sector that starts at word `at` holds. */
function contentAt(words: Uint32Array, at: number): SectorContent {
  for (let i = RECORD_WORDS; i < SECTOR_WORDS; i += 1) {
    if (words[at + i] !== words[at + i - RECORD_WORDS]) return { kind: "other" };
  }
  const record = words.slice(at, at + RECORD_WORDS);
  if (record.every((word) => word === 0)) return { kind: "zero" };
  const seed = new TextDecoder().decode(new Uint8Array(record.buffer, 8)).replace(/\0+$/, "");
  if (!/^[\x21-\x7e]{1,8}$/.test(seed)) return { kind: "other" };
  return { kind: "stamp", seed, sector: (record[0] ?? 0) + (record[1] ?? 0) * 0x100000000 };
}

function nameOf(content: SectorContent, sector: number): string {
  if (content.kind !== "stamp") return content.kind;
  const moved = content.sector - sector;
  return moved === 0 ? `stamp ${content.seed}` : `stamp ${content.seed} moved ${moved}`;
}

/** The runs of a volume read from sector `firstSector` on: "START COUNT KIND". */
export function stampRuns(data: Uint8Array, firstSector = 0): string[] {
  const whole = data.byteOffset % 4 === 0 ? data : data.slice();
  const words = new Uint32Array(whole.buffer, whole.byteOffset, whole.length / 4);
  const runs: string[] = [];
  let start = firstSector;
  let name = "";
  const sectors = data.length / SECTOR_BYTES;
  for (let i = 0; i < sectors; i += 1) {
    const found = nameOf(contentAt(words, i * SECTOR_WORDS), firstSector + i);
    if (found === name) continue;
    if (name !== "") runs.push(`${start} ${firstSector + i - start} ${name}`);
    start = firstSector + i;
    name = found;
  }
  if (name !== "") runs.push(`${start} ${firstSector + sectors - start} ${name}`);
  return runs;
}
