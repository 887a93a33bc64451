/**
 * Power cuts at any moment of random writes to arrays with a journal, also while a journal is being replayed, with the loss of as many
 * members as the level bears at the same time: what was flushed is there, what was not being written is untouched, parity fits.
 */
import { describe, expect, it } from "vitest";
import { ArrayDevice } from "../../../../../../test/support/array-device.ts";
import { CrashDisks } from "../../../../../../test/support/crash-disks.ts";
import { seedOfRun } from "../../../../../../test/support/seed.ts";
import { VirtualTime } from "../../../../../../test/support/virtual-time.ts";
import { createOnDisks, runArray } from "../../../../../../test/support/written-array.ts";
import { Prng } from "../../../../../base/prng.ts";
import { BioFlags, flushBio, writeBio } from "../../../../../block/bio.ts";
import type { BioEnd } from "../../../../../block/bio.ts";
import { readSectors } from "../../../../../block/promises.ts";
import type { RunningArray } from "../../../array.ts";

const SECTOR = 512;
const DATA_OFFSET = 40;
const CHUNK = 16;
const ROWS = 8;
const SEED = seedOfRun();
/** Of each shape. */
const ARRAYS = 2;

const SHAPES = [
  { level: "raid5", disks: 3, layout: 2, bears: 1 },
  { level: "raid5", disks: 4, layout: 0, bears: 1 },
  { level: "raid4", disks: 4, layout: null, bears: 1 },
  { level: "raid6", disks: 4, layout: 2, bears: 2 },
  { level: "raid6", disks: 5, layout: 8, bears: 2 },
] as const;
type Shape = (typeof SHAPES)[number];

/** What is known of the volume at some moment. Versions go up with each write. */
interface Known {
  /** By sector: the least version that must be there. */
  readonly least: readonly number[];
  /** Versions that were written there after that one. */
  readonly later: readonly ReadonlySet<number>[];
}

interface Write {
  readonly version: number;
  readonly sector: number;
  readonly sectors: number;
  readonly isFua: boolean;
}

/** Writes and flushes of one life of an array, and when each was submitted and ended, in entries of the disks' log. */
interface History {
  readonly disks: CrashDisks;
  readonly writes: (Write & { readonly begun: number; ended: number })[];
  readonly flushes: { readonly begun: number; ended: number }[];
}

function stamp(data: Uint8Array, version: number): void {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  for (let at = 0; at < data.length; at += 4) view.setUint32(at, version, true);
}

/** By sector; -1: torn, or of two writes. */
function versionsIn(data: Uint8Array): number[] {
  const words = new Uint32Array(data.buffer, data.byteOffset, data.length / 4);
  return Array.from({ length: data.length / SECTOR }, (_unused, sector) => {
    const first = words[sector * 128]!;
    const isWhole = words.subarray(sector * 128, (sector + 1) * 128).every((one) => one === first);
    return isWhole ? first : -1;
  });
}

function imagesToDisks(images: readonly (Uint8Array | null)[]): ArrayDevice[] {
  return images.flatMap((image, index) => {
    if (image === null) return [];
    const device = new ArrayDevice(image.length / SECTOR, {}, `d${index}`);
    device.bytes.set(image);
    return [device];
  });
}

async function versionsOf(
  disks: readonly ArrayDevice[],
  mode: "read-only" | "read-write",
  force = false,
): Promise<number[]> {
  const array = await runArray(disks, new VirtualTime(), { mode, force });
  const data = await readSectors(array, 0, array.sectors);
  await array.close();
  return versionsIn(data);
}

