/**
 * The write-intent bitmap on the members of an array: the same bytes at each member's own place, superblock and first bits in page 0.
 *
 * Every write is on all members that stand in a slot, durably, before the next one starts. The order of what is in them:
 * - events_cleared before the first bit that is cleared under it: who left before that count must not come back by these bits;
 * - of a bitmap that was out of date all bits before the superblock that says it no longer is; until then its events are left behind the
 *   array's, so a crash finds it out of date again;
 * - the events here before those in the array's superblocks (metadata.ts), and they stay ahead when those go back by one: fewer
 *   than the array's would make every chunk dirty after a crash between the two.
 *
 * Facts: docs/kernel/md-metadata.md, section 7.
 */
import { assert } from "../../base/assert.ts";
import { OneByOne } from "../../base/one-by-one.ts";
import { HoldfastError, toHoldfastError } from "../../base/errors.ts";
import { SECTOR_BYTES, alignUp } from "../../base/units.ts";
import { BioFlags } from "../../block/bio.ts";
import type { BioEnd } from "../../block/bio.ts";
import { ended, flush, writeSectors } from "../../block/promises.ts";
import { BITMAP_STATE, bitmapSuper } from "../../formats/md/bitmap.ts";
import type { MdBitmap } from "../../formats/md/bitmap.ts";
import type { NewBitmap } from "../../formats/md/bitmap-image.ts";
import type { BitmapStore, ChunkBits } from "../../regions/bitmap-store.ts";
import type { Member } from "./member.ts";
import type { Members } from "./members.ts";
import type { BitmapRecord, Failure } from "./metadata.ts";

const PAGE_BYTES = 4096;
const HEAD_BYTES = 256;
/** Pages of one request when many are written. */
const RUN_PAGES = 16;

export interface MemberBitmapOptions {
  readonly name: string;
  readonly members: Members;
  readonly bitmap: MdBitmap;
  /** Its page 0 as found: what no field names is kept. */
  readonly image: Uint8Array;
  /** Of the array. */
  readonly events: number;
  /** What the bits say counts for nothing. */
  readonly isStale: boolean;
  /** As ArrayCore.memberFailed. */
  readonly memberFailed: (member: Member, error: HoldfastError, recorded: BioEnd) => void;
  /** As ArrayCore.whenRecorded. */
  readonly whenRecorded: (recorded: BioEnd) => void;
}

interface Piece {
  readonly offset: number;
  readonly data: Uint8Array;
}

type Failures = Map<Member, HoldfastError>;

export class MemberBitmapStore implements BitmapStore, BitmapRecord {
  readonly sectors: number;
  readonly chunkSectors: number;
  readonly chunks: number;
  readonly pageBits = PAGE_BYTES * 8;
  readonly headBits = HEAD_BYTES * 8;
  readonly #options: MemberBitmapOptions;
  readonly #bytes: number;
  /** Of the array, as last heard. */
  #arrayEvents: number;
  #events: number;
  #eventsCleared: number;
  #writtenEventsCleared: number;
  #isStale: boolean;
  /** Page 0 as it was written last. */
  #head: Uint8Array;
  readonly #writes = new OneByOne();

  constructor(options: MemberBitmapOptions) {
    const { bitmap, events, isStale } = options;
    assert(bitmap.major === 3 || bitmap.major === 4, "a bitmap of one node, with bits");
    this.#options = options;
    this.sectors = bitmap.syncSectors;
    this.chunkSectors = bitmap.chunkSectors;
    this.chunks = bitmap.chunks;
    this.#bytes = bitmap.dataOffset + bitmap.dataBytes;
    this.#arrayEvents = events;
    this.#isStale = isStale;
    this.#head = new Uint8Array(Math.min(PAGE_BYTES, alignUp(this.#bytes, this.#blockBytes())));
    this.#head.set(options.image.subarray(0, this.#head.length));
    this.#events = Math.max(events, bitmap.events);
    this.#eventsCleared = isStale ? events : Math.min(bitmap.eventsCleared, events);
    this.#writtenEventsCleared = this.#eventsCleared;
  }

  /** A member that left at this count or later can come back by the bitmap. */
  get eventsCleared(): number {
    return this.#eventsCleared;
  }

  get isStale(): boolean {
    return this.#isStale;
  }

  /** What a bitmap on a new member is made of. */
  get shape(): NewBitmap {
    return this.#options.bitmap;
  }

  clearing(): void {
    if (this.#eventsCleared < this.#arrayEvents) this.#eventsCleared = this.#arrayEvents;
  }

  async flushData(): Promise<boolean> {
    const failures: Failures = new Map();
    await this.#each(failures, (member) => flush(member.device));
    try {
      await this.#report(failures);
    } catch {
      // A member without which nothing is left: that it failed is known to the array, and here it proves nothing.
    }
    return failures.size === 0;
  }

  async writePages(pages: readonly number[], bits: ChunkBits): Promise<void> {
    const failures = await this.#writes.run(async () => {
      const failed: Failures = new Map();
      if (this.#isStale) return this.#everything(bits, failed);
      await this.#ageFirst(failed);
      // The pages are as of now, and so is what is on disk of their age.
      await this.#write(
        pages.map((page) => this.#piece(page, 1, bits)),
        failed,
      );
      return failed;
    });
    await this.#settled(failures);
  }

