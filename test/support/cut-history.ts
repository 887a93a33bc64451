/**
 * Writes to a running array until the power fails: what was submitted when, what was promised, and so what every sector may hold after a
 * cut. Volumes of at most 65536 sectors.
 */
import type { Prng } from "../../src/base/prng.ts";
import type { HoldfastError } from "../../src/base/errors.ts";
import { SECTOR_BYTES } from "../../src/base/units.ts";
import { BioFlags, flushBio, writeBio } from "../../src/block/bio.ts";
import type { Bio } from "../../src/block/bio.ts";
import { fanOut } from "../../src/block/fan-out.ts";
import { DeviceOver } from "../../src/block/over.ts";
import type { RunningArray } from "../../src/md/running/array.ts";
import { sameBytes } from "./bytes.ts";
import { CrashDisks } from "./crash-disks.ts";
import { VirtualTime } from "./virtual-time.ts";

/** Every sector tells which version of which sector it is. */
function sectorOf(sector: number, version: number): Uint8Array {
  const words = new Uint32Array(SECTOR_BYTES / 4).fill(version * 65536 + sector);
  return new Uint8Array(words.buffer);
}

export function contentsOf(sector: number, sectors: number, version: number): Uint8Array {
  const data = new Uint8Array(sectors * SECTOR_BYTES);
  for (let i = 0; i < sectors; i += 1) data.set(sectorOf(sector + i, version), i * SECTOR_BYTES);
  return data;
}

/** Passes writes on in pieces of 4 KiB, each of which may be lost alone. */
export class TearingDisk extends DeviceOver {
  submit(bio: Bio): void {
    if (bio.op !== "write" || bio.sectors <= 8) {
      this.inner.submit(bio);
      return;
    }
    const pieces = Math.ceil(bio.sectors / 8);
    const part = fanOut(pieces, bio.end);
    for (let at = 0; at < bio.sectors; at += 8) {
      const data = bio.data.subarray(at * SECTOR_BYTES, (at + 8) * SECTOR_BYTES);
      this.inner.submit(writeBio(bio.sector + at, data, bio.flags, part));
    }
  }
}

interface Version {
  readonly version: number;
  readonly sector: number;
  readonly sectors: number;
  readonly isFua: boolean;
  /** Positions in the disks' log. */
  readonly from: number;
  ended: number;
}

/** One run of an array, until the power fails. */
export class History {
  readonly disks: CrashDisks;
  readonly time = new VirtualTime();
  readonly writes: Version[] = [];
  readonly #flushes: { readonly from: number; ended: number }[] = [];
  readonly errors: HoldfastError[] = [];
  array!: RunningArray;

  constructor(images: readonly Uint8Array[]) {
    this.disks = new CrashDisks(images);
  }

  async start(
    run: (devices: readonly TearingDisk[], time: VirtualTime) => Promise<RunningArray>,
  ): Promise<void> {
    const devices = this.disks.disks.map((disk) => new TearingDisk(disk));
    let isRunning = false;
    const running = run(devices, this.time).finally(() => (isRunning = true));
    while (!isRunning) await this.disks.pump();
    this.array = await running;
  }

  /** Skipped where it would meet one that is under way: the order of these is nobody's promise. */
  write(sector: number, sectors: number, isFua: boolean): void {
    const isBusy = this.writes.some(
      (one) =>
        one.ended === Infinity &&
        one.sector < sector + sectors &&
        sector < one.sector + one.sectors,
    );
    if (isBusy) return;
    const version = this.writes.length + 1;
    const from = this.disks.log.length;
    const one: Version = { version, sector, sectors, isFua, from, ended: Infinity };
    this.writes.push(one);
    const data = contentsOf(sector, sectors, version);
    const flags = isFua ? BioFlags.fua : BioFlags.none;
    const end: Bio["end"] = (error) => {
      if (error === null) one.ended = this.disks.log.length;
      else this.errors.push(error);
    };
    this.array.submit(writeBio(sector, data, flags, end));
  }

  flush(): void {
    const one = { from: this.disks.log.length, ended: Infinity };
    this.#flushes.push(one);
    this.array.submit(
      flushBio((error) => {
        if (error === null) one.ended = this.disks.log.length;
      }),
    );
  }

  async random(prng: Prng, steps: number, longest = 60): Promise<void> {
    for (let step = 0; step < steps; step += 1) {
      for (let left = prng.between(1, 4); left > 0; left -= 1) {
        const sectors = prng.chance(0.3) ? prng.between(20, longest) : prng.between(1, 16);
        const sector = prng.below(this.array.sectors - sectors + 1);
        this.write(sector, sectors, prng.chance(0.2));
      }
      if (prng.chance(0.3)) this.flush();
      await this.disks.pumpSome(prng.below(24));
    }
  }

  /** By volume sector: the versions that may be there. */
  allowed(cut: number): Set<number>[] {
    const isDurable = ({ ended, isFua }: Version): boolean =>
      ended <= cut && (isFua || this.#flushes.some((one) => one.from >= ended && one.ended <= cut));
    const allowed = Array.from({ length: this.array.sectors }, () => new Set([0]));
    for (const one of this.writes) {
      if (one.from > cut) continue;
      for (let at = one.sector; at < one.sector + one.sectors; at += 1) {
        if (isDurable(one)) allowed[at]!.clear();
        allowed[at]!.add(one.version);
      }
    }
    return allowed;
  }

  /** Sectors of what was read that hold what they cannot. @param isJudged of a sector of which several versions may be there */
  wrongSectors(cut: number, read: Uint8Array, isJudged: (sector: number) => boolean): string[] {
    const wrong: string[] = [];
    for (const [sector, allowed] of this.allowed(cut).entries()) {
      if (allowed.size > 1 && !isJudged(sector)) continue;
      const bytes = read.subarray(sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES);
      const isAllowed = [...allowed].some((version) => sameBytes(bytes, sectorOf(sector, version)));
      if (!isAllowed) wrong.push(`sector ${sector} is none of versions ${[...allowed].join()}`);
    }
    return wrong;
  }
}
