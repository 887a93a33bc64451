/**
 * The write of one part to a stripe of which nobody is missing anything, or of all of such a stripe: what most writes are. It does what
 * SegmentWrite does, with objects that are used again; whatever is out of the ordinary before a member was written is SegmentWrite's to do
 * from the start.
 *
 *   1 old contents, of a part   2 new parity   3 data and parity, at a time   4 failures are recorded
 *
 * The stripe is locked and its region dirty; there is no log. A crash inside 3 leaves a parity that is wrong, which a resync finds.
 */
import type { HoldfastError } from "../../../../base/errors.ts";
import { SECTOR_BYTES } from "../../../../base/units.ts";
import { NO_DATA, ignore } from "../../../../base/nothing.ts";
import type { BioEnd } from "../../../../block/bio.ts";
import { Pool } from "../../../../block/pool.ts";
import type { Pooled } from "../../../../block/pool.ts";
import { gfPower } from "../../../../parity/gf256.ts";
import type { RowLayout } from "../../../geometry/stripe-layouts.ts";
import type { Member } from "../../member.ts";
import { findHolders, isParityEnough, tooMuchLost } from "./holders.ts";
import type { WritePart } from "./parts.ts";
import { recordFailed } from "./store.ts";
import { noStripeLog } from "./stripe-log.ts";
import { rangeAt } from "./stripe.ts";
import type { StripeContext } from "./stripe.ts";

/** Told of the end of a part's write. @param isEverywhere nobody missed anything */
export type LoneEnd = (error: HoldfastError | null, isEverywhere: boolean) => void;

const PAGE_BYTES = 4096;
const NO_LAYOUT: RowLayout = { slots: [], p: 0, q: null, data: [], coefficients: [], roles: [] };

class LoneWrite implements Pooled {
  isSpare = false;
  layout: RowLayout = NO_LAYOUT;
  sector = 0;
  bytes = 0;
  flags = 0;
  /** Of the part. */
  slot = 0;
  data: Uint8Array = NO_DATA;
  isModifying = false;
  /** What is written may go together with other rows. */
  isGathered = false;
  /** Slots that are written. */
  readonly targets: number[] = [];
  /** By slot. */
  readonly holders: Member[] = [];
  /** By slot: what was read, then what is to be written. */
  readonly blocks: (Uint8Array | null)[] = [];
  /** Blocks of the arena. */
  readonly borrowed: Uint8Array[] = [];
  readonly sources: Uint8Array[] = [];
  /** Reads or writes not ended, and one for whoever starts them. */
  pending = 0;
  hasFailedReads = false;
  readonly failed: { member: Member; error: HoldfastError }[] = [];
  /** By slot. */
  readonly written: BioEnd[] = [];
  end: LoneEnd = ignore;
  otherwise: () => void = ignore;
  readonly read: BioEnd;

  constructor(writes: LoneWrites, slots: number) {
    this.read = (error) => writes.read(this, error);
    for (let slot = 0; slot < slots; slot += 1) {
      this.written.push((error) => writes.written(this, slot, error));
      this.blocks.push(null);
    }
  }
}

export class LoneWrites {
  readonly #context: StripeContext;
  readonly #writes: Pool<LoneWrite>;

  constructor(context: StripeContext) {
    const { raidDisks } = context.geometry;
    this.#context = context;
    this.#writes = new Pool(() => new LoneWrite(this, raidDisks));
  }

