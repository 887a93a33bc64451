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
import { unreachable } from "../../../../../base/assert.ts";
import { HoldfastError } from "../../../../../base/errors.ts";
import { SECTOR_BYTES } from "../../../../../base/units.ts";
import { BioFlags, flushBio } from "../../../../../block/bio.ts";
import type { BioEnd } from "../../../../../block/bio.ts";
import { fanOut } from "../../../../../block/fan-out.ts";
import { emptyR5Meta } from "../../../../../formats/md/r5-log-write.ts";
import { R5_BLOCK_SECTORS } from "../../../../../formats/md/r5-log.ts";
import type { R5Log } from "../../../../../formats/md/r5-log.ts";
import { WorkBuffers } from "../../../../../parity/engine.ts";
import type { StripeGeometry } from "../../../../geometry/raid456.ts";
import type { ArrayCore } from "../../../core.ts";
import type { Member } from "../../../member.ts";
import { MemberIo } from "../member-io.ts";
import type { StripeLog, StripeWrite } from "../stripe-log.ts";
import { JournalRing } from "./ring.ts";
import { JournalEntry, draftUnit, encodeUnit } from "./unit.ts";

/** What is written and flushed together: more of it is more of memory. */
const MAX_BATCH_SECTORS = 8192;

/** As the kernel: from so much on it is worth the writing of superblocks. */
const MAX_UNCLAIMED_SECTORS = 10 * 2 * 1024 * 1024;

/** A log that starts with an empty meta block, which the superblock's tail names. */
export interface BegunLog {
  readonly member: Member;
  readonly log: R5Log;
  /** Sector of the log where the empty block is. */
  readonly position: number;
  /** Of the block that comes next. */
  readonly nextSeq: bigint;
}

type State =
  | { readonly kind: "closed"; readonly why: HoldfastError }
  | { readonly kind: "open"; readonly member: Member; readonly log: R5Log };

export class StripeJournal implements StripeLog {
  readonly #core: ArrayCore;
  readonly #geometry: StripeGeometry;
  readonly #io = new MemberIo();
  #state: State;
  #ring = new JournalRing(R5_BLOCK_SECTORS, 0);
  #seq = 0n;
  /** In the order in which they came; the first of them may be in units already in part. */
  #queue: JournalEntry[] = [];
  readonly #entries = new Map<StripeWrite, JournalEntry>();
  #isCommitting = false;
  #isReclaiming = false;

  /** No write goes through before `begin`. */
  constructor(core: ArrayCore, geometry: StripeGeometry) {
    this.#core = core;
    this.#geometry = geometry;
    const text = `${core.name} is not written without its write journal.`;
    this.#state = { kind: "closed", why: new HoldfastError("read-only", text) };
  }

  /** Writes go through from now on. The log is on stable storage, tail and all. */
  begin({ member, log, position, nextSeq }: BegunLog): void {
    this.#state = { kind: "open", member, log };
    this.#ring = new JournalRing(log.sectors, position);
    this.#seq = nextSeq;
  }

  // --- what stripes have to know

  readonly blockSectors = R5_BLOCK_SECTORS;
  readonly needsAllParity = true;

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
    const { log, member, why } = this.#opened();
    if (why !== null) {
      this.#refuse(this.#queue.splice(0), why);
      return;
    }
    if (this.#isCommitting || this.#queue.length === 0) return;
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

  /** Steps 5 to 7: a round of superblocks flushes the members before it says anything, and says what was true before that. */
  #reclaim(): void {
    const { member, why } = this.#opened();
    const ring = this.#ring;
    const unit = ring.newestDone;
    if (this.#isReclaiming || why !== null || unit === ring.tail) return;
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
   * All members have what was written, and nobody writes: leaves a log with nothing to replay. Another one may write to the members
   * before this log is read again.
   */
  async settle(): Promise<void> {
    const { log, member, why } = this.#opened();
    const ring = this.#ring;
    if (why !== null || ring.isEmpty) return;
    // 1 an empty block behind all others, durable 2 members flushed and 3 the tail there, by the round of superblocks. A crash
    // before 3 replays what the members have.
    const empty = ring.append(R5_BLOCK_SECTORS, 0);
    const block = emptyR5Meta(log.seed, empty.position, this.#seq);
    this.#seq += 1n;
    const error = await new Promise<HoldfastError | null>((resolve) => {
      this.#io.write(member, empty.position, block, BioFlags.fua, resolve);
    });
    if (error !== null) {
      this.#failed(member, error, []);
      return;
    }
    member.journalTailSectors = empty.position;
    await new Promise<void>((resolve) => this.#core.commit("progress", resolve));
    if (!member.isFaulty) ring.moveTail(empty);
  }

  // --- losing it

  #opened():
    | { readonly member: Member; readonly log: R5Log; readonly why: null }
    | { readonly member: null; readonly log: null; readonly why: HoldfastError } {
    const state = this.#state;
    switch (state.kind) {
      case "closed":
        return { member: null, log: null, why: state.why };
      case "open":
        if (!state.member.isFaulty) return { ...state, why: null };
        return { member: null, log: null, why: this.#close(state.member) };
      default:
        return unreachable(state);
    }
  }

  #close({ label }: Member): HoldfastError {
    const text = `${this.#core.name} is written no more, because its write journal ${label} failed; make it read-only and add another journal.`;
    const why = new HoldfastError("io", text);
    this.#state = { kind: "closed", why };
    return why;
  }

  /** Stripes that are in the journal go on to the members; these do not. They end when no superblock counts on the journal any more. */
  #failed(member: Member, error: HoldfastError, entries: readonly JournalEntry[]): void {
    const why = this.#close(member);
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

/** A write of member sectors of the journal device. */
interface RingWrite {
  readonly sector: number;
  readonly data: Uint8Array;
}

/** One write, or two where the ring ends in between. */
function ringWrites({ sectors }: R5Log, position: number, bytes: Uint8Array): RingWrite[] {
  const room = (sectors - position) * SECTOR_BYTES;
  if (bytes.length <= room) return [{ sector: position, data: bytes }];
  return [
    { sector: position, data: bytes.subarray(0, room) },
    { sector: 0, data: bytes.subarray(room) },
  ];
}
