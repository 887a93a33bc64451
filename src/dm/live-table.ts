/**
 * A table that was loaded: its targets, and bios on their way to them. A bio of several targets, or one that crosses a boundary that a target
 * does not want crossed, goes in parts; a flush goes to all targets.
 */
import { assert } from "../base/assert.ts";
import { HoldfastError } from "../base/errors.ts";
import { SECTOR_BYTES } from "../base/units.ts";
import { aim, dropData, ownBio } from "../block/bio.ts";
import type { Bio, BioEnd, BioOp, OwnBio } from "../block/bio.ts";
import type { BlockLimits, Extent } from "../block/device.ts";
import { ExtentList } from "../block/extents.ts";
import { fanOut } from "../block/fan-out.ts";
import { Pool } from "../block/pool.ts";
import type { Pooled } from "../block/pool.ts";
import { quoteWord } from "./table.ts";
import type { Target, TargetDevice, TargetType } from "./target.ts";

export interface PlacedTarget {
  readonly start: number;
  readonly sectors: number;
  readonly type: TargetType;
  readonly target: Target;
}

/** A bio, or a part of one, on its way to one target. */
class Part implements Pooled {
  isSpare = false;
  end: BioEnd = ignoreEnd;
  readonly bio: OwnBio;

  constructor(ended: (part: Part, error: HoldfastError | null) => void) {
    this.bio = ownBio((error) => ended(this, error));
  }
}

function ignoreEnd(): void {}

export class LiveTable {
  readonly targets: readonly PlacedTarget[];
  readonly sectors: number;
  readonly limits: BlockLimits;
  readonly #devices: readonly TargetDevice[];
  readonly #parts = new Pool(() => new Part((part, error) => this.#ended(part, error)));

  /** @param devices all that were opened for it */
  constructor(
    targets: readonly PlacedTarget[],
    devices: readonly TargetDevice[],
    readOnly: boolean,
  ) {
    this.targets = targets;
    this.#devices = devices;
    const last = targets.at(-1);
    this.sectors = last === undefined ? 0 : last.start + last.sectors;
    const all = targets.map(({ target }) => target.limits);
    this.limits = {
      logicalBlockBytes: Math.max(512, ...all.map((each) => each.logicalBlockBytes)),
      optimalIoBytes: Math.max(0, ...all.map((each) => each.optimalIoBytes)),
      readOnly,
      // Where a target cannot, its part fails with `unsupported`.
      discard: all.some((each) => each.discard),
      writeZeroes: all.length > 0 && all.every((each) => each.writeZeroes),
    };
  }

  get devices(): readonly TargetDevice[] {
    return this.#devices;
  }

  /** @param bio without preflush, inside the table */
  submit(bio: Bio, end: BioEnd): void {
    if (bio.op === "flush") {
      this.#flush(end);
      return;
    }
    const first = this.#indexAt(bio.sector);
    const placed = this.targets[first]!;
    if (pieceLength(placed, bio.op, bio.sector, bio.sectors) === bio.sectors)
      this.#pass(placed, bio, bio.sector, bio.sectors, bio.data, end);
    else this.#split(first, bio, end);
  }

  /**
   * The short way of reads and writes, which are nearly all bios: to one target in one piece, as `own`, which is not in flight. False: it
   * has to go the other way, and nothing has happened.
   */
  sendWhole(bio: Bio, own: OwnBio): boolean {
    const { op, sector, sectors } = bio;
    if (op !== "read" && op !== "write") return false;
    const placed =
      this.targets.length === 1 ? this.targets[0]! : this.targets[this.#indexAt(sector)]!;
    const at = sector - placed.start;
    const { target } = placed;
    const { splitSectors } = target;
    if (at + sectors > placed.sectors) return false;
    if (splitSectors !== 0 && (at % splitSectors) + sectors > splitSectors) return false;
    const { route } = target;
    if (route === undefined) target.submit(aim(own, op, at, sectors, bio.data, bio.flags));
    else route.deviceAt(at).submit(aim(own, op, route.sectorAt(at), sectors, bio.data, bio.flags));
    return true;
  }

  /** A bio that was sent whole has failed. */
  wholeFailed(sector: number, error: HoldfastError): void {
    const { start, target } = this.targets[this.#indexAt(sector)]!;
    target.route?.failed?.(sector - start, error);
  }

  #flush(end: BioEnd): void {
    if (this.targets.length === 1) {
      this.#passFlush(this.targets[0]!, end);
      return;
    }
    const ended = fanOut(this.targets.length, end);
    for (const placed of this.targets) this.#passFlush(placed, ended);
  }

  #passFlush({ target }: PlacedTarget, end: BioEnd): void {
    const part = this.#parts.take();
    part.end = end;
    target.submit(aim(part.bio, "flush", 0, 0, NO_BYTES, 0));
  }

