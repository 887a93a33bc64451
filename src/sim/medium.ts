/** Medium: what is stored on a disk. Pages exist once something was written there: most of a disk never is, and runs are many. */
import { SECTOR_BYTES } from "../base/units.ts";
import { cut } from "./slab.ts";

export const PAGE_SECTORS = 8;
export const PAGE_BYTES = PAGE_SECTORS * SECTOR_BYTES;

/** Of one piece of memory, both. */
export class Page {
  readonly bytes: Uint8Array;
  readonly words: Int32Array;

  /** The memory is all zeros, and the run's unless it is given. */
  constructor({ buffer, offset } = cut(PAGE_BYTES)) {
    this.bytes = new Uint8Array(buffer, offset, PAGE_BYTES);
    this.words = new Int32Array(buffer, offset, PAGE_BYTES / 4);
  }
}

export class Medium {
  readonly sectors: number;
  readonly #pages: (Page | undefined)[] = [];
  /** What is read where nothing was written here. */
  readonly #under: Medium | null;
  /** Written since it was last like another. */
  readonly #changed = new Set<number>();

  constructor(sectors: number, under: Medium | null = null) {
    this.sectors = sectors;
    this.#under = under;
  }

  /** The same, to be written over: nothing of that is seen here. To be given up when this one is written to. */
  overlay(): Medium {
    return new Medium(this.sectors, this);
  }

  read(sector: number, into: Uint8Array): void {
    const bytes = into.length;
    let byte = sector * SECTOR_BYTES;
    for (let at = 0; at < bytes;) {
      const offset = byte % PAGE_BYTES;
      const length = Math.min(PAGE_BYTES - offset, bytes - at);
      const page = this.#held((byte - offset) / PAGE_BYTES);
      if (page === undefined) into.fill(0, at, at + length);
      else if (length === PAGE_BYTES) into.set(page.bytes, at);
      else into.set(page.bytes.subarray(offset, offset + length), at);
      at += length;
      byte += length;
    }
  }

  write(sector: number, data: Uint8Array): void {
    const bytes = data.length;
    let byte = sector * SECTOR_BYTES;
    for (let at = 0; at < bytes;) {
      const offset = byte % PAGE_BYTES;
      const length = Math.min(PAGE_BYTES - offset, bytes - at);
      const page = this.#own((byte - offset) / PAGE_BYTES);
      page.bytes.set(length === bytes ? data : data.subarray(at, at + length), offset);
      at += length;
      byte += length;
    }
  }

  flipBit(byte: number, bit: number): void {
    this.#own(Math.floor(byte / PAGE_BYTES)).bytes[byte % PAGE_BYTES]! ^= 1 << bit;
  }

  /** The page that the sector lies in; null: nothing was ever written there. Only to be read. */
  pageAt(sector: number): Page | null {
    return this.#held(Math.floor(sector / PAGE_SECTORS)) ?? null;
  }

  /** One sector; null: nothing was ever written there. Only to be read. */
  sectorAt(sector: number): Uint8Array | null {
    const page = this.#held(Math.floor(sector / PAGE_SECTORS));
    if (page === undefined) return null;
    const offset = (sector % PAGE_SECTORS) * SECTOR_BYTES;
    return page.bytes.subarray(offset, offset + SECTOR_BYTES);
  }

  /** Holds what `other` holds, to which all was written that was not written here. */
  become(other: Medium): void {
    for (const page of this.#changed) {
      const content = other.#pages[page];
      if (content === undefined) this.#pages[page]?.bytes.fill(0);
      else this.#own(page).bytes.set(content.bytes);
    }
    this.#changed.clear();
  }

  #held(page: number): Page | undefined {
    return this.#pages[page] ?? (this.#under === null ? undefined : this.#under.#held(page));
  }

  #own(number: number): Page {
    this.#changed.add(number);
    const own = this.#pages[number];
    if (own !== undefined) return own;
    const page = new Page();
    const below = this.#held(number);
    if (below !== undefined) page.bytes.set(below.bytes);
    this.#pages[number] = page;
    return page;
  }
}
