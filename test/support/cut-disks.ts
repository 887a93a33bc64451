/**
 * Disks whose power can be cut: requests end one at a time, in an order that chance makes, and what no flush has covered is on the disk
 * after a cut or not, sector by sector.
 */
import type { Prng } from "../../src/base/prng.ts";
import { HoldfastError } from "../../src/base/errors.ts";
import { SECTOR_BYTES } from "../../src/base/units.ts";
import { BioFlags } from "../../src/block/bio.ts";
import type { Bio } from "../../src/block/bio.ts";
import { WRITABLE_LIMITS } from "../../src/block/device.ts";
import type { BlockDevice, BlockLimits, Extent } from "../../src/block/device.ts";
import { refusal } from "../../src/block/refuse.ts";

interface Unflushed {
  readonly sector: number;
  readonly data: Uint8Array;
  hasEnded: boolean;
  /** By sector of it: something newer is durable there. */
  readonly isOutdated: boolean[];
}

export class CutDisks {
  readonly disks: readonly CutDisk[];
  readonly #prng: Prng;
  readonly #queue: (() => void)[] = [];

  /** @param tornSectors what a disk writes as a whole, or not at all */
  constructor(prng: Prng, images: readonly Uint8Array[], tornSectors = 1) {
    this.#prng = prng;
    this.disks = images.map(
      (image, index) => new CutDisk(this, `disk${index}`, image, tornSectors),
    );
  }

  enqueue(run: () => void): void {
    this.#queue.push(run);
  }

  /** Ends one request. False: there is none. */
  step(): boolean {
    const [run] = this.#queue.splice(this.#prng.below(Math.max(1, this.#queue.length)), 1);
    run?.();
    return run !== undefined;
  }

  /** A cut now would leave more than one possible content. */
  get isWriting(): boolean {
    return this.disks.some((disk) => disk.isWriting);
  }

  /** What the disks hold when the power comes back. Nothing that was under way ends any more. */
  cut(prng = this.#prng): Uint8Array[] {
    this.#queue.length = 0;
    return this.disks.map((disk) => disk.afterCut(prng));
  }
}

export class CutDisk implements BlockDevice {
  readonly name: string;
  readonly sectors: number;
  readonly limits: BlockLimits = { ...WRITABLE_LIMITS, discard: false, writeZeroes: false };
  /** Every request fails from now on, and nothing reaches it. */
  isGone = false;
  /** What it is asked from now on waits for `answer`. */
  isHung = false;
  #unanswered: (() => void)[] = [];
  /** Cannot be read until they are written. */
  readonly badReads = new Set<number>();
  /** Cannot be written. */
  readonly badWrites = new Set<number>();
  readonly #all: CutDisks;
  readonly #tornSectors: number;
  readonly #durable: Uint8Array;
  /** What is read. */
  readonly #content: Uint8Array;
  #unflushed: Unflushed[] = [];

  constructor(all: CutDisks, name: string, image: Uint8Array, tornSectors: number) {
    this.#all = all;
    this.#tornSectors = tornSectors;
    this.name = name;
    this.sectors = image.length / SECTOR_BYTES;
    this.#durable = image.slice();
    this.#content = image.slice();
  }

  /** Something is not durable. */
  get isWriting(): boolean {
    return this.#unflushed.length > 0;
  }

  submit(bio: Bio): void {
    const refused = refusal(this, bio);
    if (refused !== null) {
      bio.end(refused);
      return;
    }
    if (this.isGone) {
      this.#enqueue(() => bio.end(new HoldfastError("io", `${this.name} is gone`)));
      return;
    }
    if (bio.op === "read") this.#enqueue(() => this.#read(bio));
    else if (bio.op === "flush") this.#flush(bio);
    else this.#write(bio);
  }

