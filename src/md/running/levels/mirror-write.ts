/**
 * A write (discard, write-zeroes) of a mirror, inside one piece:
 *
 *   1 lock the range: background sync and repairs keep out, and so do writes that overlap, which could reach the copies in different
 *     orders and leave them different though all of them succeeded;
 *   2 mark the regions dirty, durably (law 2);
 *   3 write every copy, on all members that stand in the slots, at a time;
 *   4 a copy that failed: record it, durably (law 3; mirror-write-error.ts), and wait for every other failure that is being recorded:
 *     this write may have left out a member that another one has just found to be dead;
 *   5 let go of regions and range, and only then tell the client: success if a member that is in sync has all of it.
 *
 * A crash between 2 and 5 leaves dirty regions, which are synced; the client was told nothing. With members that are written behind (mirror-behind.ts)
 * the client is told after 4 of the other copies, and 5 waits for all.
 */
import { HoldfastError } from "../../../base/errors.ts";
import { NO_DATA, ignore } from "../../../base/nothing.ts";
import { BioFlags, aim, dropData, ownBio } from "../../../block/bio.ts";
import type { BioEnd, BioOp, OwnBio } from "../../../block/bio.ts";
import { Pool } from "../../../block/pool.ts";
import type { Pooled } from "../../../block/pool.ts";
import type { RangeHold } from "../../../block/range-lock.ts";
import type { CopyPlaces } from "../../geometry/place.ts";
import type { MirrorGeometry } from "../../personalities/mirror.ts";
import type { ArrayCore } from "../core.ts";
import type { Era } from "../eras.ts";
import type { Member } from "../member.ts";
import type { BehindGate, BehindWrites } from "./mirror-behind.ts";
import type { MirrorSlots } from "./mirror-slots.ts";
import type { WriteFailures } from "./mirror-write-error.ts";
import { writeInParts } from "./mirror-write-parts.ts";

/** One of the copies. */
class CopyWrite implements Pooled {
  isSpare = false;
  parent: MirrorWrite | null = null;
  member: Member | null = null;
  memberSector = 0;
  /** Nobody waits for it. */
  isBehind = false;
  /** It has all of the data. */
  isWritten = false;
  /** Known bad sectors were left out. */
  isPartial = false;
  /** Known bad sectors are being written: they are good once it succeeds. */
  mends = false;
  gate: BehindGate | null = null;
  order: RangeHold | null = null;
  readonly bio: OwnBio;
  readonly ordered: (hold: RangeHold) => void;
  /** Ended, and what went wrong is recorded. The error: it could not be recorded. */
  readonly settled: BioEnd;

  constructor(writes: MirrorWrites) {
    this.bio = ownBio((error) => writes.submitted(this, error));
    this.ordered = (hold) => {
      this.order = hold;
      writes.submit(this);
    };
    this.settled = (error) => writes.copyEnded(this, error);
  }
}

class MirrorWrite implements Pooled {
  isSpare = false;
  op: BioOp = "write";
  sector = 0;
  sectors = 0;
  data: Uint8Array = NO_DATA;
  flags = 0;
  end: BioEnd = ignore;
  hold: RangeHold | null = null;
  readonly copies: CopyWrite[] = [];
  /** Copies that have not ended, one more while they are being submitted; without those behind. */
  awaited = 0;
  pending = 0;
  hasBehind = false;
  /** Some slot has nobody in sync. */
  isDegraded = false;
  /** All that kept the client waiting is over. */
  isKnown = false;
  /** The client has been told, and it goes on. */
  kept: Era | null = null;
  error: HoldfastError | null = null;
  /** A failure that could not be recorded: there is no success then. */
  unrecorded: HoldfastError | null = null;
  readonly locked: (hold: RangeHold) => void;
  readonly begun: BioEnd;
  readonly known: BioEnd;

  constructor(writes: MirrorWrites) {
    this.locked = (hold) => writes.locked(this, hold);
    this.begun = (error) => writes.begun(this, error);
    this.known = (error) => writes.known(this, error);
  }
}