/** However many steps without I/O lie between those with. */
async function pumped<T>(disks: CrashDisks, work: Promise<T>): Promise<T> {
  let isOver = false;
  const watched = work.finally(() => (isOver = true));
  while (!isOver) {
    await disks.pump();
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  return watched;
}

class Life {
  readonly history: History;
  readonly #prng: Prng;
  readonly #time = new VirtualTime();
  readonly #nextVersion: () => number;

  constructor(prng: Prng, images: readonly Uint8Array[], nextVersion: () => number) {
    this.#prng = prng;
    this.#nextVersion = nextVersion;
    this.history = { disks: new CrashDisks(images), writes: [], flushes: [] };
  }

  async live(steps: number): Promise<void> {
    const { disks } = this.history;
    const array = await pumped(disks, runArray(disks.disks, this.#time));
    for (let step = 0; step < steps; step += 1) {
      for (let burst = this.#prng.between(1, 5); burst > 0; burst -= 1) this.#write(array);
      if (this.#prng.chance(0.3)) this.#flush(array);
      if (this.#prng.chance(0.2)) this.#time.pass(1000);
      await disks.pump();
    }
    if (this.#prng.chance(0.3)) await pumped(disks, array.close());
  }

  #write(array: RunningArray): void {
    const { disks, writes } = this.history;
    const isFua = this.#prng.chance(0.1);
    const sectors = this.#prng.between(1, this.#prng.chance(0.2) ? 3 * CHUNK : 10);
    const sector = this.#prng.below(array.sectors - sectors + 1);
    const version = this.#nextVersion();
    const data = new Uint8Array(sectors * SECTOR);
    stamp(data, version);
    const write = { version, sector, sectors, isFua, begun: disks.log.length, ended: Infinity };
    writes.push(write);
    const end: BioEnd = (error) => {
      expect(error).toBeNull();
      write.ended = disks.log.length;
    };
    array.submit(writeBio(sector, data, isFua ? BioFlags.fua : BioFlags.none, end));
  }

  #flush(array: RunningArray): void {
    const { disks, flushes } = this.history;
    const flush = { begun: disks.log.length, ended: Infinity };
    flushes.push(flush);
    array.submit(flushBio(() => (flush.ended = disks.log.length)));
  }
}

/** What must and may be there after a cut right before that entry of the log. */
function knownAt({ writes, flushes }: History, before: readonly number[], cut: number): Known {
  const least = [...before];
  const later = before.map(() => new Set<number>());
  for (const { version, sector, sectors, isFua, begun, ended } of writes) {
    if (begun > cut) continue;
    const isDurable =
      (isFua && ended <= cut) ||
      flushes.some((flush) => flush.ended <= cut && ended <= flush.begun);
    for (let at = sector; at < sector + sectors; at += 1) {
      if (isDurable) least[at] = version;
      later[at]!.add(version);
    }
  }
  return { least, later };
}

function complaints(versions: readonly number[], { least, later }: Known): string[] {
  return versions.flatMap((version, sector) => {
    const must = least[sector]!;
    const isRight = version === must || (version > must && later[sector]!.has(version));
    return isRight ? [] : [`sector ${sector} has version ${version}, not ${must} or later`];
  });
}

/** What is on the disks: of writes that may be there or not, some, and some in part. */
function imagesAt(prng: Prng, { disks }: History, cut: number): Uint8Array[] {
  const { certain } = disks.at(cut);
  const images = disks.disks.map((disk) => disk.atFirst.slice());
  const share = prng.chance(0.5) ? 0.5 : prng.below(2);
  for (const entry of disks.log.slice(0, cut)) {
    if (entry.kind !== "write") continue;
    const isThere = certain.has(entry);
    if (!isThere && !prng.chance(share)) continue;
    const from = entry.sector * SECTOR;
    // Superblocks are taken for whole or not there at all, as everywhere.
    const isTorn = !isThere && entry.sector >= DATA_OFFSET && prng.chance(0.3);
    const kept = isTorn ? prng.below(entry.data.length / SECTOR) * SECTOR : entry.data.length;
    images[entry.disk]!.set(entry.data.subarray(0, kept), from);
  }
  return images;
}

/** Whatever member is missing, the same is read. */
async function parityComplaints(
  images: readonly Uint8Array[],
  { disks }: Shape,
): Promise<string[]> {
  const whole = await versionsOf(imagesToDisks(images), "read-only");
  const wrong: string[] = [];
  for (let lost = 0; lost < disks; lost += 1) {
    const left = images.map((image, index) => (index === lost ? null : image));
    const without = await versionsOf(imagesToDisks(left), "read-only");
    const sector = without.findIndex((version, at) => version !== whole[at]);
    if (sector !== -1) wrong.push(`sector ${sector} is another without member ${lost}`);
  }
  return wrong;
}

async function afterCrash(
  prng: Prng,
  shape: Shape,
  images: readonly Uint8Array[],
  known: Known,
): Promise<string[]> {
  const lost = new Set<number>();
  for (let left = prng.below(shape.bears + 1); left > 0; left -= 1)
    lost.add(prng.below(shape.disks));
  const disks = imagesToDisks(images.map((image, index) => (lost.has(index) ? null : image)));
  const shown = await versionsOf(disks, "read-only");
  const wrong = complaints(shown, known).map((text) => `read-only: ${text}`);
  const versions = await versionsOf(disks, "read-write");
  wrong.push(...complaints(versions, known));
  if (versions.some((version, at) => version !== shown[at]))
    wrong.push("what was shown is not what was replayed");
  if (lost.size === 0)
    wrong.push(
      ...(await parityComplaints(
        disks.map(({ bytes }) => bytes),
        shape,
      )),
    );
  return wrong.map((text) => `without ${[...lost].join() || "nobody"}: ${text}`);
}

/** Without the journal, by force: what was flushed is on the members. */
async function withoutJournal(images: readonly Uint8Array[], known: Known): Promise<string[]> {
  const disks = imagesToDisks(images.slice(0, -1));
  const versions = await versionsOf(disks, "read-only", true);
  return complaints(versions, known).map((text) => `without the journal: ${text}`);
}

function newImages(prng: Prng, shape: Shape, ringSectors: number): Uint8Array[] {
  const { level, layout, disks } = shape;
  const request = {
    level,
    layout,
    chunkSectors: CHUNK,
    dataOffsetSectors: DATA_OFFSET,
    assumeClean: true,
  } as const;
  const sectors = DATA_OFFSET + ROWS * CHUNK;
  const devices = createOnDisks(prng, disks, sectors, request, DATA_OFFSET + ringSectors);
  return devices.map(({ bytes }) => bytes);
}

/** Lives of an array that all end in a crash; each is cut in many places, and one of these is where the next begins. */
async function lives(prng: Prng, shape: Shape): Promise<string[]> {
  let version = 0;
  // The least that a ring may have, or more: then it goes round seldom.
  const ringSectors = 8 * (4 * (shape.disks + 1) + prng.below(60));
  let images = newImages(prng, shape, ringSectors);
  let before = Array.from({ length: ROWS * CHUNK * (shape.disks - shape.bears) }, () => 0);
  const wrong: string[] = [];
  for (let life = 0; life < 3; life += 1) {
    const one = new Life(prng, images, () => (version += 1));
    await one.live(6);
    const { history } = one;
    for (let cuts = 0; cuts < 12; cuts += 1) {
      const cut = prng.below(history.disks.log.length + 1);
      images = imagesAt(prng, history, cut);
      const known = knownAt(history, before, cut);
      const found = await afterCrash(prng, shape, images, known);
      // What an earlier life left may be in the journal only, and was flushed by nobody.
      if (life === 0) found.push(...(await withoutJournal(images, known)));
      wrong.push(...found.map((text) => `life ${life}, cut ${cut}: ${text}`));
    }
    before = await versionsOf(imagesToDisks(images), "read-only");
  }
  return wrong;
}

describe(`an array with a journal that loses power at any moment, seed ${SEED}`, () => {
  it.each(SHAPES)(
    "$level of $disks",
    async (shape) => {
      const prng = new Prng(SEED + SHAPES.indexOf(shape));
      for (let array = 0; array < ARRAYS; array += 1) {
        const wrong = await lives(prng, shape);
        expect(wrong.slice(0, 5)).toEqual([]);
      }
    },
    60_000,
  );
});