  #enqueue(run: () => void): void {
    if (this.isHung) this.#unanswered.push(run);
    else this.#all.enqueue(run);
  }

  /** It hangs no longer. */
  answer(): void {
    this.isHung = false;
    for (const run of this.#unanswered.splice(0)) this.#all.enqueue(run);
  }

  /** The same disk, in another life. */
  inheritFrom({ badReads, badWrites }: CutDisk): void {
    for (const sector of badReads) this.badReads.add(sector);
    for (const sector of badWrites) this.badWrites.add(sector);
  }

  #endBad(bio: Bio): void {
    bio.end(new HoldfastError("io", `${this.name} has bad sectors near ${bio.sector}`));
  }

  #read(bio: Bio): void {
    if (touches(this.badReads, bio)) {
      this.#endBad(bio);
      return;
    }
    const from = bio.sector * SECTOR_BYTES;
    bio.data.set(this.#content.subarray(from, from + bio.data.length));
    bio.end(null);
  }

  #write(bio: Bio): void {
    if (touches(this.badWrites, bio)) {
      this.#enqueue(() => this.#endBad(bio));
      return;
    }
    const write = { sector: bio.sector, data: bio.data.slice(), hasEnded: false, isOutdated: [] };
    const isFua = (bio.flags & BioFlags.fua) !== 0;
    this.#unflushed.push(write);
    this.#enqueue(() => {
      write.hasEnded = true;
      for (let i = 0; i < bio.sectors; i += 1) this.badReads.delete(write.sector + i);
      this.#content.set(write.data, write.sector * SECTOR_BYTES);
      if (isFua) this.#keep((one) => one === write);
      bio.end(null);
    });
  }

  #flush(bio: Bio): void {
    const covered = new Set(this.#unflushed.filter(({ hasEnded }) => hasEnded));
    this.#enqueue(() => {
      this.#keep((one) => covered.has(one));
      bio.end(null);
    });
  }

  #keep(isKept: (write: Unflushed) => boolean): void {
    this.#unflushed.forEach((write, index) => {
      if (!isKept(write)) return;
      this.#store(write, () => true);
      for (const older of this.#unflushed.slice(0, index)) outdate(older, write);
    });
    this.#unflushed = this.#unflushed.filter((write) => !isKept(write));
  }

  afterCut(prng: Prng): Uint8Array {
    const share = [0, 0.2, 0.5, 0.8, 1][prng.below(5)]!;
    const isTorn = prng.chance(0.5);
    for (const write of this.#unflushed) {
      let isThere = prng.chance(share);
      this.#store(write, (sector) => {
        if (isTorn && sector % this.#tornSectors === 0) isThere = prng.chance(share);
        return isThere;
      });
    }
    this.#unflushed = [];
    return this.#durable;
  }

  /** It was without power, and nothing that no flush has covered is left. */
  loseCache(): void {
    this.#unflushed = [];
    this.#content.set(this.#durable);
  }

  /** It was without power, and answers again. */
  comeBack(prng: Prng): void {
    this.#content.set(this.afterCut(prng));
    this.isGone = false;
  }

  #store({ sector, data, isOutdated }: Unflushed, isThere: (sector: number) => boolean): void {
    for (let i = 0; i * SECTOR_BYTES < data.length; i += 1) {
      if (!isThere(sector + i) || isOutdated[i] === true) continue;
      const bytes = data.subarray(i * SECTOR_BYTES, (i + 1) * SECTOR_BYTES);
      this.#durable.set(bytes, (sector + i) * SECTOR_BYTES);
    }
  }

  extents(sector: number, sectors: number): Extent[] {
    return [{ sector, sectors, kind: "data" }];
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

function touches(bad: ReadonlySet<number>, { sector, sectors }: Bio): boolean {
  if (bad.size === 0) return false;
  return [...bad].some((one) => one >= sector && one < sector + sectors);
}

function outdate(older: Unflushed, newer: Unflushed): void {
  const sectors = newer.data.length / SECTOR_BYTES;
  for (let i = 0; i * SECTOR_BYTES < older.data.length; i += 1) {
    const at = older.sector + i - newer.sector;
    if (at >= 0 && at < sectors) older.isOutdated[i] = true;
  }
}
