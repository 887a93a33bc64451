/** Sets laid out in memory by the geometry code, for tests of reading: content in, member images and a plan out. */
import { Prng } from "../../src/base/prng.ts";
import { SECTOR_BYTES } from "../../src/base/units.ts";
import type { BlockDevice } from "../../src/block/device.ts";
import { writeSectors } from "../../src/block/promises.ts";
import { MemoryDevice } from "../../src/devices/memory.ts";
import type { MdRole, MdShape, MdSuperblock } from "../../src/formats/md/superblock.ts";
import { MD_LEVEL_BY_NUMBER } from "../../src/formats/md/superblock.ts";
import { makeGeometry } from "../../src/md/geometry/geometry.ts";
import type { Geometry } from "../../src/md/geometry/geometry.ts";
import { planAssembly } from "../../src/md/plan.ts";
import type { AssemblyPlan, PlanOptions } from "../../src/md/plan.ts";
import { startArray } from "../../src/md/start.ts";
import type { StartedArray } from "../../src/md/start.ts";
import { generate } from "../../src/parity/parity.ts";
import { active, superblockOf } from "./md-superblock.ts";

export function bytesOf(seed: number, sectors: number): Uint8Array {
  const data = new Uint8Array(sectors * SECTOR_BYTES);
  new Prng(seed).fill(data);
  return data;
}

export function sectorsOf(data: Uint8Array, sector: number, sectors: number): Uint8Array {
  return data.subarray(sector * SECTOR_BYTES, (sector + sectors) * SECTOR_BYTES);
}

export function geometryOf(shape: MdShape, componentSectors: number): Geometry {
  return makeGeometry(shape, {
    componentSectors,
    memberSectors: Array.from({ length: shape.raidDisks }, () => componentSectors),
    raid0Layout: null,
  });
}

/**
 * What the members hold: `content` from volume sector `from` up to `to`, chance elsewhere, parity that fits both.
 * @returns by slot, `componentSectors` long
 */
export function layOut(
  geometry: Geometry,
  componentSectors: number,
  content: Uint8Array,
  { from = 0, to = geometry.arraySectors, seed = 1 } = {},
): Uint8Array[] {
  const images = Array.from({ length: geometry.raidDisks }, (_unused, slot) =>
    bytesOf(seed * 1000 + slot, componentSectors),
  );
  for (let sector = 0; sector < geometry.arraySectors; sector += 1) {
    const isOurs = sector >= from && sector < to;
    // Copies agree outside the range, too.
    const data = isOurs ? sectorsOf(content, sector, 1) : bytesOf(seed + sector, 1);
    const places = "copies" in geometry ? geometry.copies(sector) : [geometry.locate(sector)];
    for (const { slot, memberSector } of places)
      images[slot]!.set(data, memberSector * SECTOR_BYTES);
  }
  if ("rowLayout" in geometry) {
    const { chunkSectors } = geometry;
    for (let row = 0; (row + 1) * chunkSectors <= geometry.usedSectors; row += 1) {
      const blocks = images.map((image, slot): [number, Uint8Array] => [
        slot,
        sectorsOf(image, row * chunkSectors, chunkSectors),
      ]);
      generate(geometry.rowLayout(row), new Map(blocks));
    }
  }
  return images;
}

/** A device of `sectors` sectors that holds the parts. */
export async function diskOf(
  name: string,
  sectors: number,
  parts: readonly { readonly sector: number; readonly data: Uint8Array }[],
): Promise<MemoryDevice> {
  const disk = new MemoryDevice({ name, sectors });
  for (const { sector, data } of parts) await writeSectors(disk, sector, data);
  return disk;
}

function levelNumberOf(shape: MdShape): number {
  for (const [number, level] of MD_LEVEL_BY_NUMBER) if (level === shape.level) return number;
  throw new Error(`no number for ${shape.level}`);
}

/** The superblock of a member of an array of that shape in which everybody knows everybody. */
export function memberOf(
  shape: MdShape,
  slot: number,
  changes: Partial<MdSuperblock> = {},
): MdSuperblock {
  const roles = Array.from({ length: shape.raidDisks }, (_unused, one): MdRole => active(one));
  return superblockOf(slot, { shape, levelNumber: levelNumberOf(shape), roles, ...changes });
}

export interface TestMember {
  readonly device: BlockDevice;
  readonly superblock: MdSuperblock;
}

export function planOf(
  members: readonly TestMember[],
  options: Partial<PlanOptions> = {},
): AssemblyPlan {
  const set = members.map((one) => ({ path: one.device.name, ...one }));
  const plan = planAssembly(set, { force: false, backupGiven: false, ...options });
  if (plan === null) throw new Error("no superblock can be believed");
  return plan;
}

/** Throws when the set does not start, with the reason. */
export async function startOf(
  members: readonly TestMember[],
  options: Partial<PlanOptions> = {},
): Promise<StartedArray> {
  const plan = planOf(members, options);
  if (plan.verdict.kind !== "can-start") throw new Error(plan.verdict.reason);
  return startArray(plan, { name: "array", backup: null, replayLimitBytes: 2 ** 24 });
}
