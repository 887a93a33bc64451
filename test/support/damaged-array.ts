/**
 * Arrays laid out on memory disks by the geometry and the plain parity code, and ways to damage them, for tests of what is read through loss.
 */
import type { SectorRange } from "../../src/base/units.ts";
import { SECTOR_BYTES } from "../../src/base/units.ts";
import type { Prng } from "../../src/base/prng.ts";
import { discard, writeSectors } from "../../src/block/promises.ts";
import { counted } from "../../src/block/stats.ts";
import type { DeviceStats } from "../../src/block/stats.ts";
import { FaultyDevice } from "../../src/devices/faulty.ts";
import { MemoryDevice } from "../../src/devices/memory.ts";
import type { MdShape } from "../../src/formats/md/superblock.ts";
import { MdArray } from "../../src/md/array.ts";
import { makeGeometry } from "../../src/md/geometry/geometry.ts";
import type { Geometry } from "../../src/md/geometry/geometry.ts";
import { makePersonality } from "../../src/md/personalities/make.ts";
import { Slot, fixedView } from "../../src/md/slot.ts";
import type { ParityEngine } from "../../src/parity/engine.ts";
import { generate } from "../../src/parity/parity.ts";

const DATA_OFFSET = 24;

export interface World {
  readonly componentSectors: number;
  readonly geometry: Geometry;
  readonly content: Uint8Array;
  /** By slot, what the member holds at its data offset. */
  readonly disks: readonly MemoryDevice[];
}

export async function makeWorld(
  shape: MdShape,
  prng: Prng,
  componentSectors: number,
): Promise<World> {
  const geometry = makeGeometry(shape, {
    componentSectors,
    memberSectors: Array.from({ length: shape.raidDisks }, () => componentSectors),
    raid0Layout: null,
  });
  const content = new Uint8Array(geometry.arraySectors * SECTOR_BYTES);
  prng.fill(content);
  const images = Array.from({ length: shape.raidDisks }, () => {
    const image = new Uint8Array(componentSectors * SECTOR_BYTES);
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
      new MemoryDevice({ name: `m${slot}`, sectors: DATA_OFFSET + componentSectors }),
  );
  for (const [slot, disk] of disks.entries()) await writeSectors(disk, DATA_OFFSET, images[slot]!);
  return { componentSectors, geometry, content, disks };
}

/** Makes rows of the array zero, and gives the storage of all that is zero on the members back. A chunk must be 4 KiB. */
export async function makeSparse(world: World, prng: Prng): Promise<void> {
  const { geometry, content, disks, componentSectors } = world;
  for (let row = 0; row < componentSectors / 8; row += 1) {
    if (prng.chance(0.6)) continue;
    for (const [slot, disk] of disks.entries()) {
      await discard(disk, DATA_OFFSET + row * 8, 8);
      const sector = "toVolume" in geometry ? geometry.toVolume(slot, row * 8) : null;
      if (typeof sector === "number")
        content.fill(0, sector * SECTOR_BYTES, (sector + 8) * SECTOR_BYTES);
    }
  }
}

function placesOf(
  geometry: Geometry,
  sector: number,
): readonly { slot: number; memberSector: number }[] {
  return "copies" in geometry ? geometry.copies(sector) : [geometry.locate(sector)];
}

/** Which member sectors cannot be had, and why: by slot. */
export interface Damage {
  readonly missing: ReadonlySet<number>;
  readonly recovered: readonly number[];
  readonly listedBad: readonly SectorRange[][];
  readonly failing: readonly SectorRange[][];
}

export function makeDamage(
  prng: Prng,
  { componentSectors, disks: { length: disks } }: World,
): Damage {
  const ranges = (most: number): SectorRange[] => {
    const found: SectorRange[] = [];
    let at = prng.below(20);
    for (let i = 0; i < most && at < componentSectors; i += 1) {
      const sectors = Math.min(prng.between(1, 12), componentSectors - at);
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
    recovered: perDisk(() => (prng.chance(0.15) ? prng.below(componentSectors) : Infinity)),
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
export function readable(geometry: Geometry, damage: Damage, sector: number): boolean {
  const places = placesOf(geometry, sector);
  if (places.some((place) => !lostAt(damage, place.slot, place.memberSector))) return true;
  if (!("rowLayout" in geometry)) return false;
  const { memberSector } = places[0]!;
  const lost = geometry
    .rowLayout(geometry.rowOfMemberSector(memberSector))
    .slots.filter((slot) => lostAt(damage, slot, memberSector));
  return lost.length <= geometry.raidDisks - geometry.dataDisks;
}

export interface DamagedArray {
  readonly array: MdArray;
  /** What reached the members, by slot; null for those that are missing. */
  readonly stats: readonly (DeviceStats | null)[];
}

/** @param alikeSectors as of makePersonality */
export function damagedArray(
  world: World,
  damage: Damage,
  engine: ParityEngine,
  alikeSectors = 0,
): DamagedArray {
  const stats: (DeviceStats | null)[] = [];
  const slots = world.disks.map((disk, slot) => {
    if (damage.missing.has(slot)) {
      stats.push(null);
      return new Slot(slot, [], false);
    }
    const faulty = new FaultyDevice(disk);
    for (const range of damage.failing[slot]!) faulty.failReads(range.sector, range.sectors);
    const device = counted(faulty);
    stats.push(device.stats);
    const view = fixedView(
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
  const array = new MdArray({
    name: "array",
    sectors: endSector,
    regions: [{ endSector, personality }],
    optimalIoBytes: 0,
    logicalBlockBytes: 512,
  });
  return { array, stats };
}