  async writeAll(bits: ChunkBits): Promise<void> {
    await this.#settled(await this.#writes.run(() => this.#everything(bits, new Map())));
  }

  /**
   * What is on the members counts once it is on record who has not got it, be it that somebody else found that member faulty: after a
   * crash its bitmap, where these bits are clear, would be as good as any.
   */
  async #settled(failures: Failures): Promise<void> {
    await this.#report(failures);
    await ended(this.#options.whenRecorded);
  }

  async writeSuperblock(events: number): Promise<readonly Failure[]> {
    const failures = await this.#writes.run(async () => {
      const failed: Failures = new Map();
      this.#arrayEvents = events;
      this.#events = Math.max(this.#events, events);
      if (this.#eventsCleared > events) this.#eventsCleared = events;
      if (!this.#isStale) await this.#writeHead(failed);
      return failed;
    });
    return [...failures].map(([member, error]) => ({ member, error }));
  }

  /** 1 all other pages, 2 page 0 with the superblock: a crash between them leaves the old superblock, and so all dirty if it was. */
  async #everything(bits: ChunkBits, failed: Failures): Promise<Failures> {
    const pages = Math.ceil(this.#bytes / PAGE_BYTES);
    for (let page = 1; page < pages; page += RUN_PAGES) {
      if (!this.#isStale) await this.#ageFirst(failed);
      await this.#write([this.#piece(page, Math.min(RUN_PAGES, pages - page), bits)], failed);
    }
    const cleared = this.#eventsCleared;
    await this.#write([this.#piece(0, 1, bits)], failed);
    this.#writtenEventsCleared = cleared;
    this.#isStale = false;
    return failed;
  }

  /** Until events_cleared on disk is what holds for bits that are clear in memory. */
  async #ageFirst(failed: Failures): Promise<void> {
    while (this.#writtenEventsCleared !== this.#eventsCleared) await this.#writeHead(failed);
  }

  /**
   * The superblock, with the bits that were written with it last: none gets to disk before what must be there first.
   */
  async #writeHead(failed: Failures): Promise<void> {
    const cleared = this.#eventsCleared;
    this.#putSuperblock(this.#head);
    await this.#write([{ offset: 0, data: this.#head }], failed);
    this.#writtenEventsCleared = cleared;
  }

  #piece(page: number, pages: number, bits: ChunkBits): Piece {
    const offset = page * PAGE_BYTES;
    const end = Math.min(offset + pages * PAGE_BYTES, alignUp(this.#bytes, this.#blockBytes()));
    const data = new Uint8Array(end - offset);
    const from = Math.max(0, offset - HEAD_BYTES) * 8;
    const to = Math.min(this.chunks, (end - HEAD_BYTES) * 8);
    if (to > from) bits.setBits(from, to - from, data, page === 0 ? this.headBits : 0);
    if (page === 0) {
      this.#putSuperblock(data);
      this.#head = data;
    }
    return { offset, data };
  }

  #blockBytes(): number {
    const { attached } = this.#options.members;
    return Math.max(SECTOR_BYTES, ...attached.map(({ device }) => device.limits.logicalBlockBytes));
  }

  #putSuperblock(data: Uint8Array): void {
    data.set(this.#options.image.subarray(0, HEAD_BYTES));
    const { state } = bitmapSuper.decode(data);
    bitmapSuper.encodeInto(data, 0, {
      events: BigInt(this.#events),
      eventsCleared: BigInt(this.#eventsCleared),
      state: state & ~(BITMAP_STATE.stale | BITMAP_STATE.writeError),
    });
  }

  /** On every member in a slot; durable when it resolves. Who fails is left out of what follows, and added to `failed`. */
  async #write(pieces: readonly Piece[], failed: Failures): Promise<void> {
    const flags = pieces.length === 1 ? BioFlags.fua : BioFlags.none;
    await this.#each(failed, async (member) => {
      const start = member.superblock.bitmapSector;
      assert(start !== null, "all members of an array with a bitmap have a place for it");
      const writes = pieces.map(({ offset, data }) =>
        writeSectors(member.device, start + offset / SECTOR_BYTES, data, flags),
      );
      await allEnded(writes);
      if (pieces.length > 1) await flush(member.device);
    });
  }

  async #each(failed: Failures, work: (member: Member) => Promise<void>): Promise<void> {
    const { attached } = this.#options.members;
    const targets = attached.filter(
      (member) => member.slot !== null && !member.isFaulty && !failed.has(member),
    );
    await Promise.all(
      targets.map((member) =>
        work(member).catch((error: unknown) => failed.set(member, toHoldfastError(error))),
      ),
    );
  }

  /**
   * Not while a write is under way: recording a failure writes the bitmap's superblock. It resolves when it is durable who has
   * failed: a write that begins on what is left must not be acknowledged before (law 3).
   */
  async #report(failures: Failures): Promise<void> {
    const { members, memberFailed, name } = this.#options;
    const reports = [...failures].map(([member, error]) =>
      ended((end) => memberFailed(member, error, end)),
    );
    await allEnded(reports);
    if (members.attached.some((member) => member.slot !== null)) return;
    throw new HoldfastError("io", `${name} has no member left to keep its bitmap on.`);
  }
}

/** Waits for all of them, whatever becomes of each; then rejects as the first that did. */
async function allEnded(all: readonly Promise<void>[]): Promise<void> {
  await Promise.allSettled(all);
  await Promise.all(all);
}
