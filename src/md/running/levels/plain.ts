/**
 * linear and raid0 of a running array: every sector lies in one place, so there is nothing to fall back on, and nothing that a superblock
 * would have to tell of. Errors are passed on. A member that cannot even be read where its superblock is has gone
 * as a whole: then the array is broken, as the kernel's is when a disk has disappeared.
 */
import { assert } from "../../../base/assert.ts";
import type { HoldfastError } from "../../../base/errors.ts";
import { SECTOR_BYTES } from "../../../base/units.ts";
import { ignore } from "../../../base/nothing.ts";
import { aim, dropData, ownBio, readBio } from "../../../block/bio.ts";
import type { Bio, BioEnd, OwnBio } from "../../../block/bio.ts";
import type { Extent } from "../../../block/device.ts";
import { Pool } from "../../../block/pool.ts";
import type { Pooled } from "../../../block/pool.ts";
import { MdArray } from "../../array.ts";
import { Place } from "../../geometry/place.ts";
import { PlainPersonality } from "../../personalities/plain.ts";
import type { PlainGeometry } from "../../personalities/plain.ts";
import { MemberView, Slot } from "../../slot.ts";
import type { ArrayCore, RunningLevel } from "../core.ts";
import type { Member } from "../member.ts";
import type { SyncWork } from "../../../sync/work.ts";

/** Pieces of one bio under way at a time. */
const PIECES_IN_FLIGHT = 16;

export class PlainLevel implements RunningLevel {
  readonly #core: ArrayCore;
  readonly #geometry: PlainGeometry;
  /** By slot: all are there for as long as the array runs. */
  readonly #members: readonly Member[];
  readonly #reader: MdArray;
  readonly #reads = new Pool(() => new ReadStep((step, error) => this.#readEnded(step, error)));
  readonly #changes = new Pool(() => new PiecewiseChange(this));
  readonly #pieces = new Pool(() => new PieceStep((step, error) => this.#pieceEnded(step, error)));
  readonly #place = new Place();

  constructor(core: ArrayCore, geometry: PlainGeometry & { readonly arraySectors: number }) {
    this.#core = core;
    this.#geometry = geometry;
    this.#members = Array.from({ length: core.members.slots }, (_unused, slot) => {
      const { member } = core.members.at(slot);
      assert(member !== null, "a level without redundancy has all of its members");
      return member;
    });
    this.#reader = this.#readerOf(geometry);
  }

  #readerOf(geometry: PlainGeometry & { readonly arraySectors: number }): MdArray {
    const slots = this.#members.map(
      (member, number) => new Slot(number, [new MemberView(member)], false),
    );
    const personality = new PlainPersonality(geometry, slots);
    const sectors = geometry.arraySectors;
    return new MdArray({
      name: this.#core.name,
      sectors,
      regions: [{ endSector: sectors, personality }],
      optimalIoBytes: 0,
      logicalBlockBytes: 512,
    });
  }

  run(bio: Bio, end: BioEnd): void {
    if (bio.op === "read") this.#reads.take().start(this.#reader, bio, end);
    else this.#changes.take().start(bio, end);
  }

  #readEnded(step: ReadStep, error: HoldfastError | null): void {
    const end = step.finish();
    this.#reads.give(step);
    end(error);
  }

  extents(sector: number, sectors: number, maxExtents: number): Extent[] {
    return this.#reader.extents(sector, sectors, maxExtents);
  }

  syncWork(): SyncWork | null {
    return null;
  }

  /** Sectors of `bio` from `sector` on that go to one place; they are submitted. */
  submitPiece(change: PiecewiseChange, bio: Bio, sector: number): number {
    const place = this.#geometry.locate(sector, this.#place);
    const sectors = Math.min(place.sectors, bio.sector + bio.sectors - sector);
    const member = this.#members[place.slot]!;
    const from = (sector - bio.sector) * SECTOR_BYTES;
    const isWhole = sectors === bio.sectors || bio.data.length === 0;
    const data = isWhole ? bio.data : bio.data.subarray(from, from + sectors * SECTOR_BYTES);
    const step = this.#pieces.take();
    step.change = change;
    step.member = member;
    const at = member.dataOffset + place.memberSector;
    member.device.submit(aim(step.bio, bio.op, at, sectors, data, bio.flags));
    return sectors;
  }

  #pieceEnded(step: PieceStep, error: HoldfastError | null): void {
    const { change, member } = step;
    const isDiscard = step.bio.op === "discard";
    step.change = null;
    step.member = null;
    dropData(step.bio);
    this.#pieces.give(step);
    if (error === null || isDiscard) change!.pieceEnded(error);
    else this.#writeFailed(member!, error, change!);
  }

  /** Is it the place, or the member? */
  #writeFailed(member: Member, error: HoldfastError, change: PiecewiseChange): void {
    const probed: BioEnd = (unreadable) => {
      if (unreadable === null) change.pieceEnded(error);
      else this.#core.memberFailed(member, error, () => change.pieceEnded(error));
    };
    const superblock = new Uint8Array(SECTOR_BYTES);
    member.device.submit(readBio(member.superblock.superSector, superblock, probed));
  }

  changeEnded(change: PiecewiseChange, end: BioEnd, error: HoldfastError | null): void {
    this.#changes.give(change);
    end(error);
  }
}

