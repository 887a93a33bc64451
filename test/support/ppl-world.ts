/** A raid5 with a partial parity log on disks that can lose power, its histories, and what may be found after a cut. */
import type { Prng } from "../../src/base/prng.ts";
import type { HoldfastError } from "../../src/base/errors.ts";
import { SECTOR_BYTES } from "../../src/base/units.ts";
import { BioFlags, flushBio, writeBio } from "../../src/block/bio.ts";
import type { Bio } from "../../src/block/bio.ts";
import type { BlockDevice, BlockLimits, Extent } from "../../src/block/device.ts";
import { fanOut } from "../../src/block/fan-out.ts";
import { readSectors } from "../../src/block/promises.ts";
import type { MdShape } from "../../src/formats/md/superblock.ts";
import { StripeGeometry } from "../../src/md/geometry/raid456.ts";
import type { RunningArray } from "../../src/md/running/array.ts";
import { makeLevel } from "../../src/md/running/levels/make.ts";
import { generate } from "../../src/parity/parity.ts";
import { ArrayDevice } from "./array-device.ts";
import { sameBytes } from "./bytes.ts";
import { CrashDisks } from "./crash-disks.ts";
import { geometryOf, layOut } from "./md-layout.ts";
import { LOG_SECTOR, memberImage, planFor, runPlan } from "./running-array.ts";
import { VirtualTime } from "./virtual-time.ts";

export const SHAPE: MdShape = { level: "raid5", layout: 2, chunkSectors: 16, raidDisks: 4 };
export const COMPONENT = 64;
const ROLES = [0, 1, 2, 3];

function stripes(): StripeGeometry {
  const geometry = geometryOf(SHAPE, COMPONENT);
  if (!(geometry instanceof StripeGeometry)) throw new Error("raid5 has stripes");
  return geometry;
}

export const GEOMETRY = stripes();

/** Every sector tells which version of which sector it is. */
function sectorOf(sector: number, version: number): Uint8Array {
  const words = new Uint32Array(SECTOR_BYTES / 4).fill(version * 65536 + sector);
  return new Uint8Array(words.buffer);
}

function contentsOf(sector: number, sectors: number, version: number): Uint8Array {
  const data = new Uint8Array(sectors * SECTOR_BYTES);
  for (let i = 0; i < sectors; i += 1) data.set(sectorOf(sector + i, version), i * SECTOR_BYTES);
  return data;
}

/** New members, in sync, with version 0 everywhere. */
export function newImages(pplSectors: number, resyncOffset?: bigint): Uint8Array[] {
  const datas = layOut(GEOMETRY, COMPONENT, contentsOf(0, GEOMETRY.arraySectors, 0));
  return datas.map((data, number) =>
    memberImage({
      shape: SHAPE,
      number,
      roles: ROLES,
      component: COMPONENT,
      pplSectors,
      data,
      ...(resyncOffset === undefined ? {} : { resyncOffset }),
    }),
  );
}

/** Passes writes on in pieces of 4 KiB, each of which may be lost alone. */
class TearingDisk implements BlockDevice {
  readonly #disk: BlockDevice;

  constructor(disk: BlockDevice) {
    this.#disk = disk;
  }

  get name(): string {
    return this.#disk.name;
  }

  get sectors(): number {
    return this.#disk.sectors;
  }

  get limits(): BlockLimits {
    return this.#disk.limits;
  }

  submit(bio: Bio): void {
    if (bio.op !== "write" || bio.sectors <= 8) {
      this.#disk.submit(bio);
      return;
    }
    const pieces = Math.ceil(bio.sectors / 8);
    const part = fanOut(pieces, bio.end);
    for (let at = 0; at < bio.sectors; at += 8) {
      const data = bio.data.subarray(at * SECTOR_BYTES, (at + 8) * SECTOR_BYTES);
      this.#disk.submit(writeBio(bio.sector + at, data, bio.flags, part));
    }
  }

  extents(sector: number, sectors: number): Extent[] {
    return this.#disk.extents(sector, sectors, 1);
  }

