/**
 * StripeJournal: the write journal of raid4/5/6 (the kernel's raid5-cache) in write-through mode. A crash while a stripe is written leaves
 * all of what was to be written in the journal, so that no parity is wrong and nothing of a missing member is lost.
 *
 *   1 data and parity of a stripe into the journal   2 the journal is flushed   3 the members are written   4 the write ends
 *   ...later:   5 the members are flushed   6 the superblock of the journal says where it starts now   7 what is before it is free
 *
 * A crash before 2: the members hold what they held. Between 2 and 6: all is replayed, also what is on the members already. Were 6
 * before 5, a crash would find neither the journal's copy nor the members'.
 *
 * All that waits when the journal is free goes there together, and one flush is for all of it. A write ends when the members have it and
 * not, as it does with the kernel, when the journal has it: a flush goes to the members then like in every other array, and what was
 * flushed survives the loss of the journal too.
 *
 * Every write of members' data comes through here, also when the parity's own member is missing: what the journal holds of a block
 * must never be older than what the members hold when it is replayed.
 */
import { ignore } from "../../../../../base/nothing.ts";
import type { HoldfastError } from "../../../../../base/errors.ts";
import { SECTOR_BYTES } from "../../../../../base/units.ts";
import { BioFlags, flushBio } from "../../../../../block/bio.ts";
import type { BioEnd } from "../../../../../block/bio.ts";
import { fanOut } from "../../../../../block/fan-out.ts";
import { emptyR5Meta } from "../../../../../formats/md/r5-log-write.ts";
import { R5_BLOCK_SECTORS, R5_SEQ_JUMP } from "../../../../../formats/md/r5-log.ts";
import type { R5Log } from "../../../../../formats/md/r5-log.ts";
import { WorkBuffers } from "../../../../../parity/engine.ts";
import type { StripeGeometry } from "../../../../geometry/raid456.ts";
import type { ArrayCore } from "../../../core.ts";
import type { Member } from "../../../member.ts";
import { MemberIo } from "../member-io.ts";
import type { StripeLog, StripeWrite } from "../stripe-log.ts";
import { JournalHolder } from "./holder.ts";
import { JournalRing, ringWrites } from "./ring.ts";
import type { RingWrite } from "./ring.ts";
import { keepsTail } from "./start.ts";
import type { LeftBehind } from "./start.ts";
import { JournalEntry, draftUnit, encodeUnit } from "./unit.ts";

/** What is written and flushed together: more of it is more of memory. */
const MAX_BATCH_SECTORS = 8192;

/** 128 MiB: from so much on it is worth the writing of superblocks. Less than the kernel's, since whoever replays it may hold it in memory. */
const MAX_UNCLAIMED_SECTORS = 256 * 1024;

export class StripeJournal implements StripeLog {
  readonly #core: ArrayCore;
  readonly #geometry: StripeGeometry;
  readonly #io = new MemberIo();
  readonly #holder: JournalHolder;
  #ring = new JournalRing(R5_BLOCK_SECTORS, 0);
  #seq = 0n;
  /** In the order in which they came; the first of them may be in units already in part. */
  #queue: JournalEntry[] = [];
  readonly #entries = new Map<StripeWrite, JournalEntry>();
  /** The superblock's tail is in the log that was begun, or there is none: then the log begins at 0 always. */
  #isTailSaid = false;
  #isCommitting = false;
  #isReclaiming = false;
  /** The log is about to begin at 0 again, and who waits for that: nothing is written to it meanwhile. */
  #rewound: (() => void)[] | null = null;

  /** @param left null: the journal is missing */
  constructor(core: ArrayCore, geometry: StripeGeometry, left: LeftBehind | null) {
    this.#core = core;
    this.#geometry = geometry;
    this.#holder = new JournalHolder(core, geometry, left);
  }

  // --- starting

