/**
 * JournalRing: which part of the journal's ring holds what, in units of a meta block with its blocks.
 *
 *      free      | tail |  on the members  |  being written  |       free
 *   -------------+------+------------------+-----------------+-----------------
 *                ^ where replay starts                       ^ head
 *
 * The tail is always a unit that was written: a place where nothing was written yet may hold a meta block from the last time round, which
 * would be taken for the log's first. So the newest unit that is done with stays, and is replayed without harm.
 * One block stays free always, for an empty meta block that a log ends with.
 */
import { assert } from "../../../../../base/assert.ts";
import { SECTOR_BYTES } from "../../../../../base/units.ts";
import { R5_BLOCK_SECTORS, r5Advance } from "../../../../../formats/md/r5-log.ts";

export interface JournalUnit {
  /** Sector of the log. */
  readonly position: number;
  readonly sectors: number;
  /** Writes in it that have not ended on the members. */
  pending: number;
}

export class JournalRing {
  readonly sectors: number;
  /** From the tail on. */
  #units: JournalUnit[];
  #head: number;
  #usedSectors: number;

  /** @param position of the empty meta block that the log begins with */
  constructor(sectors: number, position: number) {
    assert(sectors % R5_BLOCK_SECTORS === 0, "a ring is made of whole blocks");
    this.sectors = sectors;
    this.#units = [{ position, sectors: R5_BLOCK_SECTORS, pending: 0 }];
    this.#usedSectors = R5_BLOCK_SECTORS;
    this.#head = r5Advance(this, position, R5_BLOCK_SECTORS);
  }

  /** Where the next unit goes. */
  get head(): number {
    return this.#head;
  }

  get tail(): JournalUnit {
    return this.#units[0]!;
  }

  get last(): JournalUnit {
    return this.#units.at(-1)!;
  }

  /** Nothing was written since the log was begun, or ended. */
  get isEmpty(): boolean {
    return this.#units.length === 1 && this.tail.sectors === R5_BLOCK_SECTORS;
  }

  fits(sectors: number): boolean {
    return this.#usedSectors + sectors + R5_BLOCK_SECTORS <= this.sectors;
  }

  /** @param pending writes of which it tells */
  append(sectors: number, pending: number): JournalUnit {
    assert(this.#usedSectors + sectors <= this.sectors, "the log has room");
    const unit = { position: this.#head, sectors, pending };
    this.#units.push(unit);
    this.#usedSectors += sectors;
    this.#head = r5Advance(this, this.#head, sectors);
    return unit;
  }

  /** The newest unit that is on the members, as all before it are: where the tail may go once they are flushed. */
  get newestDone(): JournalUnit {
    const first = this.#units.findIndex(({ pending }) => pending > 0);
    return first === -1 ? this.#units.at(-1)! : this.#units[Math.max(0, first - 1)]!;
  }

  /** Sectors before the unit, which would be free if the tail were there. */
  sectorsBefore(unit: JournalUnit): number {
    const distance = unit.position - this.tail.position;
    return distance < 0 ? distance + this.sectors : distance;
  }

  /** The tail is durably there: what is before it is free. */
  moveTail(unit: JournalUnit): void {
    this.#usedSectors -= this.sectorsBefore(unit);
    this.#units.splice(0, this.#units.indexOf(unit));
  }
}

/** A write of member sectors of the journal device. */
export interface RingWrite {
  readonly sector: number;
  readonly data: Uint8Array;
}

/** One write, or two where the ring ends in between. */
export function ringWrites(
  { sectors }: Pick<JournalRing, "sectors">,
  position: number,
  bytes: Uint8Array,
): RingWrite[] {
  const room = (sectors - position) * SECTOR_BYTES;
  if (bytes.length <= room) return [{ sector: position, data: bytes }];
  return [
    { sector: position, data: bytes.subarray(0, room) },
    { sector: 0, data: bytes.subarray(room) },
  ];
}