export class MirrorWrites {
  readonly #core: ArrayCore;
  readonly #geometry: MirrorGeometry;
  readonly #slots: MirrorSlots;
  readonly #behind: BehindWrites;
  readonly #failures: WriteFailures;
  readonly #places: CopyPlaces = [];
  readonly #writes = new Pool(() => new MirrorWrite(this));
  readonly #copies = new Pool(() => new CopyWrite(this));

  constructor(
    core: ArrayCore,
    geometry: MirrorGeometry,
    slots: MirrorSlots,
    behind: BehindWrites,
    failures: WriteFailures,
  ) {
    this.#core = core;
    this.#geometry = geometry;
    this.#slots = slots;
    this.#behind = behind;
    this.#failures = failures;
  }

  /** Inside one piece. Borrows `data` until `end`. */
  start(
    op: BioOp,
    sector: number,
    sectors: number,
    data: Uint8Array,
    flags: number,
    end: BioEnd,
  ): void {
    const write = this.#writes.take();
    write.op = op;
    write.sector = sector;
    write.sectors = sectors;
    write.data = data;
    write.flags = flags;
    write.end = end;
    // With writes behind, the range stays locked until the slow members have it: then the order is kept member by member.
    const mode = this.#behind.limit > 0 ? "shared" : "exclusive";
    this.#core.locks.lock(sector, sectors, mode, write.locked);
  }

  locked(write: MirrorWrite, hold: RangeHold): void {
    write.hold = hold;
    this.#core.regions.beginWrite(write.sector, write.sectors, write.begun);
  }

  begun(write: MirrorWrite, error: HoldfastError | null): void {
    if (error !== null) {
      this.#core.locks.release(write.hold!);
      this.#forget(write)(error);
      return;
    }
    this.#slots.refresh();
    this.#gather(write);
    if (write.hasBehind) write.data = write.data.slice();
    const { copies } = write;
    write.pending = copies.length + 1;
    write.awaited = 1;
    for (const copy of copies) if (!copy.isBehind) write.awaited += 1;
    for (const copy of copies) this.#submitInOrder(copy);
    this.#ended(write, false);
  }

  /** One copy for each member that stands where the sectors lie. */
  #gather(write: MirrorWrite): void {
    const places = this.#geometry.copies(write.sector, this.#places);
    let fast = 0;
    let slow = 0;
    for (const { slot, memberSector } of places) {
      let isInSync = false;
      for (const member of this.#slots.at(slot)) {
        const copy = this.#copies.take();
        copy.parent = write;
        copy.member = member;
        copy.memberSector = memberSector;
        write.copies.push(copy);
        isInSync ||= member.isInSync;
        if (member.writeMostly) slow += 1;
        else if (member.isInSync) fast += 1;
      }
      write.isDegraded ||= !isInSync;
    }
    const mayBe =
      slow > 0 && fast > 0 && write.op === "write" && (write.flags & BioFlags.fua) === 0;
    write.hasBehind = mayBe && this.#behind.begin(write.data.length);
    if (this.#behind.limit > 0) this.#passGates(write);
  }