  close(): Promise<void> {
    return this.#disk.close();
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

  async start(): Promise<void> {
    const devices = this.disks.disks.map((disk) => new TearingDisk(disk));
    const images = this.disks.disks.map(({ atFirst }) => atFirst);
    const plan = planFor(devices, images);
    const running = runPlan(plan, this.time, { mode: "read-write", makeLevel });
    await this.disks.pump();
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

  async random(prng: Prng, steps: number): Promise<void> {
    for (let step = 0; step < steps; step += 1) {
      for (let left = prng.between(1, 4); left > 0; left -= 1) {
        const sectors = prng.chance(0.3) ? prng.between(20, 60) : prng.between(1, 16);
        const sector = prng.below(GEOMETRY.arraySectors - sectors + 1);
        this.write(sector, sectors, prng.chance(0.2));
      }
      if (prng.chance(0.3)) this.flush();
      await this.disks.pumpSome(prng.below(24));
    }
    await this.disks.pump();
  }

  /** By volume sector: the versions that may be there. */
  allowed(cut: number): Set<number>[] {
    const isDurable = ({ ended, isFua }: Version): boolean =>
      ended <= cut && (isFua || this.#flushes.some((one) => one.from >= ended && one.ended <= cut));
    const allowed = Array.from({ length: GEOMETRY.arraySectors }, () => new Set([0]));
    for (const one of this.writes) {
      if (one.from > cut) continue;
      for (let at = one.sector; at < one.sector + one.sectors; at += 1) {
        if (isDurable(one)) allowed[at]!.clear();
        allowed[at]!.add(one.version);
      }
    }
    return allowed;
  }
}

export interface Found {
  readonly complaints: readonly string[];
  /** Nobody has to be synced, although there were entries to replay. */
  readonly isMended: boolean;
}

/** Assembles what is left, for reading and then for writing, and says what is wrong. */
export async function assembleAfter(
  history: History,
  cut: number,
  images: readonly (Uint8Array | null)[],
): Promise<Found> {
  const left = images.flatMap((image, slot) => (image === null ? [] : [{ image, slot }]));
  const devices = left.map(({ image, slot }) => {
    const device = new ArrayDevice(image.length / SECTOR_BYTES, {}, `disk${slot}`);
    device.bytes.set(image);
    return device;
  });
  const plan = planFor(
    devices,
    left.map(({ image }) => image),
  );
  if (plan.verdict.kind !== "can-start")
    return { complaints: [`does not start: ${plan.verdict.reason}`], isMended: false };
  const present = new Set(plan.slots.flatMap(({ member }, slot) => (member === null ? [] : slot)));
  const reader = await runPlan(plan, new VirtualTime(), { mode: "read-only", makeLevel });
  const read = await readSectors(reader, 0, reader.sectors);
  const complaints: string[] = [];
  if (!devices.every(({ bytes }, i) => sameBytes(bytes, left[i]!.image)))
    complaints.push("something was written to a read-only array");
  complaints.push(...wrongSectors(history, cut, read, present));
  const array = await runPlan(plan, new VirtualTime(), { mode: "read-write", makeLevel });
  if (!sameBytes(await readSectors(array, 0, array.sectors), read))
    complaints.push("reads differently once it is writable");
  const isClean = array.record.resyncOffsetSectors === Infinity;
  if (isClean && present.size === SHAPE.raidDisks)
    complaints.push(...wrongRows(devices.map(({ bytes }) => bytes)));
  const wasClean = plan.superblock.resyncOffsetSectors === Infinity;
  return { complaints, isMended: isClean && !wasClean };
}

/** What a missing member was to get, and was not promised to have, may be neither old nor new: no log can tell. */
function wrongSectors(
  history: History,
  cut: number,
  read: Uint8Array,
  present: ReadonlySet<number>,
): string[] {
  const wrong: string[] = [];
  for (const [sector, allowed] of history.allowed(cut).entries()) {
    const { slot } = GEOMETRY.locate(sector);
    if (allowed.size > 1 && !present.has(slot)) continue;
    const bytes = read.subarray(sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES);
    const isAllowed = [...allowed].some((version) => sameBytes(bytes, sectorOf(sector, version)));
    if (!isAllowed) wrong.push(`sector ${sector} is none of versions ${[...allowed].join()}`);
  }
  return wrong;
}

/** Rows whose parity does not fit, of all members. */
function wrongRows(images: readonly Uint8Array[]): string[] {
  const wrong: string[] = [];
  const dataOf = (image: Uint8Array): number => image.length - COMPONENT * SECTOR_BYTES;
  for (let row = 0; row * SHAPE.chunkSectors < COMPONENT; row += 1) {
    const layout = GEOMETRY.rowLayout(row);
    const chunk = SHAPE.chunkSectors * SECTOR_BYTES;
    const blocks = new Map(
      images.map((image, slot): [number, Uint8Array] => {
        const from = dataOf(image) + row * chunk;
        return [slot, image.slice(from, from + chunk)];
      }),
    );
    const before = blocks.get(layout.p)!.slice();
    generate(layout, blocks);
    if (!sameBytes(before, blocks.get(layout.p)!)) wrong.push(`the parity of row ${row} is wrong`);
  }
  return wrong;
}

/** Where the partial parity log of a member starts, sectors. */
export const PPL_SECTOR = LOG_SECTOR;
