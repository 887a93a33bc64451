/**
 * The copies of a range of sectors (inside one piece) on the members of a running mirror, for whatever need not be fast: repairs and
 * background sync. The range must be held exclusively.
 */
import { HoldfastError } from "../../../base/errors.ts";
import { SECTOR_BYTES } from "../../../base/units.ts";
import { readBio } from "../../../block/bio.ts";
import type { BioEnd } from "../../../block/bio.ts";
import type { RangeHold, RangeLock } from "../../../block/range-lock.ts";
import type { MirrorGeometry } from "../../personalities/mirror.ts";
import type { ArrayCore } from "../core.ts";
import type { Member } from "../member.ts";
import type { MirrorSlots } from "./mirror-slots.ts";
import type { WriteFailures } from "./mirror-write-error.ts";
import { writeInParts } from "./mirror-write-parts.ts";

export interface Copy {
  readonly member: Member;
  readonly memberSector: number;
}

export class MirrorCopies {
  readonly #core: ArrayCore;
  readonly #geometry: MirrorGeometry;
  readonly #slots: MirrorSlots;
  readonly #failures: WriteFailures;

  constructor(
    core: ArrayCore,
    geometry: MirrorGeometry,
    slots: MirrorSlots,
    failures: WriteFailures,
  ) {
    this.#core = core;
    this.#geometry = geometry;
    this.#slots = slots;
    this.#failures = failures;
  }

  /** In the order in which reads prefer them where copies may differ. */
  at(sector: number): readonly Copy[] {
    this.#slots.refresh();
    const copies: Copy[] = [];
    for (const { slot, memberSector } of this.#geometry.copies(sector, []))
      for (const member of this.#slots.at(slot)) copies.push({ member, memberSector });
    const rank = ({ member }: Copy): number => (member.writeMostly ? 1 : 0);
    return copies.toSorted((a, b) => rank(a) - rank(b));
  }

  /** An error as well where it holds nothing to be believed. */
  async read(copy: Copy, data: Uint8Array): Promise<HoldfastError | null> {
    const { member, memberSector } = copy;
    if (!isGood(copy, data.length / SECTOR_BYTES)) return holdsNothing(copy);
    const error = await ended((end) =>
      member.device.submit(readBio(member.dataOffset + memberSector, data, end)),
    );
    // Who left meanwhile may have answered after it lost its cache: that must not be written over the others (law 3).
    return error ?? (isGood(copy, data.length / SECTOR_BYTES) ? null : holdsNothing(copy));
  }

  /**
   * Writes a good copy of the range, and waits until what failed is recorded. Sectors that were listed bad are good then, unless the member
   * has had write errors: those are left out.
   * @returns the error if some of it could not be written; it is recorded then, or cannot be
   */
  async write({ member, memberSector }: Copy, data: Uint8Array): Promise<HoldfastError | null> {
    const sector = member.dataOffset + memberSector;
    const sectors = data.length / SECTOR_BYTES;
    const request = { op: "write", sector, sectors, data, flags: 0 } as const;
    const error = await ended((end) => writeInParts(member, request, end));
    if (error === null) {
      if (!member.hasWriteErrors && member.badBlocks.remove(sector, sectors))
        this.#core.commit("progress", () => {});
      return null;
    }
    const unrecorded = await ended((end) => this.#failures.record(member, request, error, end));
    return unrecorded ?? error;
  }

  /** Nobody knows what belongs there. */
  async lose({ member, memberSector }: Copy, sectors: number, why: HoldfastError): Promise<void> {
    if (member.isFaulty) return;
    const sector = member.dataOffset + memberSector;
    if (member.badBlocks.run(sector, sectors) === -sectors) return;
    await ended((end) => this.#core.blocksFailed(member, sector, sectors, why, end));
  }
}

/** The member holds what it should there, as far as is known. */
export function isGood({ member, memberSector }: Copy, sectors: number): boolean {
  if (memberSector + sectors > member.goodEnd) return false;
  return member.badBlocks.run(member.dataOffset + memberSector, sectors) === sectors;
}

function holdsNothing({ member }: Copy): HoldfastError {
  return new HoldfastError("data-lost", `${member.label} holds no good data there`);
}

export function advanced({ member, memberSector }: Copy, sectors: number): Copy {
  return { member, memberSector: memberSector + sectors };
}

function ended(start: (end: BioEnd) => void): Promise<HoldfastError | null> {
  return new Promise((resolve) => {
    start(resolve);
  });
}

export async function whileHeld<T>(
  locks: RangeLock,
  sector: number,
  sectors: number,
  work: () => Promise<T>,
): Promise<T> {
  const hold = await new Promise<RangeHold>((resolve) => {
    locks.lock(sector, sectors, "exclusive", resolve);
  });
  try {
    return await work();
  } finally {
    locks.release(hold);
  }
}
