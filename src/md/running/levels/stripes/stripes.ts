/**
 * raid4, raid5 and raid6 as a level of a running array.
 *
 *   level ---- reads.ts            straight from a member, or rebuilt under the stripe's lock
 *         ---- stripe-table.ts     gathers writes by stripe --> segment-write.ts: plan, load, parity, log, store
 *         ---- stripe-sync.ts      resync, check, repair (scrub.ts), recover (recover.ts)
 *
 * All of them take the stripes they work on in core.locks, counted in member sectors, and bring what members fail at to the record before they
 * end. Sectors of `load`, `store` and `pieces` are member sectors too.
 */
import { unreachable } from "../../../../base/assert.ts";
import { HoldfastError } from "../../../../base/errors.ts";
import { SECTOR_BYTES } from "../../../../base/units.ts";
import { BioFlags } from "../../../../block/bio.ts";
import type { Bio, BioEnd } from "../../../../block/bio.ts";
import { inZeroSteps } from "../../../../block/zeros.ts";
import type { SyncWork } from "../../../../sync/work.ts";
import { StripePlace } from "../../../geometry/raid456.ts";
import type { StripeGeometry } from "../../../geometry/raid456.ts";
import type { ArrayCore, JournalMode, RunningLevel, SyncAction } from "../../core.ts";
import { MismatchList } from "../../mismatches.ts";
import { ReadErrors } from "../../read-errors.ts";
import type { Member } from "../../member.ts";
import { MemberIo } from "./member-io.ts";
import { StripeReads } from "./reads.ts";
import { isBeingFilled } from "./recover.ts";
import { WINDOW_SECTORS } from "./stripe.ts";
import type { StripeContext } from "./stripe.ts";
import { StripeSync } from "./stripe-sync.ts";
import { StripeTable } from "./stripe-table.ts";
import { noStripeLog } from "./stripe-log.ts";
import type { StripeLog } from "./stripe-log.ts";

export class StripesLevel implements RunningLevel {
  readonly mismatches = new MismatchList();
  readonly #context: StripeContext;
  readonly #windowSectors: number;
  readonly #reads: StripeReads;
  readonly #table: StripeTable;
  readonly #place = new StripePlace();
  readonly join?: (member: Member, joined: BioEnd) => void;

  constructor(core: ArrayCore, geometry: StripeGeometry, log: StripeLog = noStripeLog) {
    const { chunkSectors } = geometry;
    const readErrors = new ReadErrors(core);
    this.#context = { core, geometry, io: new MemberIo(), log, readErrors };
    this.#windowSectors = chunkSectors % WINDOW_SECTORS === 0 ? WINDOW_SECTORS : chunkSectors;
    this.#reads = new StripeReads(this.#context);
    this.#table = new StripeTable(this.#context, this.#windowSectors);
    if (log.join !== undefined) this.join = (member, joined) => log.join!(member, joined);
  }

  startWriting(started: () => void): void {
    this.#context.log.start(started);
  }

  /** md's journal_mode; null: there is no journal. */
  get journalMode(): JournalMode | null {
    return this.#context.log.journalMode ?? null;
  }

  /** @throws HoldfastError `unsupported` */
  setJournalMode(mode: JournalMode): void {
    const { name } = this.#context.core;
    if (this.journalMode === mode) return;
    const text =
      this.journalMode === null
        ? `${name} has no write journal, so it has no journal mode`
        : `${name} cannot be written in journal mode write-back, only in write-through; what a kernel left in a write-back journal is replayed`;
    throw new HoldfastError("unsupported", text);
  }

  whyReadOnly(): HoldfastError | null {
    return this.#context.log.whyReadOnly?.() ?? null;
  }

  settle(settled: () => void): void {
    this.#context.log.settle(settled);
  }

  run(bio: Bio, end: BioEnd): void {
    switch (bio.op) {
      case "read":
        this.#reads.read(bio.sector, bio.data, end);
        return;
      case "write":
        this.#write(bio.sector, bio.data, bio.flags & BioFlags.fua, end);
        return;
      case "write-zeroes":
        this.#writeZeroes(bio, end);
        return;
      case "discard": {
        // What members hold after a discard nobody promises, and parity has to fit it.
        const text = `${this.#context.core.name} cannot discard: its parity would not fit any more.`;
        end(new HoldfastError("unsupported", text));
        return;
      }
      case "flush":
        // The array itself flushes the members.
        end(null);
        return;
      default:
        unreachable(bio.op);
    }
  }

  #writeZeroes({ sector, sectors, flags }: Bio, end: BioEnd): void {
    const write = (fromBytes: number, zeros: Uint8Array, ended: BioEnd): void =>
      this.#write(sector + fromBytes / SECTOR_BYTES, zeros, flags & BioFlags.fua, ended);
    inZeroSteps(sectors * SECTOR_BYTES, write, end);
  }

  /** All parts are added before a stripe is started: a bio that covers stripes as a whole writes them without a read. */
  #write(sector: number, data: Uint8Array, flags: number, end: BioEnd): void {
    const request = this.#table.request(end);
    const sectors = data.length / SECTOR_BYTES;
    for (let at = 0; at < sectors;) {
      const place = this.#context.geometry.locate(sector + at, this.#place);
      const { slot, memberSector } = place;
      const inWindow = memberSector % this.#windowSectors;
      const run = Math.min(sectors - at, this.#windowSectors - inWindow);
      const bytes =
        run === sectors ? data : data.subarray(at * SECTOR_BYTES, (at + run) * SECTOR_BYTES);
      this.#table.add(request, slot, memberSector, bytes, flags);
      at += run;
    }
    this.#table.start(request);
  }

  syncWork(action: SyncAction): SyncWork | null {
    const { members } = this.#context.core;
    if (action === "recover" && !members.attached.some(isBeingFilled)) return null;
    return new StripeSync(this.#context, action, this.mismatches);
  }
}
