/** Write-back: entries of committed sections come to their places, neighbours in one go, so many at a time; at the end all is flushed. */
import type { HoldfastError } from "../../../base/errors.ts";
import { quotient } from "../../../base/units.ts";
import { BioFlags, writeBio } from "../../../block/bio.ts";
import type { BioEnd } from "../../../block/bio.ts";
import type { BlockDevice } from "../../../block/device.ts";
import { fanOut } from "../../../block/fan-out.ts";
import type { RangeHold, RangeLock } from "../../../block/range-lock.ts";
import type { Sections } from "./journal-image.ts";
import type { Journal } from "./journal.ts";
import { dataPlace, tagPlaceBytes } from "./layout.ts";
import type { Layout } from "./layout.ts";
import type { TagBuffers } from "./tag-buffers.ts";

const RUNS_AT_A_TIME = 32;

export interface WriteBackPlaces {
  readonly layout: Layout;
  readonly data: BlockDevice;
  readonly buffers: TagBuffers;
  /** Of data sectors: what is held exclusively is not read. */
  readonly lock: RangeLock;
}

/** Entries of neighbouring blocks, in one section and one run of data. */
interface Run {
  entry: number;
  sector: number;
  count: number;
}

/** Writes back these sections; durable when it ends. */
export class WriteBack {
  readonly #journal: Journal;
  readonly #places: WriteBackPlaces;
  readonly #runs: Run[];
  #next = 0;
  #underWay = 0;
  #isStarting = false;
  #failure: HoldfastError | null = null;
  readonly #end: BioEnd;

  constructor(journal: Journal, places: WriteBackPlaces, sections: Sections, end: BioEnd) {
    this.#journal = journal;
    this.#places = places;
    this.#end = end;
    this.#runs = this.#runsIn(sections);
  }

  start(): void {
    if (this.#isStarting) return;
    this.#isStarting = true;
    const hasMore = (): boolean => this.#failure === null && this.#next < this.#runs.length;
    while (hasMore() && this.#underWay < RUNS_AT_A_TIME) {
      this.#underWay += 1;
      this.#next += 1;
      this.#lock(this.#runs[this.#next - 1]!);
    }
    this.#isStarting = false;
    if (this.#underWay > 0 || hasMore()) return;
    // 1 all of them, 2 tags and data are flushed: now the journal need not vouch for them any more.
    if (this.#failure === null) this.#places.buffers.flush(this.#end);
    else this.#end(this.#failure);
  }

  #runsIn({ first, count }: Sections): Run[] {
    const { image } = this.#journal;
    const { sectionEntries, sectorsPerBlock } = image.shape;
    const { interleaveSectors, metaDeviceSectors } = this.#places.layout;
    const areaOf = (sector: number): number =>
      metaDeviceSectors === null ? quotient(sector, interleaveSectors) : 0;
    const runs: Run[] = [];
    let last: Run | null = null;
    for (let each = 0; each < count * sectionEntries; each += 1) {
      const entry = (first * sectionEntries + each) % image.entries;
      const sector = image.sectorOf(entry);
      if (entry % sectionEntries === 0) last = null;
      if (sector === null) last = null;
      else if (
        last !== null &&
        sector === last.sector + last.count * sectorsPerBlock &&
        areaOf(sector) === areaOf(last.sector)
      )
        last.count += 1;
      else runs.push((last = { entry, sector, count: 1 }));
    }
    return runs;
  }

  /** Those of one block are locked in their order, so the newest is written last. */
  #lock(run: Run): void {
    const sectors = run.count * this.#places.layout.sectorsPerBlock;
    this.#places.lock.lock(run.sector, sectors, "exclusive", (hold) => {
      this.#trim(run);
      if (run.count > 0) this.#write(run, hold);
      else this.#done(hold, null);
    });
  }

  /** Leaves out what need not be written, at both ends; the rest is forgotten by the journal. */
  #trim(run: Run): void {
    const { sectorsPerBlock } = this.#places.layout;
    const journal = this.#journal;
    while (run.count > 0 && journal.isOutdated(run.entry)) {
      journal.forget(run.sector, run.entry);
      run.entry += 1;
      run.sector += sectorsPerBlock;
      run.count -= 1;
    }
    while (run.count > 0 && journal.isOutdated(run.entry + run.count - 1)) {
      run.count -= 1;
      journal.forget(run.sector + run.count * sectorsPerBlock, run.entry + run.count);
    }
    for (let each = 0; each < run.count; each += 1)
      journal.forget(run.sector + each * sectorsPerBlock, run.entry + each);
  }

  #write({ entry, sector, count }: Run, hold: RangeHold): void {
    const { layout, buffers, data } = this.#places;
    const { image } = this.#journal;
    const tags = new Uint8Array(count * layout.tagBytes);
    for (let each = 0; each < count; each += 1)
      tags.set(image.tagOf(entry + each), each * layout.tagBytes);
    const part = fanOut(2, (error) => this.#done(hold, error));
    buffers.store(tagPlaceBytes(layout, sector), tags, part);
    const restored = image.restoredData(entry, count);
    data.submit(writeBio(dataPlace(layout, sector), restored, BioFlags.none, part));
  }

  #done(hold: RangeHold, error: HoldfastError | null): void {
    this.#failure ??= error;
    // Another run may begin, and end, in here: this one is under way until then, so that the end comes once.
    this.#places.lock.release(hold);
    this.#underWay -= 1;
    this.start();
  }
}