  start(started: () => void): void {
    if (this.#holder.opened.why === null) started();
    else void this.#begin().then(started);
  }

  async #begin(): Promise<void> {
    const begun = await this.#holder.begin();
    if (begun === null) return;
    const { member, log, position, nextSeq } = begun;
    this.#ring = new JournalRing(log.sectors, position);
    this.#seq = nextSeq;
    if (keepsTail(member)) member.journalTailSectors = position;
    this.#isTailSaid = !keepsTail(member);
  }

  /** Null, or why the array cannot become read-write. */
  whyReadOnly(): HoldfastError | null {
    return this.#core.members.journal === null ? this.#holder.opened.why : null;
  }

  // --- what stripes have to know

  readonly journalMode = "write-through";
  readonly needsPages = true;
  readonly needsRuns = false;

  /** A write, what is in a unit with it, and the unit that the tail is at must go into the ring together, or the write would wait for itself. */
  get maxSectors(): number {
    const rowSectors = (this.#geometry.raidDisks + 1) * R5_BLOCK_SECTORS;
    const rows = Math.max(1, Math.floor(this.#maxUnitSectors / rowSectors));
    return rows * R5_BLOCK_SECTORS;
  }

  get #maxUnitSectors(): number {
    return Math.floor(this.#ring.sectors / 4);
  }

  // --- logging

  log(write: StripeWrite, logged: BioEnd): void {
    const entry = new JournalEntry(write, logged);
    this.#entries.set(write, entry);
    this.#queue.push(entry);
    this.#commitNext();
  }

  #commitNext(): void {
    const { log, member, why } = this.#holder.opened;
    if (why !== null) {
      this.#refuse(this.#queue.splice(0), why);
      return;
    }
    if (this.#isCommitting || this.#rewound !== null || this.#queue.length === 0) return;
    if (!this.#isTailSaid) {
      this.#sayTail(() => this.#commitNext());
      return;
    }
    const buffers = new WorkBuffers(this.#core.parity());
    const { writes, complete } = this.#takeUnits(log, buffers);
    if (writes.length === 0) {
      this.#reclaim();
      return;
    }
    this.#isCommitting = true;
    const ended = (error: HoldfastError | null): void => {
      buffers.giveBack();
      this.#isCommitting = false;
      if (error !== null) this.#failed(member, error, complete);
      this.#commitNext();
      if (error === null) for (const { logged } of complete) logged(null);
    };
    const written = fanOut(writes.length, (error) => {
      if (error !== null) ended(error);
      else member.device.submit(flushBio(ended));
    });
    for (const { sector, data } of writes)
      this.#io.write(member, sector, data, BioFlags.none, written);
  }

  /** The units that there is room for, and whose place is in the log from now on. */
  #takeUnits(log: R5Log, buffers: WorkBuffers): { writes: RingWrite[]; complete: JournalEntry[] } {
    const writes: RingWrite[] = [];
    const complete: JournalEntry[] = [];
    let sectors = 0;
    while (this.#queue.length > 0 && sectors < MAX_BATCH_SECTORS) {
      const draft = draftUnit(this.#queue, this.#maxUnitSectors);
      if (!this.#ring.fits(draft.sectors)) break;
      const unit = this.#ring.append(draft.sectors, draft.entries.size);
      const bytes = buffers.take(draft.sectors * SECTOR_BYTES);
      encodeUnit(this.#geometry, log.seed, this.#seq, unit.position, draft, bytes);
      this.#seq += 1n;
      for (const { entry } of draft.rows) entry.next += R5_BLOCK_SECTORS;
      for (const entry of draft.entries) entry.units.push(unit);
      while (this.#queue[0]?.isWhole === true) complete.push(this.#queue.shift()!);
      writes.push(...ringWrites(log, unit.position, bytes));
      sectors += draft.sectors;
    }
    return { writes, complete };
  }

  // --- room

  written(write: StripeWrite): void {
    const entry = this.#entries.get(write);
    this.#entries.delete(write);
    for (const unit of entry?.units ?? []) unit.pending -= 1;
    const most = Math.min(this.#ring.sectors / 4, MAX_UNCLAIMED_SECTORS);
    const isWorthIt = this.#ring.sectorsBefore(this.#ring.newestDone) > most;
    if (isWorthIt || (this.#queue.length > 0 && !this.#isCommitting)) this.#reclaim();
  }

  /** What is logged before the superblock says where the log begins would not be found. */
  #sayTail(said: () => void): void {
    if (this.#isTailSaid) {
      said();
      return;
    }
    this.#core.commit("progress", () => {
      this.#isTailSaid = true;
      said();
    });
  }

  /** Steps 5 to 7: a round of superblocks flushes the members before it says anything, and says what was true before that. */
  #reclaim(): void {
    const { member, why } = this.#holder.opened;
    const ring = this.#ring;
    const unit = ring.newestDone;
    if (this.#isReclaiming || why !== null || unit === ring.tail) return;
    if (!keepsTail(member)) {
      this.#rewind(ignore);
      return;
    }
    this.#isReclaiming = true;
    member.journalTailSectors = unit.position;
    this.#core.commit("progress", () => {
      this.#isReclaiming = false;
      // Otherwise the superblock may tell of the old tail still; nothing is written there any more.
      if (!member.isFaulty) ring.moveTail(unit);
      this.#commitNext();
    });
  }

  /**
   * Steps 5 to 7 where no superblock has a tail: when all of the log is on the members and they are flushed, an empty block at 0 forgets it.
   * A crash before that replays what the members have.
   */
  #rewind(rewound: () => void): void {
    if (this.#rewound !== null) {
      this.#rewound.push(rewound);
      return;
    }
    const { log, member, why } = this.#holder.opened;
    const isDone = this.#ring.newestDone === this.#ring.last;
    if (why !== null || !isDone || this.#isCommitting) {
      rewound();
      return;
    }
    const waiting = [rewound];
    this.#rewound = waiting;
    this.#core.commit("progress", () => {
      this.#seq += R5_SEQ_JUMP;
      const block = emptyR5Meta(log.seed, 0, this.#seq);
      this.#seq += 1n;
      this.#io.write(member, 0, block, BioFlags.fua, (error) => {
        this.#rewound = null;
        if (error === null) this.#ring = new JournalRing(log.sectors, 0);
        else this.#failed(member, error, []);
        for (const each of waiting) each();
        this.#commitNext();
      });
    });
  }

  /**
   * Leaves a log with nothing to replay: somebody else may write to the members before it is read again.
   * 1 an empty block behind all others, durable 2 members flushed and 3 the tail there, by the round of superblocks. A crash before 3
   * replays what the members have.
   */
  settle(settled: () => void): void {
    const { log, member, why } = this.#holder.opened;
    const ring = this.#ring;
    if (why !== null) {
      settled();
      return;
    }
    if (ring.isEmpty) {
      this.#sayTail(settled);
      return;
    }
    if (!keepsTail(member)) {
      this.#rewind(settled);
      return;
    }
    const empty = ring.append(R5_BLOCK_SECTORS, 0);
    const block = emptyR5Meta(log.seed, empty.position, this.#seq);
    this.#seq += 1n;
    this.#io.write(member, empty.position, block, BioFlags.fua, (error) => {
      if (error !== null) {
        this.#failed(member, error, []);
        settled();
        return;
      }
      member.journalTailSectors = empty.position;
      this.#core.commit("progress", () => {
        if (!member.isFaulty) ring.moveTail(empty);
        settled();
      });
    });
  }

  // --- losing it

  /** Stripes that are in the journal go on to the members; these do not. They end when no superblock counts on the journal any more. */
  #failed(member: Member, error: HoldfastError, entries: readonly JournalEntry[]): void {
    const why = this.#holder.close(member);
    const waiting = [...entries, ...this.#queue.splice(0)];
    this.#core.memberFailed(member, error, () => this.#refuse(waiting, why));
  }

  #refuse(entries: readonly JournalEntry[], why: HoldfastError): void {
    for (const { write, logged } of entries) {
      this.#entries.delete(write);
      logged(why);
    }
  }
}
