/**
 * Mappings of a device as they were found last, so that a bio needs no look at its tree: each block has one place, which the one that was found
 * last keeps. Only what is mapped is kept. Whoever changes a mapping forgets it here first, while nobody looks.
 */
const PLACES = 16384;
const MAX_BLOCK = 2 ** 31 - 2;

export class MappingCache {
  /** The block that has the place, plus 1; 0: none. Made when there is something to keep. */
  #blocks: Int32Array | null = null;
  #dataBlocks = NOTHING;
  #times = NOTHING;

  /** The block's place, for `dataBlockAt` and `timeAt`; -1: nothing is known of it. */
  find(block: number): number {
    const place = block % PLACES;
    return this.#blocks !== null && this.#blocks[place] === block + 1 ? place : -1;
  }

  dataBlockAt(place: number): number {
    return this.#dataBlocks[place]!;
  }

  /** When it was mapped. */
  timeAt(place: number): number {
    return this.#times[place]!;
  }

  keep(block: number, dataBlock: number, time: number): void {
    if (block > MAX_BLOCK || dataBlock > MAX_BLOCK) return;
    if (this.#blocks === null) {
      this.#blocks = new Int32Array(PLACES);
      this.#dataBlocks = new Int32Array(PLACES);
      this.#times = new Int32Array(PLACES);
    }
    const place = block % PLACES;
    this.#blocks[place] = block + 1;
    this.#dataBlocks[place] = dataBlock;
    this.#times[place] = time;
  }

  /** Blocks `from` up to, not including, `to`. */
  forget(from: number, to: number): void {
    if (this.#blocks === null) return;
    if (to - from >= PLACES) this.clear();
    else
      for (let block = from; block < to; block += 1) {
        const place = this.find(block);
        if (place >= 0) this.#blocks[place] = 0;
      }
  }

  clear(): void {
    this.#blocks?.fill(0);
  }
}

const NOTHING = new Int32Array(0);