  /**
   * False: the part is not of that kind, and nothing was begun.
   * @param otherwise instead of `end`: something went wrong, and no member was written
   */
  start(part: WritePart, end: LoneEnd, otherwise: () => void): boolean {
    const bytes = part.data.length;
    // The sizes in which the arena has blocks.
    if (bytes < PAGE_BYTES || (bytes & (bytes - 1)) !== 0) return false;
    if (this.#context.log !== noStripeLog) return false;
    const write = this.#writes.take();
    if (!this.#fill(write, part)) {
      this.#forget(write);
      return false;
    }
    write.end = end;
    write.otherwise = otherwise;
    this.#read(write);
    return true;
  }

  /** The same for parts that cover all data of a window of their row, each one of its blocks. Nothing is read, so nothing goes wrong before. */
  startWhole(parts: readonly WritePart[], windowSectors: number, end: LoneEnd): boolean {
    if (this.#context.log !== noStripeLog) return false;
    const write = this.#writes.take();
    if (!this.#fillWhole(write, parts, windowSectors)) {
      this.#forget(write);
      return false;
    }
    write.end = end;
    write.isGathered = true;
    this.#reconstruct(write);
    this.#write(write);
    return true;
  }

  #fillWhole(write: LoneWrite, parts: readonly WritePart[], windowSectors: number): boolean {
    const { holders, blocks, targets } = write;
    const [{ start }] = parts as [WritePart];
    const { geometry, core } = this.#context;
    const { layout } = rangeAt(geometry, start, 1);
    if (parts.length !== layout.data.length || !findHolders(core.members, holders)) return false;
    write.flags = 0;
    for (const part of parts) {
      if (part.end - part.start !== windowSectors || blocks[part.slot] !== null) return false;
      blocks[part.slot] = part.data;
      write.flags |= part.flags;
    }
    write.layout = layout;
    write.sector = start;
    write.bytes = windowSectors * SECTOR_BYTES;
    for (const slot of layout.data) blocks[slot] = this.#standIn(write, blocks[slot]!);
    targets.push(...layout.data);
    this.#addParity(write);
    return true;
  }

  #addParity(write: LoneWrite): void {
    const { layout, blocks, targets } = write;
    const { p, q } = layout;
    blocks[p] ??= this.#borrow(write, write.bytes);
    targets.push(p);
    if (q === null) return;
    blocks[q] ??= this.#borrow(write, write.bytes);
    targets.push(q);
  }

