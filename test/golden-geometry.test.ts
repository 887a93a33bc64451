/**
 * The geometries against what the kernel wrote: every sector of the clean golden arrays is stamped with its own number, so
 * reading the members by hand, at the place the geometry names, must find that number; and P and Q that the kernel wrote
 * must fit the data by the coefficients the geometry tells.
 */
import { describe, expect, it } from "vitest";
import { SECTOR_BYTES } from "../src/base/units.ts";
import { MD_LEVEL_BY_NUMBER } from "../src/formats/md/superblock.ts";
import type { MdLevel } from "../src/formats/md/superblock.ts";
import { makeGeometry } from "../src/md/geometry/geometry.ts";
import type { Geometry } from "../src/md/geometry/geometry.ts";
import type { CopyPlace } from "../src/md/geometry/place.ts";
import type { StripeGeometry } from "../src/md/geometry/raid456.ts";
import { checkRow } from "../src/parity/check.ts";
import { goldenCase, goldenCases, unpackImage } from "./support/golden.ts";
import type { GoldenCase } from "./support/golden.ts";

interface MemberImage {
  readonly bytes: Uint8Array;
  readonly offsetSectors: number;
  readonly sectors: number;
}

const LEVELS: ReadonlySet<string> = new Set(MD_LEVEL_BY_NUMBER.values());

function isLevel(level: string | undefined): level is MdLevel {
  return level !== undefined && LEVELS.has(level);
}

/** Clean arrays at rest whose volume is stamped from the first sector to the last. */
function stampedCases(): GoldenCase[] {
  return goldenCases({ kind: "md" }).filter((golden) => {
    const map = golden.views[0]?.volumes["volume"]?.map ?? [];
    const wholly = map.length === 1 && /^0 \d+ stamp \S+$/.test(map[0]!);
    return golden.state === "clean" && wholly && isLevel(golden.level);
  });
}

function membersBySlot(golden: GoldenCase): MemberImage[] {
  const members: MemberImage[] = [];
  for (const [index, member] of golden.members.entries()) {
    const slot = Number(member.kernel?.["slot"]);
    if (!Number.isInteger(slot)) continue;
    const bytes = unpackImage(golden, index);
    members[slot] = {
      bytes,
      offsetSectors: Number(member.kernel!["offset"]),
      sectors: Number(member.kernel!["size"]) * 2,
    };
  }
  return members;
}

function geometryOf(golden: GoldenCase, members: readonly MemberImage[]): Geometry {
  const level = golden.level;
  if (!isLevel(level)) throw new Error(`${golden.name} has level ${level}`);
  const layout = golden.layout_number ?? 0;
  return makeGeometry(
    {
      level,
      layout,
      chunkSectors: (golden.chunk_kib ?? 0) * 2,
      raidDisks: Number(golden.raid_disks),
    },
    {
      componentSectors: golden.component_size_kib! * 2,
      memberSectors: members.map((member) => member.sectors),
      raid0Layout: layout === 1 ? "original" : layout === 2 ? "alternate" : null,
    },
  );
}

function placesOf(geometry: Geometry, sector: number): readonly CopyPlace[] {
  switch (geometry.level) {
    case "raid1":
    case "raid10":
      return geometry.copies(sector);
    default:
      return [geometry.locate(sector)];
  }
}

function sectorsAt(member: MemberImage, memberSector: number, sectors: number): Uint8Array {
  const start = (member.offsetSectors + memberSector) * SECTOR_BYTES;
  return member.bytes.subarray(start, start + sectors * SECTOR_BYTES);
}

/** The volume sector stamped there. */
function stampAt(member: MemberImage, memberSector: number): number {
  const sector = sectorsAt(member, memberSector, 1);
  return Number(new DataView(sector.buffer, sector.byteOffset).getBigUint64(0, true));
}

/** "volume sector sought at slot:sector", of all that say something else; at most ten. */
function misplaced(geometry: Geometry, members: readonly MemberImage[]): string[] {
  const wrong: string[] = [];
  for (let sector = 0; sector < geometry.arraySectors && wrong.length < 10; sector += 1) {
    for (const { slot, memberSector } of placesOf(geometry, sector)) {
      const found = stampAt(members[slot]!, memberSector);
      if (found !== sector) wrong.push(`${sector} at ${slot}:${memberSector}, which says ${found}`);
    }
  }
  return wrong;
}

/** Rows whose parity does not fit. */
function misfits(geometry: StripeGeometry, members: readonly MemberImage[]): number[] {
  const rows = geometry.usedSectors / geometry.chunkSectors;
  return Array.from({ length: rows }, (_unused, row) => row).filter((row) => {
    const layout = geometry.rowLayout(row);
    const start = row * geometry.chunkSectors;
    const blocks = new Map(
      layout.slots.map((slot) => [slot, sectorsAt(members[slot]!, start, geometry.chunkSectors)]),
    );
    return checkRow(layout, blocks).suspect !== null;
  });
}

function isStriped(geometry: Geometry): geometry is StripeGeometry {
  return geometry.level === "raid4" || geometry.level === "raid5" || geometry.level === "raid6";
}

describe("geometry finds every stamped sector of the golden array", () => {
  const cases = stampedCases();

  it.each(cases.map((golden) => [golden.name, golden] as const))("%s", (_name, golden) => {
    const members = membersBySlot(golden);
    const geometry = geometryOf(golden, members);
    expect(geometry.arraySectors * SECTOR_BYTES).toBe(golden.array_bytes);
    expect(misplaced(geometry, members)).toEqual([]);
    if (isStriped(geometry)) expect(misfits(geometry, members)).toEqual([]);
  });

  it("has cases of every level", () => {
    expect(new Set(cases.map((golden) => golden.level))).toEqual(LEVELS);
    expect(cases.length).toBeGreaterThan(15);
  });

  // dm-raid's arrays are md's own inside; their data devices start with data. raid6_zr is ddf-zero-restart.
  it.each<[string, MdLevel, number, number, number]>([
    ["dm-raid5ls-3", "raid5", 2, 128, 3],
    ["dm-raid6zr-5", "raid6", 8, 64, 5],
    ["dm-raid10-4", "raid10", 0x102, 64, 4],
  ])("%s", (name, level, layout, chunkSectors, raidDisks) => {
    const golden = goldenCase(name);
    const members = Array.from({ length: raidDisks }, (_unused, slot): MemberImage => {
      const index = golden.members.findIndex((member) => member.use === `data ${slot}`);
      const bytes = unpackImage(golden, index);
      return { bytes, offsetSectors: 0, sectors: bytes.length / SECTOR_BYTES };
    });
    const geometry = makeGeometry(
      { level, layout, chunkSectors, raidDisks },
      { componentSectors: members[0]!.sectors, memberSectors: [], raid0Layout: null },
    );
    const volume = golden.views[0]!.volumes["volume"]!;
    expect(geometry.arraySectors * SECTOR_BYTES).toBe(volume.bytes);
    expect(misplaced(geometry, members)).toEqual([]);
    if (isStriped(geometry)) expect(misfits(geometry, members)).toEqual([]);
  });
});
