/**
 * Sectors that could not be read are written again from another copy, and then read: a disk puts others in their place. The client has had
 * its answer from the other copy by then. Whoever stops the array, or stops writing to it, waits until it is done (law 7).
 *
 * Too many read errors are the end of a member (read-errors.ts). One that is to fail fast leaves at once, if it can be missed. Where no other copy is good, or the member cannot be written, the
 * sectors are listed as bad; a member that is the only one left is let be.
 */
import type { HoldfastError } from "../../../base/errors.ts";
import { SECTOR_BYTES } from "../../../base/units.ts";
import type { ArrayCore } from "../core.ts";
import type { Member } from "../member.ts";
import { ReadErrors } from "../read-errors.ts";
import type { MirrorCopies, Copy } from "./mirror-copies.ts";
import { advanced, isGood, whileHeld } from "./mirror-copies.ts";
import type { MirrorSlots } from "./mirror-slots.ts";

/** Repaired at a time: what a read error costs when only one sector is bad. */
const BLOCK_SECTORS = 8;
/** That wait. More are forgotten: they will be found again. */
const MAX_WAITING = 64;

interface ReadError {
  readonly member: Member;
  readonly memberSector: number;
  readonly sectors: number;
  readonly why: HoldfastError;
}

export class MirrorRepair {
  readonly #core: ArrayCore;
  readonly #slots: MirrorSlots;
  readonly #copies: MirrorCopies;
  /** To array sectors; null where the member holds nothing. */
  readonly #toVolume: (slot: number, memberSector: number) => number | null;
  readonly #errors: ReadErrors;
  #waiting: ReadError[] = [];
  #isRunning = false;
  #whenQuiet: (() => void)[] = [];

  constructor(
    core: ArrayCore,
    slots: MirrorSlots,
    copies: MirrorCopies,
    toVolume: (slot: number, memberSector: number) => number | null,
  ) {
    this.#core = core;
    this.#slots = slots;
    this.#copies = copies;
    this.#toVolume = toVolume;
    this.#errors = new ReadErrors(core);
  }

  /** A read of these member sectors, inside one piece, has failed. */
  report(member: Member, memberSector: number, sectors: number, why: HoldfastError): void {
    const isLast = member.isInSync && this.#slots.inSync === 1;
    if (!this.#core.isWritable || member.isFaulty || isLast) return;
    if (member.failFast && member.isInSync && this.#core.canMiss(member)) {
      this.#core.memberFailed(member, why, () => {});
      return;
    }
    const error: ReadError = { member, memberSector, sectors, why };
    if (this.#errors.areTooMany(member, error, why)) return;
    const isKnown = this.#waiting.some(
      (one) => one.member === member && one.memberSector === memberSector && one.sectors >= sectors,
    );
    if (isKnown || this.#waiting.length >= MAX_WAITING) return;
    this.#waiting.push(error);
    if (!this.#isRunning) void this.#run();
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    for (let next = this.#waiting.shift(); next; next = this.#waiting.shift())
      await this.#repair(next);
    this.#isRunning = false;
    for (const quiet of this.#whenQuiet.splice(0)) quiet();
  }

  /** `quiet` when nothing is being repaired any more, perhaps at once. */
  whenQuiet(quiet: () => void): void {
    if (this.#isRunning) this.#whenQuiet.push(quiet);
    else quiet();
  }

  async #repair({ member, memberSector, sectors, why }: ReadError): Promise<void> {
    const { slot } = member;
    const sector = slot === null ? null : this.#toVolume(slot, memberSector);
    if (sector === null) return;
    await whileHeld(this.#core.locks, sector, sectors, async () => {
      for (let at = 0; at < sectors; at += BLOCK_SECTORS) {
        const some = Math.min(BLOCK_SECTORS, sectors - at);
        const copy = this.#copies
          .at(sector + at)
          .find((one) => one.member === member && one.memberSector === memberSector + at);
        if (copy === undefined || !(await this.#repairBlock(copy, sector + at, some, why))) return;
      }
    });
  }

  /** The range is held. False: it went wrong, and so would its neighbours. */
  async #repairBlock(
    copy: Copy,
    sector: number,
    sectors: number,
    why: HoldfastError,
  ): Promise<boolean> {
    const data = new Uint8Array(sectors * SECTOR_BYTES);
    // Listed as bad meanwhile, or it can be read after all: not all of a long read was bad.
    if (!isGood(copy, sectors) || (await this.#copies.read(copy, data)) === null) return true;
    const others = this.#copies.at(sector).filter(({ member }) => member !== copy.member);
    // The only one that is left there: to list it, or to lose the member over it, helps nobody.
    if (!others.some(({ member }) => member.isInSync)) return false;
    if (!(await this.#readElsewhere(others, data))) {
      await this.#copies.lose(copy, sectors, why);
      return false;
    }
    if ((await this.#copies.write(copy, data)) !== null) return false;
    if ((await this.#copies.read(copy, data)) === null) {
      copy.member.correctedSectors += sectors;
      return true;
    }
    await this.#copies.lose(copy, sectors, why);
    return false;
  }

  /** Sector by sector where it must be. */
  async #readElsewhere(others: readonly Copy[], data: Uint8Array): Promise<boolean> {
    for (const other of others) if ((await this.#copies.read(other, data)) === null) return true;
    for (let at = 0; at * SECTOR_BYTES < data.length; at += 1) {
      const part = data.subarray(at * SECTOR_BYTES, (at + 1) * SECTOR_BYTES);
      let isRead = false;
      for (const other of others)
        isRead ||= (await this.#copies.read(advanced(other, at), part)) === null;
      if (!isRead) return false;
    }
    return data.length > 0;
  }
}
