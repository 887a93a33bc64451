/**
 * However many requests there are, they make no more objects than are under way at a time: no bios, and nothing else that is
 * used again. Every bio that reaches the disks is looked at, and what the pools make is counted.
 */
import { describe, expect, it } from "vitest";
import { HoldfastError } from "../../src/base/errors.ts";
import { Prng } from "../../src/base/prng.ts";
import { SECTOR_BYTES } from "../../src/base/units.ts";
import { ByteDevice } from "../../src/block/bytes.ts";
import { checked } from "../../src/block/checked.ts";
import type { BlockDevice } from "../../src/block/device.ts";
import { pooledObjectsMade } from "../../src/block/pool.ts";
import { counted } from "../../src/block/stats.ts";
import { FileDevice } from "../../src/devices/file.ts";
import { OverlayDevice } from "../../src/devices/overlay.ts";
import { SliceDevice } from "../../src/devices/slice.ts";
import type { FileHandle } from "../../src/env/files.ts";
import type { MdShape } from "../../src/formats/md/superblock.ts";
import { MdArray } from "../../src/md/array.ts";
import { makePersonality } from "../../src/md/personalities/make.ts";
import { Slot, fixedView } from "../../src/md/slot.ts";
import { plainEngine } from "../../src/parity/engine.ts";
import { ArrayDevice } from "../support/array-device.ts";
import { randomBytes, sameBytes } from "../support/bytes.ts";
import { geometryOf, layOut, sectorsOf } from "../support/md-layout.ts";
import { seedOfRun } from "../support/seed.ts";
import { WatchedDisk, finishAll } from "../support/watched-disk.ts";

const SEED = seedOfRun();
const SECTORS = 4096;
const DEPTH = 8;
/** Of one read that are under way at a time. */
const PIECES = 16;
const ROUNDS = 200;

const MEMBER_SECTORS = SECTORS - 8;

/** @param wrap around every device */
function arrayOver(
  shape: MdShape,
  disks: readonly ArrayDevice[],
  wrap: (device: BlockDevice) => BlockDevice = (device) => device,
): BlockDevice {
  const slots = disks.map((disk, i) => {
    const counting = wrap(counted(wrap(disk)));
    const slice = wrap(new SliceDevice(counting, `slice ${i}`, 8, MEMBER_SECTORS));
    return new Slot(i, [fixedView(disk.name, slice, 0, Infinity, [])], false);
  });
  const geometry = geometryOf(shape, MEMBER_SECTORS);
  const endSector = geometry.arraySectors;
  const personality = makePersonality(geometry, slots, () => plainEngine, Infinity);
  return wrap(
    new MdArray({
      name: "array",
      sectors: endSector,
      regions: [{ endSector, personality }],
      optimalIoBytes: 0,
      logicalBlockBytes: 512,
    }),
  );
}

const SHAPES: readonly MdShape[] = [
  { level: "linear", layout: 0, chunkSectors: 0, raidDisks: 2 },
  { level: "raid0", layout: 0, chunkSectors: 64, raidDisks: 2 },
  { level: "raid1", layout: 0, chunkSectors: 0, raidDisks: 2 },
  { level: "raid10", layout: 0x102, chunkSectors: 64, raidDisks: 4 },
  { level: "raid4", layout: 0, chunkSectors: 64, raidDisks: 3 },
  { level: "raid5", layout: 2, chunkSectors: 64, raidDisks: 3 },
  { level: "raid6", layout: 2, chunkSectors: 64, raidDisks: 4 },
];

type Ended = (error: HoldfastError | null) => void;

/** So many requests at a time, round after round; those of a round are completed before the next one. */
function rounds(count: number, start: (end: Ended) => void, finish: () => void): number {
  let failed = 0;
  let ended = 0;
  const end: Ended = (error) => {
    ended += 1;
    if (error !== null) failed += 1;
  };
  for (let round = 0; round < count; round += 1) {
    for (let i = 0; i < DEPTH; i += 1) start(end);
    finish();
  }
  expect(ended).toBe(count * DEPTH);
  return failed;
}

describe.each(SHAPES)("reads of $level", (shape) => {
  it.each<[string, number, boolean]>([
    ["4 KiB", 4096, false],
    ["of many chunks", 256 * 1024, false],
    ["of 4 KiB, some of which fail", 4096, true],
  ])(`%s make no objects in the long run (seed ${SEED})`, (_name, bytes, areFailing) => {
    const prng = new Prng(SEED);
    const before = pooledObjectsMade();
    const disks = Array.from(
      { length: shape.raidDisks },
      (_unused, i) => new WatchedDisk(SECTORS, {}, `m${i}`),
    );
    if (areFailing)
      disks[0]!.fault = (bio) => (bio.sector % 3 === 0 ? new HoldfastError("io", "bad") : null);
    const device = new ByteDevice(arrayOver(shape, disks));
    const data = new Uint8Array(bytes);
    const places = Math.floor((device.sizeBytes - bytes) / SECTOR_BYTES);
    const failed = rounds(
      ROUNDS,
      (end) => device.read(prng.below(places) * SECTOR_BYTES, data, end),
      () => finishAll(disks, prng),
    );
    expect(failed > 0).toBe(areFailing && ["linear", "raid0"].includes(shape.level));
    let peaks = 0;
    for (const disk of disks) {
      expect(disk.bios.size).toBeLessThanOrEqual(disk.peak);
      peaks += disk.peak;
    }
    // A request has an object in ByteDevice and the array, a piece one in the personality, a bio of a disk one in slot, slice and counter.
    const most = DEPTH * (2 + PIECES) + 3 * peaks;
    expect(pooledObjectsMade() - before).toBeLessThanOrEqual(most);
    expect(most).toBeLessThan(ROUNDS * DEPTH);
  });
});

