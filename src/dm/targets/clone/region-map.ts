/** Which regions are hydrated, in memory: region n is bit n % 8 of byte n / 8; and which words of 64 of them have changed since the last commit. */
const WORD_BITS = 64;
const WORD_BYTES = 8;

export class RegionMap {
  readonly regions: number;
  readonly #bits: Uint8Array;
  #hydrated = 0;
  readonly #changed = new Set<number>();

  /** @param bits whole words, which are used from now on */
  constructor(regions: number, bits: Uint8Array) {
    this.regions = regions;
    this.#bits = bits;
    for (let at = 0; at < regions;) {
      const end = this.runEnd(at, regions);
      if (this.has(at)) this.#hydrated += end - at;
      at = end;
    }
  }

  get hydrated(): number {
    return this.#hydrated;
  }

  get isComplete(): boolean {
    return this.#hydrated === this.regions;
  }

  get hasChanged(): boolean {
    return this.#changed.size > 0;
  }

  has(region: number): boolean {
    return (this.#bits[region >>> 3]! & (1 << (region & 7))) !== 0;
  }

  /** Regions `from` up to `to` are hydrated. */
  set(from: number, to: number): void {
    for (let region = from; region < to; region += 1) {
      if (this.has(region)) continue;
      this.#bits[region >>> 3]! |= 1 << (region & 7);
      this.#hydrated += 1;
      this.#changed.add(Math.floor(region / WORD_BITS));
    }
  }

  /** Where the regions that are like `from` end, at most `limit`. */
  runEnd(from: number, limit: number): number {
    const value = this.has(from);
    const byte = value ? 0xff : 0;
    let at = from;
    while (at < limit && this.has(at) === value)
      at += (at & 7) === 0 && this.#bits[at >>> 3] === byte ? 8 : 1;
    return Math.min(at, limit);
  }

  /** The first region from `from` on that is not hydrated; `limit` if there is none before. */
  nextUnhydrated(from: number, limit: number): number {
    if (from >= limit || !this.has(from)) return Math.min(from, limit);
    return this.runEnd(from, limit);
  }

  /** Copies the words that have changed to where they are in `to`. What changes from now on is for the next commit. @returns their numbers */
  takeChanged(to: Uint8Array): number[] {
    const words = [...this.#changed].toSorted((a, b) => a - b);
    this.#changed.clear();
    for (const word of words) {
      const from = word * WORD_BYTES;
      to.set(this.#bits.subarray(from, from + WORD_BYTES), from);
    }
    return words;
  }
}
