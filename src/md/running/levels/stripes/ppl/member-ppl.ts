/**
 * The partial parity log of one member, which tells of stripes whose parity that member holds. One log is in force at a time:
 *
 *   1 the log, with FUA, of all stripe writes that wait   2 their data and parity, in any order   3 flush of the members that were written
 *   4 the next log
 *
 * A crash inside 1 finds the log before, whose stripes are whole; inside 2 this one, whose partial parity fits whatever part of the data
 * has arrived. Without 3 the next log could hide one whose stripes are still in some member's cache.
 *
 * In a ring each log lies behind the one before. Where the end is reached, an empty log goes to the start first: torn, a log there
 * could leave an old header and lose the newer ones behind it, and then a replay would believe what has changed since.
 */
import type { HoldfastError } from "../../../../../base/errors.ts";
import { SECTOR_BYTES } from "../../../../../base/units.ts";
import { BioFlags, flushBio, writeBio } from "../../../../../block/bio.ts";
import type { BioEnd } from "../../../../../block/bio.ts";
import { fanOut, inSequence } from "../../../../../block/fan-out.ts";
import { inZeroSteps, ZEROS } from "../../../../../block/zeros.ts";
import {
  encodePplHeader,
  PPL_HEADER_BYTES,
  PPL_HEADER_SECTORS,
  pplUse,
} from "../../../../../formats/md/ppl.ts";
import type { PplUse } from "../../../../../formats/md/ppl.ts";
import { WorkBuffers } from "../../../../../parity/engine.ts";
import type { Member } from "../../../member.ts";
import type { StripeWrite } from "../stripe-log.ts";
import type { PplArray } from "./ppl-array.ts";
import { makeUnit, unitBytes, writesThatFit } from "./ppl-unit.ts";

interface Area extends PplUse {
  readonly startSector: number;
  readonly sectors: number;
}

export class MemberPpl {
  readonly #array: PplArray;
  readonly #member: Member;
  readonly #area: Area;
  readonly #waiting: StripeWrite[] = [];
  readonly #ends = new Map<StripeWrite, BioEnd>();
  readonly #whenIdle: (() => void)[] = [];
  /** In the area, of the next log. */
  #nextSector = 0;
  #emptied: "not yet" | "being emptied" | "emptied" = "not yet";
  #whenEmpty: BioEnd[] = [];
  #isBusy = false;
  /** Slots that the log in force is about. */
  #touched = new Set<number>();
  /** Its stripes that are not written. */
  readonly #inForce = new Set<StripeWrite>();

  constructor(array: PplArray, member: Member) {
    const area = member.superblock.ppl!;
    this.#array = array;
    this.#member = member;
    this.#area = { ...area, ...pplUse(area.sectors) };
  }

