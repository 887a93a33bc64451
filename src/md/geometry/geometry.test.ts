import { describe, expect, it } from "vitest";
import { HoldfastError } from "../../base/errors.ts";
import type { MdLevel, MdShape } from "../../formats/md/superblock.ts";
import { makeGeometry } from "./geometry.ts";
import type { Geometry, GeometrySizes } from "./geometry.ts";
import type { Place } from "./place.ts";
import type { CopyPlace, CopyPlaces } from "./place.ts";
import { StripePlace } from "./raid456.ts";

interface Case {
  readonly title: string;
  readonly geometry: Geometry;
}

function make(
  level: MdLevel,
  raidDisks: number,
  chunkSectors: number,
  more: Partial<MdShape & GeometrySizes>,
): Geometry {
  const { layout = 0, componentSectors = 0, memberSectors = [], raid0Layout = null } = more;
  return makeGeometry(
    { level, layout, chunkSectors, raidDisks },
    { componentSectors, memberSectors, raid0Layout },
  );
}

/** Member sizes that are equal, rising, falling, in pairs, one of them too small for a chunk. */
function sizeSets(disks: number): number[][] {
  const slots = Array.from({ length: disks }, (_unused, slot) => slot);
  return [
    slots.map(() => 53),
    slots.map((slot) => 40 + slot * 27),
    slots.map((slot) => 300 - slot * 31),
    slots.map((slot) => 60 + Math.floor(slot / 2) * 50),
    slots.map((slot) => (slot === 1 ? 5 : 100)),
  ];
}

function plainCases(disks: number): Case[] {
  const cases: Case[] = [];
  for (const memberSectors of sizeSets(disks)) {
    const sizes = memberSectors.join("+");
    for (const chunk of [0, 8, 24]) {
      const geometry = make("linear", disks, chunk, { memberSectors });
      cases.push({ title: `linear of ${sizes} chunk ${chunk}`, geometry });
    }
    for (const chunk of [8, 16, 24]) {
      for (const raid0Layout of ["original", "alternate"] as const) {
        const geometry = make("raid0", disks, chunk, { memberSectors, raid0Layout });
        cases.push({ title: `raid0 ${raid0Layout} of ${sizes} chunk ${chunk}`, geometry });
      }
    }
  }
  return cases;
}

const LAYOUTS: Readonly<Record<"raid4" | "raid5" | "raid6", readonly number[]>> = {
  raid4: [0],
  raid5: [0, 1, 2, 3, 4, 5],
  raid6: [0, 1, 2, 3, 4, 5, 8, 9, 10, 16, 17, 18, 19, 20],
};

function stripeCases(disks: number): Case[] {
  const levels = (["raid4", "raid5", "raid6"] as const).filter(
    (level) => level !== "raid6" || disks > 3,
  );
  return levels.flatMap((level) =>
    LAYOUTS[level].flatMap((layout) =>
      [8, 32].map((chunk) => ({
        title: `${level} layout ${layout} of ${disks} chunk ${chunk}`,
        geometry: make(level, disks, chunk, { layout, componentSectors: chunk * (disks + 2) + 3 }),
      })),
    ),
  );
}

function mirrorCases(disks: number): Case[] {
  const cases: Case[] = [
    { title: `raid1 of ${disks}`, geometry: make("raid1", disks, 0, { componentSectors: 77 }) },
  ];
  const layouts = [
    ["near", 1 * 256 + disks],
    ["far", disks * 256 + 1],
    ["offset", (1 << 16) + disks * 256 + 1],
    ["near 2", 256 + 2],
    ["far 2", 2 * 256 + 1],
    ["offset 2 in sets", (1 << 18) + (1 << 16) + 2 * 256 + 1],
  ] as const;
  for (const [name, layout] of layouts) {
    const geometry = make("raid10", disks, 16, { layout, componentSectors: 16 * 15 + 9 });
    cases.push({ title: `raid10 ${name} of ${disks}`, geometry });
  }
  return cases;
}