  #split(first: number, bio: Bio, end: BioEnd): void {
    const pieces: { placed: PlacedTarget; sector: number; sectors: number }[] = [];
    let index = first;
    for (let sector = bio.sector; sector < bio.sector + bio.sectors;) {
      let placed = this.targets[index]!;
      if (sector >= placed.start + placed.sectors) placed = this.targets[(index += 1)]!;
      const sectors = pieceLength(placed, bio.op, sector, bio.sector + bio.sectors - sector);
      pieces.push({ placed, sector, sectors });
      sector += sectors;
    }
    const ended = fanOut(pieces.length, end);
    const { data, sector: start } = bio;
    for (const { placed, sector, sectors } of pieces) {
      const from = (sector - start) * SECTOR_BYTES;
      const part = data.length === 0 ? data : data.subarray(from, from + sectors * SECTOR_BYTES);
      this.#pass(placed, bio, sector, sectors, part, ended);
    }
  }

  #pass(
    { target, start }: PlacedTarget,
    { op, flags }: Bio,
    sector: number,
    sectors: number,
    data: Uint8Array,
    end: BioEnd,
  ): void {
    if (op === "discard" && !target.limits.discard) {
      end(new HoldfastError("unsupported", "A target of the table cannot discard."));
      return;
    }
    const part = this.#parts.take();
    part.end = end;
    target.submit(aim(part.bio, op, sector - start, sectors, data, flags));
  }

  #ended(part: Part, error: HoldfastError | null): void {
    const { end } = part;
    part.end = ignoreEnd;
    dropData(part.bio);
    this.#parts.give(part);
    end(error);
  }

  #indexAt(sector: number): number {
    let low = 0;
    let high = this.targets.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.targets[middle]!.start <= sector) low = middle;
      else high = middle - 1;
    }
    assert(high >= 0, "a bio goes to a table with targets");
    return low;
  }

  extents(sector: number, sectors: number, maxExtents: number): Extent[] {
    const list = new ExtentList(sector, maxExtents);
    const end = sector + sectors;
    for (let index = this.#indexAt(sector); index < this.targets.length; index += 1) {
      const { start, sectors: length, target } = this.targets[index]!;
      const until = Math.min(end, start + length);
      while (list.end < until)
        for (const run of target.extents(list.end - start, until - list.end, maxExtents))
          if (!list.add(run.sectors, run.kind)) return list.extents;
      if (until === end) break;
    }
    return list.extents;
  }

  /** `dmsetup table`, without the name. */
  table(): string[] {
    return this.targets.map(({ start, sectors, type, target }) => {
      const words = target.table();
      return `${start} ${sectors} ${quoteWord(type.name)}${words === "" ? " " : ` ${words}`}`;
    });
  }

  /** `dmsetup status`, without the name. */
  status(flushes: boolean): Promise<string[]> {
    return Promise.all(
      this.targets.map(async ({ start, sectors, type, target }) => {
        return `${start} ${sectors} ${type.name} ${await target.status(flushes)}`;
      }),
    );
  }

  /** Targets first, then what they stand on; the first error is thrown when all is closed. */
  async close(): Promise<void> {
    const closings = this.targets.map(
      ({ target }) =>
        () =>
          target.close(),
    );
    closings.push(
      ...this.#devices.map(
        ({ device }) =>
          () =>
            device.close(),
      ),
    );
    const errors: unknown[] = [];
    for (const closing of closings) await closing().catch((error: unknown) => errors.push(error));
    if (errors.length > 0) throw errors[0];
  }
}

const NO_BYTES = new Uint8Array(0);

function pieceLength(
  { start, sectors, target }: PlacedTarget,
  op: BioOp,
  sector: number,
  wanted: number,
): number {
  const toEnd = start + sectors - sector;
  const { discardSplitSectors = target.splitSectors } = target;
  const splitSectors = op === "discard" ? discardSplitSectors : target.splitSectors;
  const toSplit = splitSectors === 0 ? toEnd : splitSectors - ((sector - start) % splitSectors);
  return Math.min(wanted, toEnd, toSplit);
}