  /** False: somebody is missing something. */
  #fill(write: LoneWrite, part: WritePart): boolean {
    const { geometry, core } = this.#context;
    if (!findHolders(core.members, write.holders)) return false;
    const { layout } = rangeAt(geometry, part.start, 1);
    write.layout = layout;
    write.sector = part.start;
    write.slot = part.slot;
    write.flags = part.flags;
    const modified = layout.q === null ? 2 : 3;
    const isParityRight = part.end <= core.record.resyncOffsetSectors;
    // As in planWrite: whichever reads less.
    write.isModifying = isParityRight && modified < layout.data.length - 1;
    write.bytes = part.data.length;
    write.data = this.#standIn(write, part.data);
    if (write.isModifying) write.blocks[part.slot] = this.#borrow(write, write.bytes);
    else
      for (const slot of layout.data)
        write.blocks[slot] = slot === part.slot ? write.data : this.#borrow(write, write.bytes);
    write.targets.push(part.slot);
    this.#addParity(write);
    return true;
  }

  /** From the arena while it has room. */
  #borrow(write: LoneWrite, bytes: number): Uint8Array {
    const block = this.#context.core.parity().arena?.take(bytes) ?? null;
    if (block === null) return new Uint8Array(bytes);
    write.borrowed.push(block);
    return block;
  }

  /** The kernels are fast on what lies in the arena. */
  #standIn(write: LoneWrite, data: Uint8Array): Uint8Array {
    const { arena } = this.#context.core.parity();
    if (arena === null || arena.contains(data)) return data;
    const copy = this.#borrow(write, data.length);
    copy.set(data);
    return copy;
  }

  /** The old data and parity; or the data that is not written. */
  #read(write: LoneWrite): void {
    const { layout, isModifying, sector } = write;
    const { io } = this.#context;
    write.pending = 1;
    for (const slot of isModifying ? write.targets : layout.data) {
      if (slot === write.slot && !isModifying) continue;
      const block = write.blocks[slot]!;
      write.pending += 1;
      io.read(write.holders[slot]!, sector, block, write.read);
    }
    this.read(write, null);
  }

  read(write: LoneWrite, error: HoldfastError | null): void {
    if (error !== null) write.hasFailedReads = true;
    write.pending -= 1;
    if (write.pending > 0) return;
    if (write.hasFailedReads || !this.#areStillThere(write)) {
      const { otherwise } = write;
      this.#forget(write);
      otherwise();
      return;
    }
    if (write.isModifying) this.#modify(write);
    else this.#reconstruct(write);
    this.#write(write);
  }

  #areStillThere({ holders, layout }: LoneWrite): boolean {
    for (const slot of layout.slots) if (!holders[slot]!.isInSync) return false;
    return true;
  }

  #reconstruct({ layout, blocks, sources }: LoneWrite): void {
    const { kernels } = this.#context.core.parity();
    for (const slot of layout.data) sources.push(blocks[slot]!);
    const p = blocks[layout.p]!;
    if (layout.q === null) kernels.xor(p, sources);
    else kernels.pq(p, blocks[layout.q]!, sources, layout.coefficients);
  }

  /** P and Q change by what the block changes; the old contents are used up. */
  #modify({ layout, slot, data, blocks, sources }: LoneWrite): void {
    const { kernels } = this.#context.core.parity();
    const p = blocks[layout.p]!;
    const old = blocks[slot]!;
    sources.push(p, old, data);
    kernels.xor(p, sources);
    if (layout.q !== null) {
      sources.length = 0;
      sources.push(old, data);
      kernels.xor(old, sources);
      kernels.mulXor(blocks[layout.q]!, old, gfPower(layout.coefficients[layout.roles[slot]!]!));
    }
    blocks[slot] = data;
  }

  #write(write: LoneWrite): void {
    const { sector, flags, holders, blocks, targets, written, isGathered } = write;
    const { io } = this.#context;
    const count = targets.length;
    write.pending = count;
    // The last may end before it returns, and then `write` is somebody else's: nothing of it is looked at after that.
    for (let index = 0; index < count; index += 1) {
      const slot = targets[index]!;
      const block = blocks[slot]!;
      if (isGathered) io.gather(holders[slot]!, sector, block, flags, written[slot]!);
      else io.write(holders[slot]!, sector, block, flags, written[slot]!);
    }
  }

  written(write: LoneWrite, slot: number, error: HoldfastError | null): void {
    if (error !== null) write.failed.push({ member: write.holders[slot]!, error });
    write.pending -= 1;
    if (write.pending > 0) return;
    if (write.failed.length === 0 && this.#areStillThere(write)) this.#forget(write)(null, true);
    else this.#recordFailed(write);
  }

  /** Whoever is told of success finds, after a crash too, that a disk which missed the write is not believed (law 3). */
  #recordFailed(write: LoneWrite): void {
    const context = this.#context;
    const { layout, sector, bytes } = write;
    const range = { layout, sector, sectors: bytes / SECTOR_BYTES };
    recordFailed(context, range, write.failed.splice(0), (unrecorded) => {
      const isKept = isParityEnough(context.core.members, range);
      this.#forget(write)(unrecorded ?? (isKept ? null : tooMuchLost(context.core, range)), false);
    });
  }

  /** Gives everything back. Returns who is to be told. */
  #forget(write: LoneWrite): LoneEnd {
    const { end, borrowed } = write;
    const { arena } = this.#context.core.parity();
    for (const block of borrowed) arena!.give(block);
    borrowed.length = 0;
    write.sources.length = 0;
    write.targets.length = 0;
    write.blocks.fill(null);
    write.data = NO_DATA;
    write.hasFailedReads = false;
    write.isGathered = false;
    write.end = ignore;
    write.otherwise = ignore;
    this.#writes.give(write);
    return end;
  }
}