const ALL_CASES = [2, 3, 4, 5, 6, 7, 8].flatMap((disks) => [
  ...plainCases(disks),
  ...stripeCases(disks),
  ...mirrorCases(disks),
]);

/** All places of a sector. */
function placesOf(geometry: Geometry, sector: number): readonly CopyPlace[] {
  return geometry.level === "raid1" || geometry.level === "raid10"
    ? geometry.copies(sector)
    : [geometry.locate(sector)];
}

/** The same, filled into what held other answers before. */
function reusedPlacesOf(
  geometry: Geometry,
  sector: number,
  place: Place,
  copies: CopyPlaces,
): readonly CopyPlace[] {
  switch (geometry.level) {
    case "raid1":
    case "raid10":
      return geometry.copies(sector, copies);
    case "linear":
    case "raid0":
      return [geometry.locate(sector, place)];
    default:
      return [geometry.locate(sector, place as StripePlace)];
  }
}

function parityDisks(geometry: Geometry): number {
  switch (geometry.level) {
    case "raid4":
    case "raid5":
      return 1;
    case "raid6":
      return 2;
    default:
      return 0;
  }
}

// Expectations are collected and stated once a case: one call a sector would take minutes.
describe("laws of every geometry", () => {
  it.each(ALL_CASES)(
    "$title: each sector has places of its own, and they lead back",
    ({ geometry }) => {
      const broken: string[] = [];
      const taken = new Set<string>();
      for (let sector = 0; sector < geometry.arraySectors; sector += 1) {
        const places = placesOf(geometry, sector);
        if (new Set(places.map((place) => place.slot)).size < places.length) {
          broken.push(`${sector} has two copies on one member`);
        }
        for (const { slot, memberSector } of places) {
          const key = `${slot}:${memberSector}`;
          if (taken.has(key)) broken.push(`${sector} is not alone at ${key}`);
          taken.add(key);
          const inside = memberSector >= 0 && memberSector < geometry.memberSectorsUsed(slot);
          if (!inside) broken.push(`${sector} at ${key} is outside of the member`);
          const back = geometry.toVolume(slot, memberSector);
          if (back !== sector) broken.push(`${sector} at ${key} leads back to ${back}`);
        }
      }
      expect(broken).toEqual([]);
    },
  );

  it.each(ALL_CASES)("$title: each member sector is data, parity or unused", ({ geometry }) => {
    const broken: string[] = [];
    let parity = 0;
    let used = 0;
    for (let slot = 0; slot < geometry.raidDisks; slot += 1) {
      const end = geometry.memberSectorsUsed(slot);
      used += end;
      for (let memberSector = 0; memberSector < end + 40; memberSector += 1) {
        const what = geometry.toVolume(slot, memberSector);
        if (what === "p" || what === "q") parity += 1;
        if (typeof what !== "number") continue;
        const back = placesOf(geometry, what);
        const same = back.some((at) => at.slot === slot && at.memberSector === memberSector);
        if (!same || memberSector >= end) broken.push(`${slot}:${memberSector} says ${what}`);
      }
    }
    expect(broken).toEqual([]);
    expect(parity * geometry.raidDisks).toBe(used * parityDisks(geometry));
  });

  it.each(ALL_CASES)("$title: runs are true and end inside the array", ({ geometry }) => {
    const broken: string[] = [];
    for (let sector = 0; sector < geometry.arraySectors; sector += 1) {
      const run = geometry.pieceSectors(sector);
      if ("locate" in geometry && geometry.locate(sector).sectors !== run)
        broken.push(`${sector} does not run ${run}`);
      if (run < 1 || sector + run > geometry.arraySectors) broken.push(`${sector} runs ${run}`);
      if (run === 1) continue;
      const next = placesOf(geometry, sector + 1);
      const moved = placesOf(geometry, sector).map(
        ({ slot, memberSector }) => `${slot}:${memberSector + 1}`,
      );
      const same = next.every(
        ({ slot, memberSector }, i) => moved[i] === `${slot}:${memberSector}`,
      );
      if (!same || geometry.pieceSectors(sector + 1) !== run - 1)
        broken.push(`${sector} runs ${run}`);
    }
    expect(broken).toEqual([]);
  });

  it.each(ALL_CASES)("$title: places are the same in what is used again", ({ geometry }) => {
    const broken: number[] = [];
    const place = new StripePlace();
    const copies: CopyPlaces = [];
    for (let sector = 0; sector < geometry.arraySectors; sector += 1) {
      const fresh = placesOf(geometry, sector);
      const reused = reusedPlacesOf(geometry, sector, place, copies);
      const same = fresh.every(
        ({ slot, memberSector }, i) =>
          reused[i]?.slot === slot && reused[i].memberSector === memberSector,
      );
      if (!same || reused.length !== fresh.length) broken.push(sector);
    }
    expect(broken).toEqual([]);
  });
});

