/**
 * Reads and writes of member sectors: pooled, so that none costs an allocation.
 *
 * Between `plug` and `unplug` writes that are to be gathered wait, and those that follow each other on a member become one request: rows
 * of a request that writes several. If that request fails they are written again, one by one, so each row is told of its own failure.
 */
import { SECTOR_BYTES } from "../../../../base/units.ts";
import type { HoldfastError } from "../../../../base/errors.ts";
import { ignore } from "../../../../base/nothing.ts";
import { aim, aimParts, BioFlags, dropData, ownBio } from "../../../../block/bio.ts";
import type { BioEnd, BioOp, OwnBio } from "../../../../block/bio.ts";
import { Pool } from "../../../../block/pool.ts";
import type { Pooled } from "../../../../block/pool.ts";
import type { Member } from "../../member.ts";

class Transfer implements Pooled {
  isSpare = false;
  end: BioEnd = ignore;
  readonly bio: OwnBio;

  constructor(ended: (transfer: Transfer, error: HoldfastError | null) => void) {
    this.bio = ownBio((error) => ended(this, error));
  }
}

/** Writes that follow each other on a member. */
class Run implements Pooled {
  isSpare = false;
  member: Member | null = null;
  sector = 0;
  /** Behind the last part. */
  end = 0;
  parts: Uint8Array[] = [];
  ends: BioEnd[] = [];
  readonly bio: OwnBio;

  constructor(ended: (run: Run, error: HoldfastError | null) => void) {
    this.bio = ownBio((error) => ended(this, error));
  }

  begin(member: Member, sector: number): void {
    this.member = member;
    this.sector = sector;
    this.end = sector;
  }

  add(data: Uint8Array, end: BioEnd): void {
    this.parts.push(data);
    this.ends.push(end);
    this.end += data.length / SECTOR_BYTES;
  }
}

export class MemberIo {
  readonly #runs = new Pool(() => new Run((run, error) => this.#runEnded(run, error)));
  #isPlugged = false;
  /** Waiting, one of a member. */
  readonly #waiting: Run[] = [];
  readonly #transfers = new Pool(
    () => new Transfer((transfer, error) => this.#ended(transfer, error)),
  );

  read(member: Member, sector: number, data: Uint8Array, end: BioEnd): void {
    this.#submit(member, "read", sector, data, BioFlags.none, end);
  }

  /** @param flags BioFlags */
  write(member: Member, sector: number, data: Uint8Array, flags: number, end: BioEnd): void {
    this.#submit(member, "write", sector, data, flags, end);
  }

  /** What is gathered from now on waits for `unplug`. */
  plug(): void {
    this.#isPlugged = true;
  }

  unplug(): void {
    this.#isPlugged = false;
    for (let run = this.#waiting.pop(); run !== undefined; run = this.#waiting.pop())
      this.#submitRun(run);
  }

  /** As `write`, perhaps together with others. */
  gather(member: Member, sector: number, data: Uint8Array, flags: number, end: BioEnd): void {
    const isAlone = flags !== BioFlags.none || member.device.submitParts === undefined;
    if (!this.#isPlugged || isAlone) {
      this.write(member, sector, data, flags, end);
      return;
    }
    let index = 0;
    while (index < this.#waiting.length && this.#waiting[index]!.member !== member) index += 1;
    const before = this.#waiting[index];
    if (before?.end === sector) {
      before.add(data, end);
      return;
    }
    const run = this.#runs.take();
    run.begin(member, sector);
    run.add(data, end);
    this.#waiting[index] = run;
    if (before !== undefined) this.#submitRun(before);
  }

  #submitRun(run: Run): void {
    const { bio, sector, end, parts } = run;
    const { device, dataOffset } = run.member!;
    if (parts.length === 1) this.#writeEach(run);
    else device.submitParts!(aimParts(bio, dataOffset + sector, end - sector, parts));
  }

  #runEnded(run: Run, error: HoldfastError | null): void {
    dropData(run.bio);
    if (error !== null) {
      this.#writeEach(run);
      return;
    }
    for (const end of run.ends) end(null);
    run.ends.length = 0;
    run.parts.length = 0;
    run.member = null;
    this.#runs.give(run);
  }

  #writeEach(run: Run): void {
    const { sector, parts, ends } = run;
    const member = run.member!;
    // Not emptied and used again: a device that was given up may still be writing them.
    run.parts = [];
    run.ends = [];
    run.member = null;
    this.#runs.give(run);
    let at = sector;
    for (const [index, part] of parts.entries()) {
      this.write(member, at, part, BioFlags.none, ends[index]!);
      at += part.length / SECTOR_BYTES;
    }
  }

  #submit(
    member: Member,
    op: BioOp,
    sector: number,
    data: Uint8Array,
    flags: number,
    end: BioEnd,
  ): void {
    const transfer = this.#transfers.take();
    transfer.end = end;
    const { bio } = transfer;
    const sectors = data.length / SECTOR_BYTES;
    member.device.submit(aim(bio, op, member.dataOffset + sector, sectors, data, flags));
  }

  #ended(transfer: Transfer, error: HoldfastError | null): void {
    const { end } = transfer;
    transfer.end = ignore;
    dropData(transfer.bio);
    this.#transfers.give(transfer);
    end(error);
  }
}
