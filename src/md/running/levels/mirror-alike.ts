/** Finding out whether all copies of a run are alike, where nobody is missing anything: all of them are read at a time, and compared by memcmp. */
import type { CopyPlaces } from "../../geometry/place.ts";
import type { MirrorGeometry } from "../../personalities/mirror.ts";
import type { ArrayCore } from "../core.ts";
import type { MirrorSlots } from "./mirror-slots.ts";
import { RunReads } from "./run-reads.ts";
import type { RunEnd, RunRead } from "./run-reads.ts";

export class AlikeRuns {
  readonly #geometry: MirrorGeometry;
  readonly #slots: MirrorSlots;
  readonly #reads: RunReads;
  readonly #places: CopyPlaces = [];

  constructor(core: ArrayCore, geometry: MirrorGeometry, slots: MirrorSlots) {
    this.#geometry = geometry;
    this.#slots = slots;
    this.#reads = new RunReads(core, areAlike);
  }

  /** The run, inside one piece, is locked. False: somebody is missing something, and nothing was begun. */
  start(sector: number, sectors: number, end: RunEnd): boolean {
    const run = this.#reads.take();
    if (!this.#fill(run, sector)) {
      this.#reads.giveBack(run);
      return false;
    }
    run.sectors = sectors;
    this.#reads.start(run, end);
    return true;
  }

  #fill(run: RunRead, sector: number): boolean {
    this.#slots.refresh();
    for (const { slot, memberSector } of this.#geometry.copies(sector, this.#places)) {
      const members = this.#slots.at(slot);
      if (members.length === 0) return false;
      for (const member of members) {
        if (!member.isInSync || !member.badBlocks.isEmpty) return false;
        run.add(member, memberSector);
      }
    }
    return true;
  }
}

function areAlike({ blocks, count }: RunRead): boolean {
  for (let index = 1; index < count; index += 1)
    if (Buffer.compare(blocks[0]!, blocks[index]!) !== 0) return false;
  return true;
}