describe("size of the array", () => {
  it.each<[MdLevel, number, Partial<MdShape & GeometrySizes>, number]>([
    ["linear", 0, { memberSectors: [100, 57, 9] }, 166],
    ["linear", 8, { memberSectors: [100, 57, 9] }, 96 + 56 + 8],
    ["raid0", 24, { memberSectors: [100, 100, 100] }, 3 * 96],
    ["raid0", 8, { memberSectors: [100, 57, 9], raid0Layout: "original" }, 96 + 56 + 8],
    // No powers of two: seen with members like these, the kernel clears the bits of chunk - 1 all the same.
    ["raid0", 40, { memberSectors: [6786, 6786, 6786] }, 3 * 6728],
    [
      "raid0",
      200,
      { memberSectors: [8094, 13_966, 11_677], raid0Layout: "original" },
      7936 + 13_608 + 11_536,
    ],
    ["raid1", 0, { componentSectors: 1001 }, 1001],
    ["raid4", 8, { componentSectors: 1001 }, 2 * 1000],
    ["raid5", 128, { componentSectors: 1001, layout: 2 }, 2 * 896],
    ["raid10", 8, { componentSectors: 1001, layout: 0x102 }, 187 * 8],
    ["raid10", 8, { componentSectors: 1001, layout: 0x201 }, 62 * 3 * 8],
  ])("%s chunk %d %o", (level, chunk, more, expected) => {
    expect(make(level, 3, chunk, more).arraySectors).toBe(expected);
  });
});

/** Slot of each chunk of the volume. */
function slotsInTurn(raid0Layout: "original" | "alternate", memberSectors: number[]): string {
  const geometry = make("raid0", memberSectors.length, 8, { raid0Layout, memberSectors });
  const chunks = Array.from({ length: geometry.arraySectors / 8 }, (_unused, chunk) => chunk);
  return chunks.map((chunk) => placesOf(geometry, chunk * 8)[0]!.slot).join("");
}

describe("raid0 zones", () => {
  it("the original layout deals on from the volume's chunk number, the alternate one anew", () => {
    // Zones: 3 chunks on all three members, 2 more on members 1 and 2, 2 more on member 2.
    expect(slotsInTurn("alternate", [24, 40, 56])).toBe("012012012121222");
    expect(slotsInTurn("original", [24, 40, 56])).toBe("012012012212122");
  });

  it("with one zone they are the same and none need be recorded", () => {
    expect(slotsInTurn("alternate", [24, 24])).toBe(slotsInTurn("original", [24, 24]));
    expect(make("raid0", 2, 8, { memberSectors: [24, 31] }).arraySectors).toBe(48);
  });
});