  /** As StripeLog.log. */
  add(write: StripeWrite, logged: BioEnd): void {
    this.#waiting.push(write);
    this.#ends.set(write, logged);
    if (this.#isBusy) return;
    this.#isBusy = true;
    // What else is logged in this turn goes with it.
    queueMicrotask(() => this.#next());
  }

  /** The log need not tell of it any more, if it ever did. */
  over(write: StripeWrite): void {
    if (this.#inForce.delete(write) && this.#inForce.size === 0) this.#flush();
  }

  /** `idle`, perhaps at once, when nothing is logged and nothing is under way. */
  whenIdle(idle: () => void): void {
    if (this.#isBusy) this.#whenIdle.push(idle);
    else idle();
  }

  /**
   * Makes the area an empty log, once; `end` when that is durable.
   *
   * 1 no first header, durably: nothing here is believed from then on   2 zeros, flush   3 the empty header: with a crash inside 2, or
   * 3 before 2, an older log would be the newest, and would be replayed though others have come after it.
   */
  empty(end: BioEnd): void {
    if (this.#emptied === "emptied") {
      end(null);
      return;
    }
    this.#whenEmpty.push(end);
    if (this.#emptied === "being emptied") return;
    this.#emptied = "being emptied";
    this.#nextSector = this.#area.isRing ? PPL_HEADER_SECTORS : 0;
    const { startSector, sectors } = this.#area;
    const { device } = this.#member;
    const write = (sector: number, bytes: Uint8Array, flags: number, ended: BioEnd): void =>
      device.submit(writeBio(startSector + sector, bytes, flags, ended));
    const steps: ((ended: BioEnd) => void)[] = [
      (ended) => write(0, ZEROS.subarray(0, PPL_HEADER_BYTES), BioFlags.fua, ended),
      (ended) =>
        inZeroSteps(
          sectors * SECTOR_BYTES,
          (from, zeros, done) => write(from / SECTOR_BYTES, zeros, BioFlags.none, done),
          ended,
        ),
      (ended) => device.submit(flushBio(ended)),
      (ended) => write(0, this.#array.emptyHeader, BioFlags.fua, ended),
    ];
    const step = (index: number, ended: BioEnd): void => steps[index]!(ended);
    inSequence(steps.length, step, (error) => {
      this.#emptied = error === null ? "emptied" : "not yet";
      for (const each of this.#whenEmpty.splice(0)) each(error);
    });
  }

  #next(): void {
    if (this.#waiting.length === 0) {
      this.#isBusy = false;
      for (const idle of this.#whenIdle.splice(0)) idle();
      return;
    }
    const count = writesThatFit(this.#waiting, this.#area.ppBytes);
    const writes = this.#waiting.splice(0, count);
    if (this.#member.slot === null) {
      // It has failed since, and its parity is not written any more: to be known before anything is written that no log tells of.
      this.#array.core.whenRecorded((error) => this.#logged(writes, error));
      return;
    }
    this.empty((error) => {
      if (error === null) this.#write(writes);
      else this.#ended(writes, error);
    });
  }

  #write(writes: readonly StripeWrite[]): void {
    this.#makeRoom(unitBytes(writes) / SECTOR_BYTES, (error) => {
      if (error !== null) {
        this.#ended(writes, error);
        return;
      }
      const buffers = new WorkBuffers(this.#array.core.parity());
      const unit = makeUnit(this.#array, writes, buffers);
      this.#submit(unit, (unitError) => {
        buffers.giveBack();
        this.#ended(writes, unitError);
      });
    });
  }

  /** A member whose log cannot be written fails as with any write. */
  #ended(writes: readonly StripeWrite[], error: HoldfastError | null): void {
    if (error === null) this.#logged(writes, null);
    else
      this.#array.core.memberFailed(this.#member, error, (recorded) =>
        this.#logged(writes, recorded),
      );
  }

  #submit(bytes: Uint8Array, end: BioEnd): void {
    const { startSector, isRing } = this.#area;
    const at = startSector + this.#nextSector;
    if (isRing) this.#nextSector += bytes.length / SECTOR_BYTES;
    this.#member.device.submit(writeBio(at, bytes, BioFlags.fua, end));
  }

  /** Before the unit is made: generations go up in the order of writing. */
  #makeRoom(sectors: number, end: BioEnd): void {
    const { isRing } = this.#area;
    if (!isRing || this.#nextSector + sectors <= this.#area.sectors) {
      end(null);
      return;
    }
    const header = new Uint8Array(PPL_HEADER_BYTES);
    encodePplHeader(header, this.#array.emptyHeader, this.#array.nextGeneration(), []);
    this.#nextSector = 0;
    this.#submit(header, end);
  }

  #logged(writes: readonly StripeWrite[], error: HoldfastError | null): void {
    this.#touched = new Set();
    if (error === null) {
      for (const write of writes) {
        this.#inForce.add(write);
        this.#touched.add(write.range.layout.p);
        for (const slot of write.written) this.#touched.add(slot);
      }
    }
    const ends = writes.map((write) => this.#ends.get(write)!);
    for (const write of writes) this.#ends.delete(write);
    for (const logged of ends) logged(error);
    if (error !== null) this.#next();
  }

  /** Step 3. Who cannot be flushed is out of the array, or the array is broken: nothing is lost by going on. */
  #flush(): void {
    const { core } = this.#array;
    const targets = core.members.attached.filter(
      ({ slot }) => slot !== null && this.#touched.has(slot),
    );
    const part = fanOut(targets.length + 1, () => this.#next());
    for (const member of targets) {
      const ended: BioEnd = (error) => {
        if (error === null) part(null);
        else core.memberFailed(member, error, part);
      };
      member.device.submit(flushBio(ended));
    }
    part(null);
  }
}