describe.each(SHAPES)("reads of $level, each submitted from the end of another one", (shape) => {
  it(`get the bytes they asked for, with every layer checked (seed ${SEED})`, () => {
    const prng = new Prng(SEED);
    const geometry = geometryOf(shape, MEMBER_SECTORS);
    const content = randomBytes(prng, geometry.arraySectors * SECTOR_BYTES);
    const hasSpare = !["linear", "raid0"].includes(shape.level);
    const disks = layOut(geometry, MEMBER_SECTORS, content).map((image, i) => {
      const disk = new ArrayDevice(SECTORS, {}, `m${i}`);
      disk.bytes.set(image, 8 * SECTOR_BYTES);
      disk.held = true;
      if (hasSpare && i === 0)
        disk.fault = (bio) => (bio.sector % 3 === 0 ? new HoldfastError("io", "bad") : null);
      return disk;
    });
    const device = new ByteDevice(arrayOver(shape, disks, checked));
    let left = 200;
    let right = 0;
    const next = (): void => {
      if (left === 0) return;
      left -= 1;
      const sectors = prng.pick([1, 8, 8, 8, 200]);
      const sector = prng.below(geometry.arraySectors - sectors);
      const data = new Uint8Array(sectors * SECTOR_BYTES);
      device.read(sector * SECTOR_BYTES, data, (error) => {
        if (error === null && sameBytes(data, sectorsOf(content, sector, sectors))) right += 1;
        next();
      });
    };
    for (let i = 0; i < DEPTH; i += 1) next();
    finishAll(disks, prng);
    expect(right).toBe(200);
  });
});

describe("a file", () => {
  it(`is read and written with as many objects as there are requests at a time (seed ${SEED})`, () => {
    const prng = new Prng(SEED);
    const waiting: (() => void)[] = [];
    const functions = new Set<unknown>();
    const ask = (
      data: Uint8Array,
      _offsetBytes: number,
      done: (error: Error | null, bytes: number) => void,
    ): void => {
      functions.add(done);
      waiting.push(() => done(prng.chance(0.2) ? new Error("broken") : null, data.length));
    };
    const file = { path: "disk.img", sizeBytes: 2 ** 20, read: ask, write: ask };
    const device = new ByteDevice(new FileDevice(file as unknown as FileHandle, false));
    const data = new Uint8Array(4096);
    const failed = rounds(
      ROUNDS,
      (end) => {
        const offset = prng.below(128) * SECTOR_BYTES;
        if (prng.chance(0.5)) device.read(offset, data, end);
        else device.write(offset, data, 0, end);
      },
      () => {
        for (const complete of prng.shuffle(waiting.splice(0))) complete();
      },
    );
    expect(failed).toBeGreaterThan(ROUNDS);
    expect(functions.size).toBe(DEPTH);
  });
});

describe("an overlay", () => {
  it(`reads and writes whole blocks with as many objects as there are requests at a time (seed ${SEED})`, () => {
    const prng = new Prng(SEED);
    const before = pooledObjectsMade();
    const base = new WatchedDisk(SECTORS, {}, "base");
    const store = new WatchedDisk(SECTORS, {}, "store");
    store.fault = (bio) => (bio.sector % 24 === 0 ? new HoldfastError("io", "bad") : null);
    const device = new ByteDevice(new OverlayDevice(base, store));
    const data = new Uint8Array(4096);
    const failed = rounds(
      ROUNDS,
      (end) => {
        const offset = prng.below(SECTORS / 8) * 4096;
        if (prng.chance(0.5)) device.read(offset, data, end);
        else device.write(offset, data, 0, end);
      },
      () => finishAll([base, store], prng),
    );
    expect(failed).toBeGreaterThan(ROUNDS);
    expect(base.bios.size).toBeLessThanOrEqual(DEPTH);
    // A bio for a read and one for a write.
    expect(store.bios.size).toBeLessThanOrEqual(2 * DEPTH);
    expect(base.seen.every((bio) => bio.op === "read")).toBe(true);
    // In ByteDevice, its lock, the overlay and its own lock; reads of the base and of the store have their own.
    expect(pooledObjectsMade() - before).toBeLessThanOrEqual(6 * DEPTH);
  });
});