function failure(
  level: MdLevel,
  disks: number,
  chunk: number,
  more: Partial<MdShape & GeometrySizes>,
): HoldfastError {
  try {
    make(level, disks, chunk, more);
  } catch (error) {
    if (error instanceof HoldfastError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

describe("what cannot be is refused in one sentence", () => {
  const C = { componentSectors: 8000 };

  it.each<[MdLevel, number, number, Partial<MdShape & GeometrySizes>, string]>([
    ["raid1", 0, 0, C, "bad-metadata"],
    ["raid1", 2.5, 0, C, "bad-metadata"],
    ["raid1", 1921, 0, C, "bad-metadata"],
    ["raid1", 2, 0, { componentSectors: 0 }, "bad-metadata"],
    ["raid1", 2, 0, { componentSectors: 2 ** 60 }, "unsupported"],
    ["raid4", 1, 8, C, "bad-metadata"],
    ["raid5", 1, 8, C, "bad-metadata"],
    ["raid5", 3, 0, C, "bad-metadata"],
    ["raid5", 3, 4, C, "bad-metadata"],
    ["raid5", 3, 24, C, "bad-metadata"],
    ["raid5", 3, -8, C, "bad-metadata"],
    ["raid5", 3, Number.NaN, C, "bad-metadata"],
    ["raid5", 3, 8, { ...C, layout: 6 }, "bad-metadata"],
    ["raid5", 3, 8, { ...C, layout: 16 }, "bad-metadata"],
    ["raid5", 3, 16384, C, "bad-metadata"],
    ["raid5", 1920, 8, { componentSectors: 2 ** 43 }, "unsupported"],
    ["raid6", 3, 8, C, "bad-metadata"],
    ["raid6", 256, 8, C, "bad-metadata"],
    ["raid6", 4, 8, { ...C, layout: 7 }, "bad-metadata"],
    ["raid6", 4, 8, { ...C, layout: 21 }, "bad-metadata"],
    ["raid10", 4, 8, { ...C, layout: 0 }, "bad-metadata"],
    ["raid10", 4, 8, { ...C, layout: 2 ** 32 - 1 }, "bad-metadata"],
    ["raid10", 4, 12, { ...C, layout: 0x102 }, "bad-metadata"],
    ["raid10", 5, 8, { ...C, layout: 0x10202 }, "unsupported"],
    ["linear", 2, 0, { memberSectors: [10] }, "cannot-start"],
    ["linear", 2, 0, { memberSectors: [null, 10] }, "cannot-start"],
    ["linear", 2, 0, { memberSectors: [-1, 10] }, "bad-metadata"],
    ["linear", 2, 0.5, { memberSectors: [1, 10] }, "bad-metadata"],
    ["raid0", 2, 0, { memberSectors: [80, 80] }, "bad-metadata"],
    ["raid0", 2, 8, { memberSectors: [80, null] }, "cannot-start"],
    ["raid0", 2, 8, { memberSectors: [80, 160] }, "cannot-start"],
    ["raid0", 2, 8, { memberSectors: [7, 7] }, "bad-metadata"],
  ])("%s of %d, chunk %d, %o", (level, disks, chunk, more, code) => {
    const error = failure(level, disks, chunk, more);
    expect(error.code).toBe(code);
    expect(error.message).toMatch(/^[^A-Z\s].*[^.\s]$/);
    expect(error.message).toContain(level);
  });

  it("the largest shapes that can be are made quickly and looked up", () => {
    const wide = make("raid5", 1920, 8, { layout: 2, componentSectors: 2 ** 30 });
    expect(wide.toVolume(1919, 0)).toBe("p");
    const raid6 = make("raid6", 255, 8, { layout: 10, componentSectors: 2 ** 30 });
    expect(raid6.toVolume(254, 0)).toBe("p");
    const mirrors = make("raid10", 1920, 8, { layout: 0xff01, componentSectors: 2 ** 30 });
    expect(placesOf(mirrors, 2 ** 31).length).toBe(255);
  });
});
