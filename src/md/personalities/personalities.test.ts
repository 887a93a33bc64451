/**
 * Reading through loss: arrays of every level are laid out on memory disks by the geometry and the plain parity code, then members
 * are taken away, listed bad or made to fail in random places. A read must give the right bytes exactly when
 * enough is left of every sector, and an error otherwise; wrong bytes never.
 */
import { describe, expect, it } from "vitest";
import { seedOfRun } from "../../../test/support/seed.ts";
import { Arena } from "../../base/arena.ts";
import { Prng } from "../../base/prng.ts";
import type { HoldfastError } from "../../base/errors.ts";
import { SECTOR_BYTES } from "../../base/units.ts";
import type { SectorRange } from "../../base/units.ts";
import { readInto, writeSectors } from "../../block/promises.ts";
import { FaultyDevice } from "../../devices/faulty.ts";
import { MemoryDevice } from "../../devices/memory.ts";
import type { MdShape } from "../../formats/md/superblock.ts";
import { createParityKernels } from "../../parity/create.ts";
import { plainEngine } from "../../parity/engine.ts";
import type { ParityEngine } from "../../parity/engine.ts";
import { generate } from "../../parity/parity.ts";
import { MdArray } from "../array.ts";
import { makeGeometry } from "../geometry/geometry.ts";
import type { Geometry } from "../geometry/geometry.ts";
import { MemberView, Slot } from "../slot.ts";
import { makePersonality } from "./make.ts";

const COMPONENT_SECTORS = 96;
const DATA_OFFSET = 24;

const SHAPES: readonly MdShape[] = [
  { level: "linear", layout: 0, chunkSectors: 0, raidDisks: 3 },
  { level: "raid0", layout: 0, chunkSectors: 8, raidDisks: 3 },
  { level: "raid1", layout: 0, chunkSectors: 0, raidDisks: 3 },
  { level: "raid4", layout: 0, chunkSectors: 8, raidDisks: 4 },
  { level: "raid5", layout: 2, chunkSectors: 16, raidDisks: 4 },
  { level: "raid6", layout: 2, chunkSectors: 16, raidDisks: 5 },
  { level: "raid6", layout: 10, chunkSectors: 8, raidDisks: 5 },
  { level: "raid6", layout: 18, chunkSectors: 8, raidDisks: 4 },
  { level: "raid10", layout: 0x102, chunkSectors: 8, raidDisks: 5 },
  { level: "raid10", layout: 0x201, chunkSectors: 8, raidDisks: 4 },
  { level: "raid10", layout: 0x10301, chunkSectors: 8, raidDisks: 4 },
];

interface World {
  readonly geometry: Geometry;
  readonly content: Uint8Array;
  /** By slot, what the member holds at its data offset. */
  readonly disks: readonly MemoryDevice[];
}

async function makeWorld(shape: MdShape, prng: Prng): Promise<World> {
  const geometry = makeGeometry(shape, {
    componentSectors: COMPONENT_SECTORS,
    memberSectors: Array.from({ length: shape.raidDisks }, () => COMPONENT_SECTORS),
    raid0Layout: null,
  });
  const content = new Uint8Array(geometry.arraySectors * SECTOR_BYTES);
  prng.fill(content);
  const images = Array.from({ length: shape.raidDisks }, () => {
    const image = new Uint8Array(COMPONENT_SECTORS * SECTOR_BYTES);
    prng.fill(image);
    return image;
  });
  for (let sector = 0; sector < geometry.arraySectors; sector += 1) {
    const data = content.subarray(sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES);
    for (const place of placesOf(geometry, sector)) {
      images[place.slot]!.set(data, place.memberSector * SECTOR_BYTES);
    }
  }
  if ("rowLayout" in geometry) {
    const rowBytes = geometry.chunkSectors * SECTOR_BYTES;
    for (let row = 0; row * rowBytes < geometry.usedSectors * SECTOR_BYTES; row += 1) {
      const blocks = images.map((image, slot): [number, Uint8Array] => [
        slot,
        image.subarray(row * rowBytes, (row + 1) * rowBytes),
      ]);
      generate(geometry.rowLayout(row), new Map(blocks));
    }
  }
  const disks = images.map(
    (_image, slot) =>
      new MemoryDevice({ name: `m${slot}`, sectors: DATA_OFFSET + COMPONENT_SECTORS }),
  );
  for (const [slot, disk] of disks.entries()) await writeSectors(disk, DATA_OFFSET, images[slot]!);
  return { geometry, content, disks };
}

function placesOf(
  geometry: Geometry,
  sector: number,
): readonly { slot: number; memberSector: number }[] {
  return "copies" in geometry ? geometry.copies(sector) : [geometry.locate(sector)];
}

/** Which member sectors cannot be had, and why: by slot. */
interface Damage {
  readonly missing: ReadonlySet<number>;
  readonly recovered: readonly number[];
  readonly listedBad: readonly SectorRange[][];
  readonly failing: readonly SectorRange[][];
}

