/**
 * Writing blocks of a stripe to everyone who stands in their slots: members, recovering ones everywhere, and replacements.
 *
 *   1 all writes, at a time   2 what failed is recorded   3 whatever else was left out is recorded   4 the end
 *
 * So whoever is told of success finds, after a crash too, that a disk which missed the write is not believed (law 3).
 */
import type { HoldfastError } from "../../../../base/errors.ts";
import { SECTOR_BYTES } from "../../../../base/units.ts";
import { ignore } from "../../../../base/nothing.ts";
import type { BioEnd } from "../../../../block/bio.ts";
import { fanOut } from "../../../../block/fan-out.ts";
import type { Member } from "../../member.ts";
import { hasBadSectors, isWritable } from "./holders.ts";
import type { StripeContext, StripeRange } from "./stripe.ts";

interface Target {
  readonly slot: number;
  readonly member: Member;
}

interface FailedWrite {
  readonly member: Member;
  readonly error: HoldfastError;
}

/** Told when all is written or recorded. @param isEverywhere nobody missed anything */
export type StoreEnd = (error: HoldfastError | null, isEverywhere: boolean) => void;

/** Where blocks of some slots are to go, decided before the parity is made: who joins later is rebuilt from what is written here. */
export class StripeStore {
  readonly #context: StripeContext;
  readonly #range: StripeRange;
  readonly #targets: Target[] = [];
  readonly #failed: FailedWrite[] = [];
  #isEverywhere = true;
  #pending = 0;
  #end: StoreEnd = ignore;

  /** @param chosen of those who stand in the slots */
  constructor(
    context: StripeContext,
    range: StripeRange,
    slots: Iterable<number>,
    chosen: (member: Member) => boolean = everyone,
  ) {
    this.#context = context;
    this.#range = range;
    for (const slot of slots) this.#addHolders(slot, chosen);
  }

  #addHolders(slot: number, chosen: (member: Member) => boolean): void {
    let isWhole = false;
    for (const member of this.#context.core.members.attached) {
      if (member.slot !== slot || !chosen(member)) continue;
      if (!isWritable(member, this.#range)) {
        this.#isEverywhere = false;
        continue;
      }
      this.#targets.push({ slot, member });
      isWhole = true;
    }
    if (!isWhole) this.#isEverywhere = false;
  }

  /** Somebody is to get the slot's block. */
  has(slot: number): boolean {
    return this.#targets.some((target) => target.slot === slot);
  }

  /** Once it is written, the slot's block can be read. */
  willHold(slot: number): boolean {
    const end = this.#range.sector + this.#range.sectors;
    return this.#targets.some((target) => target.slot === slot && end <= target.member.goodEnd);
  }

  /** Of the writes that failed. */
  get firstError(): HoldfastError | null {
    return this.#failed[0]?.error ?? null;
  }

  /** @param blocks one for each slot with a target @param flags BioFlags */
  write(blocks: ReadonlyMap<number, Uint8Array>, flags: number, end: StoreEnd): void {
    this.#end = end;
    this.#pending = this.#targets.length + 1;
    for (const { slot, member } of this.#targets) this.#writeOne(member, blocks.get(slot)!, flags);
    this.#ended();
  }

  #writeOne(member: Member, block: Uint8Array, flags: number): void {
    if (member.slot === null) {
      // It has failed since; whoever said so has it recorded, and we wait for that.
      this.#isEverywhere = false;
      this.#ended();
      return;
    }
    this.#context.io.write(member, this.#range.sector, block, flags, (error) => {
      if (error === null) forgetBadSectors(this.#context, member, this.#range);
      else this.#failed.push({ member, error });
      this.#ended();
    });
  }

  #ended(): void {
    this.#pending -= 1;
    if (this.#pending > 0) return;
    const { core } = this.#context;
    const finish = (error: HoldfastError | null): void => this.#end(error, this.#isEverywhere);
    if (this.#failed.length === 0) {
      if (this.#isEverywhere) finish(null);
      else core.whenRecorded(finish);
      return;
    }
    this.#isEverywhere = false;
    recordFailed(this.#context, this.#range, this.#failed, finish);
  }
}

/** Writes of the range that failed, none perhaps; `recorded` when that is known, and whatever else was left out. */
export function recordFailed(
  context: StripeContext,
  range: StripeRange,
  failed: readonly FailedWrite[],
  recorded: BioEnd,
): void {
  const { core } = context;
  if (failed.length === 0) {
    core.whenRecorded(recorded);
    return;
  }
  const ended = fanOut(failed.length, (error) => {
    if (error === null) core.whenRecorded(recorded);
    else recorded(error);
  });
  for (const { member, error } of failed) writeFailed(context, member, range, error, ended);
}

/** A write of the range to the member failed, or what should be there cannot be rebuilt. */
function writeFailed(
  { core }: StripeContext,
  member: Member,
  { sector, sectors }: StripeRange,
  error: HoldfastError,
  recorded: BioEnd,
): void {
  member.hasWriteErrors = true;
  if (member.isReplacement || member.slot === null) core.memberFailed(member, error, recorded);
  else {
    member.wantsReplacement = true;
    core.blocksFailed(member, member.dataOffset + sector, sectors, error, recorded);
  }
}

/** What was written can be read again. Nobody waits for the log: until it is written, good sectors are not believed, no more. */
function forgetBadSectors(
  { core }: StripeContext,
  member: Member,
  { sector, sectors }: StripeRange,
): void {
  if (!hasBadSectors(member, sector, sectors)) return;
  if (member.badBlocks.remove(member.dataOffset + sector, sectors)) core.commit("progress", ignore);
}

/**
 * Writes what could not be read anew and reads it back; the member has it again, or the sectors are listed as bad. `end` when that is
 * recorded.
 */
export function repairBlock(
  context: StripeContext,
  member: Member,
  range: StripeRange,
  block: Uint8Array,
  why: HoldfastError,
  end: BioEnd,
): void {
  const { core, io, readErrors } = context;
  const failed = (error: HoldfastError): void => writeFailed(context, member, range, error, end);
  if (!core.isWritable || member.slot === null || !isWritable(member, range)) {
    end(null);
    return;
  }
  if (readErrors.areTooMany(member, range.whole ?? range, why)) {
    core.whenRecorded(end);
    return;
  }
  io.write(member, range.sector, block, 0, (writeError) => {
    if (writeError !== null) {
      failed(writeError);
      return;
    }
    io.read(member, range.sector, new Uint8Array(range.sectors * SECTOR_BYTES), (readError) => {
      if (readError !== null) {
        failed(readError);
        return;
      }
      member.correctedSectors += range.sectors;
      end(null);
    });
  });
}

function everyone(): boolean {
  return true;
}