  #passGates(write: MirrorWrite): void {
    for (const copy of write.copies) {
      const member = copy.member!;
      copy.gate = this.#behind.gateOf(member);
      copy.isBehind = write.hasBehind && member.writeMostly;
      if (copy.isBehind) copy.gate.began();
    }
  }

  #submitInOrder(copy: CopyWrite): void {
    const { gate, memberSector, parent } = copy;
    if (gate === null) this.submit(copy);
    else gate.order.lock(memberSector, parent!.sectors, "exclusive", copy.ordered);
  }

  submit(copy: CopyWrite): void {
    const { memberSector } = copy;
    const { op, sectors, data, flags } = copy.parent!;
    const member = copy.member!;
    const { device } = member;
    const sector = member.dataOffset + memberSector;
    const hasBad = !isGood(member, sector, sectors);
    copy.mends = hasBad && !member.hasWriteErrors && op !== "discard";
    copy.isPartial = hasBad && member.hasWriteErrors;
    const isTaken =
      op === "write" || (op === "discard" ? device.limits.discard : device.limits.writeZeroes);
    if (isTaken && !copy.isPartial) {
      device.submit(aim(copy.bio, op, sector, sectors, data, flags));
    } else if (op === "discard") {
      // What it holds there is nobody's business any more.
      copy.settled(null);
    } else {
      aim(copy.bio, op, sector, sectors, data, flags);
      writeInParts(member, copy.bio, copy.bio.end);
    }
  }

  submitted(copy: CopyWrite, error: HoldfastError | null): void {
    const member = copy.member!;
    const write = copy.parent!;
    if (error === null) {
      const { sector, sectors } = copy.bio;
      if (copy.mends && !member.hasWriteErrors && member.badBlocks.remove(sector, sectors)) {
        // Its log is written after a flush: the data are there before it is forgotten that they were bad.
        this.#core.commit("progress", ignore);
      }
      copy.isWritten = !copy.isPartial && isGood(member, sector, sectors);
      copy.settled(null);
      return;
    }
    write.error ??= error;
    if (write.op === "discard") copy.settled(null);
    else this.#failures.record(member, copy.bio, error, copy.settled);
  }

  copyEnded(copy: CopyWrite, unrecorded: HoldfastError | null): void {
    const write = copy.parent!;
    write.unrecorded ??= unrecorded;
    dropData(copy.bio);
    const { gate, order } = copy;
    copy.order = null;
    if (order !== null) gate!.order.release(order);
    if (copy.isBehind) gate!.ended();
    this.#ended(write, copy.isBehind);
  }

  #ended(write: MirrorWrite, isBehind: boolean): void {
    write.pending -= 1;
    if (!isBehind) {
      write.awaited -= 1;
      // Step 4: what this write left out, or has seen fail, is on stable storage before anybody is told of success.
      if (write.awaited === 0) this.#core.whenRecorded(write.known);
    } else if (write.pending === 0 && write.isKnown) this.#finish(write);
  }

  known(write: MirrorWrite, unrecorded: HoldfastError | null): void {
    write.unrecorded ??= unrecorded;
    write.isKnown = true;
    if (write.pending === 0) {
      this.#finish(write);
      return;
    }
    const { end } = write;
    const result = resultOf(write);
    write.end = ignore;
    // Before the client is told, or the array could be marked clean in between, and a crash would leave copies that differ unnoticed.
    write.kept = this.#core.keepUnderWay();
    end(result);
  }

  #finish(write: MirrorWrite): void {
    const result = resultOf(write);
    const isEverywhere = !write.isDegraded && write.copies.every(isThere);
    this.#core.regions.endWrite(write.sector, write.sectors, isEverywhere);
    this.#core.locks.release(write.hold!);
    if (write.hasBehind) this.#behind.end();
    if (write.kept !== null) this.#core.endUnderWay(write.kept);
    this.#forget(write)(result);
  }

  /** Gives everything back. Returns who is to be told. */
  #forget(write: MirrorWrite): BioEnd {
    const { end, copies } = write;
    for (const copy of copies) this.#forgetCopy(copy);
    copies.length = 0;
    write.data = NO_DATA;
    write.end = ignore;
    write.hold = null;
    write.hasBehind = false;
    write.isDegraded = false;
    write.isKnown = false;
    write.kept = null;
    write.error = null;
    write.unrecorded = null;
    this.#writes.give(write);
    return end;
  }

  #forgetCopy(copy: CopyWrite): void {
    copy.parent = null;
    copy.member = null;
    copy.gate = null;
    copy.isBehind = false;
    copy.isWritten = false;
    copy.isPartial = false;
    copy.mends = false;
    this.#copies.give(copy);
  }
}

function isGood({ badBlocks }: Member, sector: number, sectors: number): boolean {
  return badBlocks.isEmpty || badBlocks.run(sector, sectors) === sectors;
}

/** A copy that counts for good: written, on a member that is still there. */
function isThere({ isWritten, member }: CopyWrite): boolean {
  return isWritten && !member!.isFaulty;
}

function isSafe(copy: CopyWrite): boolean {
  return copy.isWritten && copy.member!.isInSync;
}

function resultOf(write: MirrorWrite): HoldfastError | null {
  const { unrecorded, op, copies, sector, error } = write;
  if (unrecorded !== null) return unrecorded;
  if (op === "discard" || copies.some(isSafe)) return null;
  const text = `no member that is in sync could take a ${op} at sector ${sector}`;
  return error === null
    ? new HoldfastError("io", text)
    : new HoldfastError("io", `${text} (${error.message})`, { cause: error });
}
