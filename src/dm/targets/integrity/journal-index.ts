/** Which blocks are in the journal, and in which entries: a block that is written again while it is there has several. */
const NONE = -1;

export class JournalIndex {
  readonly #sectorsPerBlock: number;
  /** By a block's first sector: its newest entry. */
  readonly #newest = new Map<number, number>();
  /** By entry: the next newer one of the same block. */
  readonly #newer: Int32Array;

  constructor(entries: number, sectorsPerBlock: number) {
    this.#newer = new Int32Array(entries).fill(NONE);
    this.#sectorsPerBlock = sectorsPerBlock;
  }

  /** The newest entry of a block; undefined: there is none. */
  find(sector: number): number | undefined {
    return this.#newest.get(sector);
  }

  /** The first sector of the range that is in the journal; `end` if none is. */
  nextIn(sector: number, end: number): number {
    if (this.#newest.size === 0) return end;
    let at = sector;
    while (at < end && !this.#newest.has(at)) at += this.#sectorsPerBlock;
    return at;
  }

  /** An entry that is newer than all of its block. */
  add(sector: number, entry: number): void {
    const before = this.#newest.get(sector);
    if (before !== undefined) this.#newer[before] = entry;
    this.#newest.set(sector, entry);
  }

  /** The oldest entry of its block: if it is the newest too, the block is looked for in its place from now on. */
  remove(sector: number, entry: number): void {
    if (this.#newest.get(sector) === entry) this.#newest.delete(sector);
    this.#newer[entry] = NONE;
  }

  newerThan(entry: number): number | null {
    const newer = this.#newer[entry]!;
    return newer === NONE ? null : newer;
  }
}