/** A read, passed on to the array that reads. */
class ReadStep implements Pooled {
  isSpare = false;
  readonly #bio: OwnBio;
  #end: BioEnd = ignore;

  constructor(ended: (step: ReadStep, error: HoldfastError | null) => void) {
    this.#bio = ownBio((error) => ended(this, error));
  }

  start(reader: MdArray, { sector, sectors, data, flags }: Bio, end: BioEnd): void {
    this.#end = end;
    reader.submit(aim(this.#bio, "read", sector, sectors, data, flags));
  }

  finish(): BioEnd {
    const end = this.#end;
    this.#end = ignore;
    dropData(this.#bio);
    return end;
  }
}

/** A part of a change that lies in one place. */
class PieceStep implements Pooled {
  isSpare = false;
  change: PiecewiseChange | null = null;
  member: Member | null = null;
  readonly bio: OwnBio;

  constructor(ended: (step: PieceStep, error: HoldfastError | null) => void) {
    this.bio = ownBio((error) => ended(this, error));
  }
}

/** A write, discard or write-zeroes under way; after an error no more pieces are started. */
class PiecewiseChange implements Pooled {
  isSpare = false;
  readonly #level: PlainLevel;
  #bio: Bio | null = null;
  #end: BioEnd = ignore;
  #next = 0;
  #stop = 0;
  #pending = 0;
  #isStarting = false;
  #error: HoldfastError | null = null;

  constructor(level: PlainLevel) {
    this.#level = level;
  }

  start(bio: Bio, end: BioEnd): void {
    this.#bio = bio;
    this.#end = end;
    this.#next = bio.sector;
    this.#stop = bio.sector + bio.sectors;
    this.#run();
  }

  pieceEnded(error: HoldfastError | null): void {
    assert(this.#pending > 0, "each piece of a change ends once");
    this.#pending -= 1;
    this.#error ??= error;
    this.#run();
  }

  /** Starts pieces while there is room; pieces that end at once do not deepen the stack. */
  #run(): void {
    if (this.#isStarting) return;
    this.#isStarting = true;
    while (this.#next < this.#stop && this.#pending < PIECES_IN_FLIGHT && this.#error === null) {
      this.#pending += 1;
      this.#next += this.#level.submitPiece(this, this.#bio!, this.#next);
    }
    this.#isStarting = false;
    if (this.#pending > 0) return;
    const end = this.#end;
    const error = this.#error;
    this.#bio = null;
    this.#end = ignore;
    this.#error = null;
    this.#level.changeEnded(this, end, error);
  }
}
