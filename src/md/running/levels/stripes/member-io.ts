/** Reads and writes of member sectors: pooled, so that none costs an allocation. */
import { SECTOR_BYTES } from "../../../../base/units.ts";
import type { HoldfastError } from "../../../../base/errors.ts";
import { ignore } from "../../../../base/nothing.ts";
import { aim, BioFlags, dropData, ownBio } from "../../../../block/bio.ts";
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

export class MemberIo {
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
