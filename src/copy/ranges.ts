/** Ranges of bytes that are collected in ascending order, touching ones as one: what could not be read, for one. */

export interface ByteRange {
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

export class RangeList {
  readonly #ranges: ByteRange[] = [];
  #totalBytes = 0;

  /** Takes a range that starts at or behind the end of the last one. */
  add(offsetBytes: number, lengthBytes: number): void {
    this.#totalBytes += lengthBytes;
    const last = this.#ranges.at(-1);
    if (last !== undefined && last.offsetBytes + last.lengthBytes === offsetBytes) {
      const joined = { ...last, lengthBytes: last.lengthBytes + lengthBytes };
      this.#ranges[this.#ranges.length - 1] = joined;
    } else {
      this.#ranges.push({ offsetBytes, lengthBytes });
    }
  }

  get all(): readonly ByteRange[] {
    return this.#ranges;
  }

  get totalBytes(): number {
    return this.#totalBytes;
  }
}
