/** Putting together the answer of BlockDevice.extents: runs in order, without gaps, neighbours of different kind. */
import type { Extent, ExtentKind } from "./device.ts";

export class ExtentList {
  readonly #maxExtents: number;
  readonly #list: { sector: number; sectors: number; kind: ExtentKind }[] = [];
  #end: number;
  #isFull = false;

  /** @param sector where the first run begins */
  constructor(sector: number, maxExtents: number) {
    this.#end = sector;
    this.#maxExtents = Math.max(1, maxExtents);
  }

  /** Where the next run begins. */
  get end(): number {
    return this.#end;
  }

  /** Appends a run. False once the list has as many as it may: the run was left out, and asking for more is pointless. */
  add(sectors: number, kind: ExtentKind): boolean {
    if (this.#isFull) return false;
    if (sectors === 0) return true;
    const last = this.#list.at(-1);
    if (last?.kind === kind) last.sectors += sectors;
    else if (this.#list.length === this.#maxExtents) {
      this.#isFull = true;
      return false;
    } else this.#list.push({ sector: this.#end, sectors, kind });
    this.#end += sectors;
    return true;
  }

  get extents(): Extent[] {
    return this.#list;
  }
}
