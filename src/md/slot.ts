/**
 * A slot is one place in the array's geometry. Zero, one or two devices stand in it (two while a member is being
 * replaced), and each can be believed only in part: below its recovery offset, inside the device, and outside its
 * bad-block log. Sectors here are member sectors, counted from where the member's data starts.
 *
 * Trust is answered as runs: `trust(sector, max)` is +n when the next n sectors may be read, -n when they may not.
 */
import { HoldfastError } from "../base/errors.ts";
import { SECTOR_BYTES } from "../base/units.ts";
import type { SectorRange } from "../base/units.ts";
import { ignore } from "../base/nothing.ts";
import { BioFlags, aim, dropData, ownBio } from "../block/bio.ts";
import type { BioEnd, OwnBio } from "../block/bio.ts";
import type { BlockDevice, ExtentKind } from "../block/device.ts";
import { Pool } from "../block/pool.ts";
import type { Pooled } from "../block/pool.ts";
import { BadBlockTable } from "./running/bad-block-table.ts";

/** What a view asks of a member, every time anew: in a running array the answers change. */
export interface ViewedMember {
  /** For messages. */
  readonly label: string;
  readonly device: Pick<BlockDevice, "sectors" | "submit" | "extents">;
  /** Device sector of member sector 0. */
  readonly dataOffset: number;
  /** Member sectors below this hold good data; Infinity: all. */
  readonly goodEnd: number;
  /** Of device sectors. */
  readonly badBlocks: { run(sector: number, max: number): number };
}

/** Called with what could not be read, in member sectors. */
export type ReadFailed = (sector: number, sectors: number, error: HoldfastError) => void;

export class MemberView {
  readonly #member: ViewedMember;
  readonly #failed: ReadFailed;

  constructor(member: ViewedMember, failed: ReadFailed = ignore) {
    this.#member = member;
    this.#failed = failed;
  }

  trust(sector: number, max: number): number {
    const { goodEnd, device, dataOffset, badBlocks } = this.#member;
    // An image that was cut off is believed as far as it goes.
    const left = Math.min(goodEnd, device.sectors - dataOffset) - sector;
    if (left <= 0) return -max;
    const run = badBlocks.run(dataOffset + sector, Math.min(max, left));
    return run < 0 && -run === left ? -max : run;
  }

  /** It holds what it should, apart from sectors listed as bad: true until the member leaves. */
  holds(sector: number, sectors: number): boolean {
    return sector + sectors <= this.#member.goodEnd;
  }

  /** Submits `bio`, which is the caller's, as a read of these sectors. */
  read(bio: OwnBio, sector: number, data: Uint8Array): void {
    const { device, dataOffset } = this.#member;
    const sectors = data.length / SECTOR_BYTES;
    device.submit(aim(bio, "read", dataOffset + sector, sectors, data, BioFlags.none));
  }

  /** To be called when a read has ended with an error. */
  readFailed(sector: number, sectors: number, error: HoldfastError): void {
    this.#failed(sector, sectors, error);
  }

  /** What is known without reading of the run at `sector`; the run is at most `max` long. */
  extent(sector: number, max: number): { readonly kind: ExtentKind; readonly sectors: number } {
    const { device, dataOffset } = this.#member;
    const [first] = device.extents(dataOffset + sector, max, 1);
    return first === undefined ? { kind: "data", sectors: max } : first;
  }
}

/**
 * A view of a member that stays as it is.
 * @param recoveredSectors member sectors below this are good; Infinity for all
 * @param badBlocks the bad-block log, in device sectors, sorted and disjoint
 */
export function fixedView(
  label: string,
  device: BlockDevice,
  dataOffset: number,
  recoveredSectors: number,
  badBlocks: readonly SectorRange[],
): MemberView {
  return new MemberView({
    label,
    device,
    dataOffset,
    goodEnd: recoveredSectors,
    badBlocks: new BadBlockTable(null, badBlocks),
  });
}

/** A read under way from one of a slot's devices. */
class SlotRead implements Pooled {
  isSpare = false;
  /** The device that is being read. */
  view: MemberView | null = null;
  sector = 0;
  end: BioEnd = ignore;
  readonly bio: OwnBio;

  constructor(ended: (read: SlotRead, error: HoldfastError | null) => void) {
    this.bio = ownBio((error) => ended(this, error));
  }
}

export class Slot {
  readonly number: number;
  #views: readonly MemberView[];
  #writeMostly: boolean;
  readonly #reads = new Pool(() => new SlotRead((read, error) => this.#ended(read, error)));

  constructor(number: number, views: readonly MemberView[], writeMostly: boolean) {
    this.number = number;
    this.#views = views;
    this.#writeMostly = writeMostly;
  }

  get views(): readonly MemberView[] {
    return this.#views;
  }

  get writeMostly(): boolean {
    return this.#writeMostly;
  }

  /** Who stands here from now on, in order of preference. */
  hold(views: readonly MemberView[], writeMostly: boolean): void {
    this.#views = views;
    this.#writeMostly = writeMostly;
  }

  trust(sector: number, max: number): number {
    let untrusted = max;
    for (const view of this.#views) {
      const run = view.trust(sector, max);
      if (run > 0) return run;
      untrusted = Math.min(untrusted, -run);
    }
    return -untrusted;
  }

  /**
   * Reads from the first device that may be believed over the whole range and answers; the range must be one
   * run of positive trust.
   */
  read(sector: number, data: Uint8Array, end: BioEnd): void {
    const read = this.#reads.take();
    read.sector = sector;
    read.end = end;
    this.#readFrom(0, read, data, null);
  }

  #readFrom(
    first: number,
    read: SlotRead,
    data: Uint8Array,
    lastError: HoldfastError | null,
  ): void {
    const sectors = data.length / SECTOR_BYTES;
    for (let i = first; i < this.#views.length; i += 1) {
      const view = this.#views[i]!;
      if (view.trust(read.sector, sectors) < sectors) continue;
      read.view = view;
      view.read(read.bio, read.sector, data);
      return;
    }
    const text = `slot ${this.number} holds no good data there`;
    this.#finish(read, lastError ?? new HoldfastError("data-lost", text));
  }

  #ended(read: SlotRead, error: HoldfastError | null): void {
    const view = read.view!;
    const { data } = read.bio;
    const sectors = data.length / SECTOR_BYTES;
    // Who left meanwhile may have answered after it lost its cache (law 3).
    if (error === null && view.holds(read.sector, sectors)) {
      this.#finish(read, null);
      return;
    }
    // Who stands here may have changed: then it starts over with whoever else there is.
    const index = this.#views.indexOf(view);
    if (error !== null) view.readFailed(read.sector, sectors, error);
    this.#readFrom(index + 1, read, data, error);
  }

  #finish(read: SlotRead, error: HoldfastError | null): void {
    const { end } = read;
    read.end = ignore;
    read.view = null;
    dropData(read.bio);
    this.#reads.give(read);
    end(error);
  }

  extent(
    sector: number,
    max: number,
  ): { readonly kind: ExtentKind; readonly sectors: number } | null {
    for (const view of this.#views) {
      const run = view.trust(sector, max);
      if (run > 0) return view.extent(sector, run);
    }
    return null;
  }
}