function makeDamage(prng: Prng, disks: number): Damage {
  const ranges = (most: number): SectorRange[] => {
    const found: SectorRange[] = [];
    let at = prng.below(20);
    for (let i = 0; i < most && at < COMPONENT_SECTORS; i += 1) {
      const sectors = Math.min(prng.between(1, 12), COMPONENT_SECTORS - at);
      found.push({ sector: DATA_OFFSET + at, sectors });
      at += sectors + prng.between(1, 40);
    }
    return found;
  };
  const perDisk = <T>(make: () => T): T[] => Array.from({ length: disks }, make);
  const missing = new Set<number>();
  while (prng.chance(0.4) && missing.size < disks) missing.add(prng.below(disks));
  return {
    missing,
    recovered: perDisk(() => (prng.chance(0.15) ? prng.below(COMPONENT_SECTORS) : Infinity)),
    listedBad: perDisk(() => (prng.chance(0.3) ? ranges(3) : [])),
    failing: perDisk(() => (prng.chance(0.4) ? ranges(3) : [])),
  };
}

function inside(ranges: readonly SectorRange[], deviceSector: number): boolean {
  return ranges.some(
    (one) => deviceSector >= one.sector && deviceSector < one.sector + one.sectors,
  );
}

function lostAt(damage: Damage, slot: number, memberSector: number): boolean {
  const deviceSector = DATA_OFFSET + memberSector;
  return (
    damage.missing.has(slot) ||
    memberSector >= damage.recovered[slot]! ||
    inside(damage.listedBad[slot]!, deviceSector) ||
    inside(damage.failing[slot]!, deviceSector)
  );
}

/** The definition of what can be read, sector by sector, without any of the code under test. */
function readable(geometry: Geometry, damage: Damage, sector: number): boolean {
  const places = placesOf(geometry, sector);
  if (places.some((place) => !lostAt(damage, place.slot, place.memberSector))) return true;
  if (!("rowLayout" in geometry)) return false;
  const { memberSector } = places[0]!;
  const lost = geometry
    .rowLayout(geometry.rowOfMemberSector(memberSector))
    .slots.filter((slot) => lostAt(damage, slot, memberSector));
  return lost.length <= geometry.raidDisks - geometry.dataDisks;
}

function arrayOf(
  world: World,
  damage: Damage,
  engine: ParityEngine,
  alikeSectors: number,
): MdArray {
  const slots = world.disks.map((disk, slot) => {
    if (damage.missing.has(slot)) return new Slot(slot, [], false);
    const device = new FaultyDevice(disk);
    for (const range of damage.failing[slot]!) device.failReads(range.sector, range.sectors);
    const view = new MemberView(
      disk.name,
      device,
      DATA_OFFSET,
      damage.recovered[slot]!,
      damage.listedBad[slot]!,
    );
    return new Slot(slot, [view], slot === 0);
  });
  const endSector = world.geometry.arraySectors;
  const personality = makePersonality(world.geometry, slots, () => engine, alikeSectors);
  return new MdArray({
    name: "array",
    sectors: endSector,
    regions: [{ endSector, personality }],
    optimalIoBytes: 0,
    logicalBlockBytes: 512,
  });
}

const arena = new Arena(16 * 1024 * 1024);
/** Four buffers and it is full. */
const tightArena = new Arena(128 * 1024);
tightArena.take(32 * 1024);
tightArena.take(16 * 1024);
const ENGINES: readonly ParityEngine[] = [
  plainEngine,
  { arena, kernels: createParityKernels(arena) },
  { arena: tightArena, kernels: createParityKernels(tightArena) },
];

const ROUNDS = 40;
const seed = seedOfRun();

describe.each(SHAPES)("$level of $raidDisks, layout $layout", (shape) => {
  it(`reads what is left and invents nothing (seed ${seed})`, async () => {
    const prng = new Prng(seed);
    const world = await makeWorld(shape, prng);
    let right = 0;
    let refused = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      const damage = makeDamage(prng, shape.raidDisks);
      const alike = prng.pick([0, prng.below(world.geometry.arraySectors), Infinity]);
      const array = arrayOf(world, damage, ENGINES[round % ENGINES.length]!, alike);
      const sectors = array.sectors;
      const canRead = Array.from({ length: sectors }, (_unused, sector) =>
        readable(world.geometry, damage, sector),
      );
      for (let i = 0; i < 12; i += 1) {
        const start = i === 0 ? 0 : prng.below(sectors);
        const count = i === 0 ? sectors : prng.between(1, Math.min(40, sectors - start));
        const data = new Uint8Array(count * SECTOR_BYTES);
        const outcome = await readInto(array, start, data).then(
          () => "read" as const,
          (error: unknown) => error,
        );
        const expected = canRead.slice(start, start + count).every(Boolean);
        const place = `round ${round}, sectors ${start}+${count}`;
        if (expected) {
          expect(outcome, place).toBe("read");
          const wanted = world.content.subarray(
            start * SECTOR_BYTES,
            (start + count) * SECTOR_BYTES,
          );
          expect(Buffer.compare(data, wanted), place).toBe(0);
          right += 1;
        } else {
          // Without redundancy it is the member's own error that is passed on.
          expect(["data-lost", "io"], place).toContain((outcome as HoldfastError).code);
          refused += 1;
        }
      }
      await array.close();
    }
    // Both outcomes must have been tried, or the test says nothing.
    expect(right).toBeGreaterThan(20);
    expect(refused).toBeGreaterThan(20);
  });
});

describe("the buffers of rebuilding", () => {
  it("come from the arena while it has room, and all go back", () => {
    expect(arena.counters()).toMatchObject({ buffers: 0, refusals: 0 });
    expect(arena.counters().peakBytes).toBeGreaterThan(0);
    expect(tightArena.counters().buffers).toBe(2);
    expect(tightArena.counters().refusals).toBeGreaterThan(0);
  });
});
