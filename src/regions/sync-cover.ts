/**
 * How much of a chunk has been synced, when background sync goes in steps smaller than chunks, or across their edges. A chunk counts
 * as synced when steps of one pass that have succeeded cover it whole.
 */
import type { SectorRange } from "../base/units.ts";

export class SyncCover {
  readonly #ranges = new Map<number, SectorRange[]>();

  /** True when the `length` sectors of the chunk are covered with this; then nothing of it is kept. */
  add(chunk: number, range: SectorRange, length: number): boolean {
    const joined = join([...(this.#ranges.get(chunk) ?? []), range]);
    if (joined.length === 1 && joined[0]!.sectors === length) {
      this.#ranges.delete(chunk);
      return true;
    }
    this.#ranges.set(chunk, joined);
    return false;
  }

  forget(chunk: number): void {
    this.#ranges.delete(chunk);
  }

  clear(): void {
    this.#ranges.clear();
  }
}

function join(ranges: SectorRange[]): SectorRange[] {
  const joined: SectorRange[] = [];
  for (const range of ranges.sort((a, b) => a.sector - b.sector)) {
    const last = joined.at(-1);
    if (last === undefined || last.sector + last.sectors < range.sector) joined.push(range);
    else {
      const end = Math.max(last.sector + last.sectors, range.sector + range.sectors);
      joined[joined.length - 1] = { sector: last.sector, sectors: end - last.sector };
    }
  }
  return joined;
}
