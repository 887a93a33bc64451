/**
 * raid1 and raid10 that are written to. Reads go the way they go in an array that is only read (personalities/mirror.ts), over
 * members that come and go; what a read could not get is repaired afterwards (mirror-repair.ts). Writes: mirror-write.ts; background sync:
 * mirror-sync.ts.
 *
 * Reads take no lock: a repair or a sync writes what another copy holds already. Where copies may differ (beyond the resync position)
 * reads and sync prefer the same copy, so sync does not change what has been read.
 */
import type { HoldfastError } from "../../../base/errors.ts";
import type { Bio, BioEnd } from "../../../block/bio.ts";
import { Pool } from "../../../block/pool.ts";
import type { SyncWork } from "../../../sync/work.ts";
import type { Raid10Geometry } from "../../geometry/raid10.ts";
import type { Raid1Geometry } from "../../geometry/raid1.ts";
import { MirrorPersonality } from "../../personalities/mirror.ts";
import { Piecewise } from "../../piecewise.ts";
import type { Pieces } from "../../piecewise.ts";
import type { ArrayCore, RunningLevel, SyncAction } from "../core.ts";
import type { MismatchList } from "../mismatches.ts";
import { BehindWrites } from "./mirror-behind.ts";
import { MirrorCopies } from "./mirror-copies.ts";
import { MirrorRepair } from "./mirror-repair.ts";
import { MirrorSlots } from "./mirror-slots.ts";
import { MirrorSync } from "./mirror-sync.ts";
import { WriteFailures } from "./mirror-write-error.ts";
import { MirrorWrites } from "./mirror-write.ts";

class Run extends Piecewise {
  end: BioEnd | null = null;
}

export class MirrorLevel implements RunningLevel {
  readonly #reads: MirrorPersonality;
  readonly #slots: MirrorSlots;
  readonly #writes: MirrorWrites;
  readonly #repair: MirrorRepair;
  readonly #sync: MirrorSync;
  readonly #behind = new BehindWrites();
  readonly #runs: Pool<Run>;

  constructor(core: ArrayCore, geometry: Raid1Geometry | Raid10Geometry) {
    this.#slots = new MirrorSlots(core.members, this.#behind, (...what) =>
      this.#repair.report(...what),
    );
    const failures = new WriteFailures(core);
    const copies = new MirrorCopies(core, geometry, this.#slots, failures);
    this.#repair = new MirrorRepair(core, this.#slots, copies, (slot, memberSector) =>
      geometry.toVolume(slot, memberSector),
    );
    this.#reads = new MirrorPersonality(
      geometry,
      this.#slots.slots,
      () => core.record.resyncOffsetSectors,
    );
    this.#writes = new MirrorWrites(core, geometry, this.#slots, this.#behind, failures);
    this.#sync = new MirrorSync({
      core,
      geometry,
      slots: this.#slots,
      copies,
      readFailed: ({ member, memberSector }, ...what) =>
        this.#repair.report(member, memberSector, ...what),
    });
    const pieces: Pieces = {
      endOf: (sector, end) => Math.min(end, sector + geometry.pieceSectors(sector)),
      run: (bio, sector, sectors, data, end) => this.#runPiece(bio, sector, sectors, data, end),
    };
    this.#runs = new Pool(() => new Run(pieces, (run, _bio, error) => this.#ended(run, error)));
  }

  /** Writes that may be behind on write-mostly members at a time, as the bitmap says; 0, as without a bitmap: none. */
  get writeBehindLimit(): number {
    return this.#behind.limit;
  }

  set writeBehindLimit(limit: number) {
    this.#behind.limit = limit;
  }

  whenThrough(through: () => void): void {
    this.#behind.whenThrough(through);
  }

  get mismatches(): MismatchList {
    return this.#sync.mismatches;
  }

  run(bio: Bio, end: BioEnd): void {
    const run = this.#runs.take();
    run.end = end;
    run.start(bio);
  }

  #ended(run: Piecewise, error: HoldfastError | null): void {
    const mine = run as Run;
    const end = mine.end!;
    mine.end = null;
    this.#runs.give(mine);
    end(error);
  }

  #runPiece(bio: Bio, sector: number, sectors: number, data: Uint8Array, end: BioEnd): void {
    if (bio.op === "read") {
      this.#slots.refresh();
      this.#reads.readPiece(sector, data, end);
    } else {
      this.#writes.start(bio.op, sector, sectors, data, bio.flags, end);
    }
  }

  /** Nothing is left to be mended after reads that have ended (law 7). */
  settle(settled: () => void): void {
    this.#repair.whenQuiet(settled);
  }

  syncWork(action: SyncAction): SyncWork | null {
    return this.#sync.work(action);
  }
}
