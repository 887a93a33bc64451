/**
 * The geometries against what the kernel wrote: every sector of the clean golden arrays is stamped with its own number, so
 * reading the members by hand, at the place the geometry names, must find that number.
 */
import { describe, expect, it } from "vitest";
import { SECTOR_BYTES } from "../src/base/units.ts";
import { MD_LEVEL_BY_NUMBER } from "../src/formats/md/superblock.ts";
import type { MdLevel } from "../src/formats/md/superblock.ts";
import { makeGeometry } from "../src/md/geometry/geometry.ts";
import type { Geometry } from "../src/md/geometry/geometry.ts";
import type { CopyPlace } from "../src/md/geometry/place.ts";
import { goldenCases, unpackImage } from "./support/golden.ts";
import type { GoldenCase } from "./support/golden.ts";

interface MemberImage {
  readonly data: DataView;
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
      data: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength),
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

/** The volume sector stamped there. */
function stampAt(member: MemberImage, memberSector: number): number {
  const offset = (member.offsetSectors + memberSector) * SECTOR_BYTES;
  return Number(member.data.getBigUint64(offset, true));
}

describe("geometry finds every stamped sector of the golden array", () => {
  const cases = stampedCases();

  it.each(cases.map((golden) => [golden.name, golden] as const))("%s", (_name, golden) => {
    const members = membersBySlot(golden);
    const geometry = geometryOf(golden, members);
    expect(geometry.arraySectors * SECTOR_BYTES).toBe(golden.array_bytes);
    const wrong: string[] = [];
    for (let sector = 0; sector < geometry.arraySectors && wrong.length < 10; sector += 1) {
      for (const { slot, memberSector } of placesOf(geometry, sector)) {
        const found = stampAt(members[slot]!, memberSector);
        if (found !== sector) {
          wrong.push(`${sector} sought at ${slot}:${memberSector}, which says ${found}`);
        }
      }
    }
    expect(wrong).toEqual([]);
  });

  it("has cases of every level", () => {
    expect(new Set(cases.map((golden) => golden.level))).toEqual(LEVELS);
    expect(cases.length).toBeGreaterThan(15);
  });
});
