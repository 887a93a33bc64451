import { describe, expect, it } from "vitest";
import { StripeGeometry } from "./raid456.ts";
import { layoutName } from "../../formats/md/layout-names.ts";
import type { StripeLevel } from "./stripe-layouts.ts";

const CHUNK = 8;

function geometryOf(
  level: StripeLevel,
  layout: number,
  disks: number,
  rows: number,
): StripeGeometry {
  return new StripeGeometry(level, layout, disks, CHUNK, rows * CHUNK);
}

/** Rows as they are drawn in md(4) and in papers: numbers are data chunks of the volume. */
function draw(geometry: StripeGeometry, rows: number): string[] {
  return Array.from({ length: rows }, (_unused, row) =>
    Array.from({ length: geometry.raidDisks }, (_none, slot) => {
      const found = geometry.toVolume(slot, row * CHUNK);
      return typeof found === "number" ? found / CHUNK : found?.toUpperCase();
    }).join(" "),
  );
}

describe("the drawings", () => {
  it.each<[StripeLevel, number, string, string[]]>([
    ["raid4", 0, "parity-last", ["0 1 2 P", "3 4 5 P"]],
    ["raid5", 0, "left-asymmetric", ["0 1 2 P", "3 4 P 5", "6 P 7 8", "P 9 10 11", "12 13 14 P"]],
    ["raid5", 1, "right-asymmetric", ["P 0 1 2", "3 P 4 5", "6 7 P 8", "9 10 11 P", "P 12 13 14"]],
    ["raid5", 2, "left-symmetric", ["0 1 2 P", "4 5 P 3", "8 P 6 7", "P 9 10 11", "12 13 14 P"]],
    ["raid5", 3, "right-symmetric", ["P 0 1 2", "5 P 3 4", "7 8 P 6", "9 10 11 P", "P 12 13 14"]],
    ["raid5", 4, "parity-first", ["P 0 1 2", "P 3 4 5"]],
    ["raid5", 5, "parity-last", ["0 1 2 P", "3 4 5 P"]],
    ["raid6", 0, "left-asymmetric", ["Q 0 1 P", "2 3 P Q", "4 P Q 5", "P Q 6 7", "Q 8 9 P"]],
    ["raid6", 1, "right-asymmetric", ["P Q 0 1", "2 P Q 3", "4 5 P Q", "Q 6 7 P", "P Q 8 9"]],
    ["raid6", 2, "left-symmetric", ["Q 0 1 P", "2 3 P Q", "5 P Q 4", "P Q 6 7", "Q 8 9 P"]],
    ["raid6", 3, "right-symmetric", ["P Q 0 1", "3 P Q 2", "4 5 P Q", "Q 6 7 P", "P Q 8 9"]],
    ["raid6", 4, "parity-first", ["P Q 0 1", "P Q 2 3"]],
    ["raid6", 5, "parity-last", ["0 1 P Q", "2 3 P Q"]],
    ["raid6", 8, "ddf-zero-restart", ["P Q 0 1", "2 P Q 3", "4 5 P Q", "Q 6 7 P", "P Q 8 9"]],
    ["raid6", 9, "ddf-N-restart", ["0 1 P Q", "2 P Q 3", "P Q 4 5", "Q 6 7 P", "8 9 P Q"]],
    ["raid6", 10, "ddf-N-continue", ["0 1 Q P", "3 Q P 2", "Q P 4 5", "P 6 7 Q", "8 9 Q P"]],
    ["raid6", 16, "left-asymmetric-6", ["0 1 P Q", "2 P 3 Q", "P 4 5 Q", "6 7 P Q"]],
    ["raid6", 17, "right-asymmetric-6", ["P 0 1 Q", "2 P 3 Q", "4 5 P Q", "P 6 7 Q"]],
    ["raid6", 18, "left-symmetric-6", ["0 1 P Q", "3 P 2 Q", "P 4 5 Q", "6 7 P Q"]],
    ["raid6", 19, "right-symmetric-6", ["P 0 1 Q", "3 P 2 Q", "4 5 P Q", "P 6 7 Q"]],
    ["raid6", 20, "parity-first-6", ["P 0 1 Q", "P 2 3 Q"]],
  ])("%s layout %d, %s, of 4 members", (level, layout, name, rows) => {
    expect(level === "raid4" ? "parity-last" : layoutName(level, layout)).toBe(name);
    expect(draw(geometryOf(level, layout, 4, rows.length), rows.length)).toEqual(rows);
  });

  it.each<[number, string[]]>([
    [2, ["Q 0 1 2 P", "3 4 5 P Q", "7 8 P Q 6", "11 P Q 9 10", "P Q 12 13 14"]],
    [3, ["P Q 0 1 2", "5 P Q 3 4", "7 8 P Q 6", "9 10 11 P Q", "Q 12 13 14 P"]],
    [9, ["0 1 2 P Q", "3 4 P Q 5", "6 P Q 7 8", "P Q 9 10 11", "Q 12 13 14 P"]],
    [10, ["0 1 2 Q P", "4 5 Q P 3", "8 Q P 6 7", "Q P 9 10 11", "P 12 13 14 Q"]],
    [18, ["0 1 2 P Q", "4 5 P 3 Q", "8 P 6 7 Q", "P 9 10 11 Q", "12 13 14 P Q"]],
  ])("raid6 layout %d of 5 members", (layout, rows) => {
    expect(draw(geometryOf("raid6", layout, 5, rows.length), rows.length)).toEqual(rows);
  });
});

interface Walk {
  /** Slot of P in row 0, counted from the left or (negative) from the right. */
  readonly start: number;
  readonly step: number;
  /** Where Q is from P on, "last" for always the last member, or nowhere. */
  readonly q: number | "last" | null;
  readonly symmetric: boolean;
}

const WALKS5: readonly Walk[] = [
  { start: -1, step: -1, q: null, symmetric: false },
  { start: 0, step: 1, q: null, symmetric: false },
  { start: -1, step: -1, q: null, symmetric: true },
  { start: 0, step: 1, q: null, symmetric: true },
  { start: 0, step: 0, q: null, symmetric: false },
  { start: -1, step: 0, q: null, symmetric: false },
];

const WALKS: ReadonlyMap<string, Walk> = new Map<string, Walk>([
  ["raid4 0", WALKS5[5]!],
  ["raid4 5", WALKS5[5]!],
  ...WALKS5.map((walk, layout): [string, Walk] => [`raid5 ${layout}`, walk]),
  ...WALKS5.slice(0, 5).map((walk, layout): [string, Walk] => [
    `raid6 ${layout}`,
    { ...walk, q: 1 },
  ]),
  ["raid6 5", { start: -2, step: 0, q: 1, symmetric: false }],
  ["raid6 8", { start: 0, step: 1, q: 1, symmetric: false }],
  ["raid6 9", { start: -2, step: -1, q: 1, symmetric: false }],
  ["raid6 10", { start: -1, step: -1, q: -1, symmetric: true }],
  ...WALKS5.slice(0, 5).map((walk, layout): [string, Walk] => [
    `raid6 ${layout + 16}`,
    { ...walk, q: "last" },
  ]),
]);

/** The array written out chunk by chunk, with a cursor that walks: role by slot for each row. */
function writeOut(walk: Walk, disks: number, rows: number): string[][] {
  const width = walk.q === "last" ? disks - 1 : disks;
  let cursor = (walk.start + width) % width;
  let chunk = 0;
  const table: string[][] = [];
  for (let row = 0; row < rows; row += 1) {
    const members = Array.from({ length: disks }, () => "");
    members[cursor] = "p";
    if (walk.q === "last") members[disks - 1] = "q";
    else if (walk.q !== null) members[(cursor + walk.q + disks) % disks] = "q";
    let slot = walk.symmetric ? cursor : 0;
    while (members.includes("")) {
      slot %= width;
      if (members[slot] === "") members[slot] = `${chunk++}`;
      slot += 1;
    }
    table.push(members);
    cursor = (cursor + walk.step + width) % width;
  }
  return table;
}

/** Exponents of Q, counted out over the members: data only behind Q, or for DDF every member from the first. */
function countOut(members: readonly string[], ddf: boolean): number[] {
  const exponents = members.map(() => -1);
  let count = 0;
  const start = ddf ? 0 : members.indexOf("q") + 1;
  for (let i = 0; i < members.length; i += 1) {
    const slot = (start + i) % members.length;
    const isData = members[slot] !== "p" && members[slot] !== "q";
    if (isData) exponents[slot] = count;
    if (isData || ddf) count += 1;
  }
  return exponents;
}

describe("every layout with every number of members", () => {
  const shapes = [...WALKS].flatMap(([key, walk]) => {
    const [level, layout] = key.split(" ");
    const fewest = level === "raid6" ? 4 : 2;
    return Array.from({ length: 9 - fewest }, (_unused, i) => ({
      level: level as StripeLevel,
      layout: Number(layout),
      disks: fewest + i,
      walk,
    }));
  });

  it.each(shapes)("$level layout $layout of $disks", ({ level, layout, disks, walk }) => {
    const rows = 2 * disks + 1;
    const geometry = geometryOf(level, layout, disks, rows);
    const expected = writeOut(walk, disks, rows);
    const found = expected.map((members, row) =>
      members.map((_unused, slot) => {
        const there = geometry.toVolume(slot, row * CHUNK);
        return `${typeof there === "number" ? there / CHUNK : there}`;
      }),
    );
    expect(found).toEqual(expected);

    for (const [row, members] of expected.entries()) {
      const layoutOfRow = geometry.rowLayout(row);
      expect(geometry.rowLayout(row + geometry.periodRows)).toBe(layoutOfRow);
      expect(Object.isFrozen(layoutOfRow)).toBe(true);
      expect(layoutOfRow.slots).toEqual(members.map((_unused, slot) => slot));
      expect(layoutOfRow.p).toBe(members.indexOf("p"));
      expect(layoutOfRow.q).toBe(level === "raid6" ? members.indexOf("q") : null);
      const byVolume = members
        .flatMap((what, slot) => (what === "p" || what === "q" ? [] : [slot]))
        .toSorted((a, b) => Number(members[a]) - Number(members[b]));
      expect(layoutOfRow.data).toEqual(byVolume);
      const exponents = countOut(members, layout >= 8 && layout <= 10);
      expect(layoutOfRow.coefficients).toEqual(
        level === "raid6" ? byVolume.map((slot) => exponents[slot]) : [],
      );
      for (const [slot, what] of members.entries()) {
        const role = geometry.roleOf(slot, row);
        expect(role).toBe(what === "p" || what === "q" ? what : byVolume.indexOf(slot));
      }
    }
  });
});

describe("locate", () => {
  it("tells row and data index, and counts down to the chunk's end", () => {
    const geometry = new StripeGeometry("raid5", 2, 4, 128, 128 * 10);
    // Chunk 4 is the second of row 1, "4 5 P 3".
    expect(geometry.locate(128 * 4 + 100)).toEqual({
      row: 1,
      dataIndex: 1,
      slot: 0,
      memberSector: 128 + 100,
      sectors: 28,
    });
  });

  it("is exact where 32 bits are not enough", () => {
    const rows = 2 ** 34;
    const geometry = new StripeGeometry("raid6", 2, 6, 1024, rows * 1024);
    const sector = geometry.arraySectors - 1;
    const place = geometry.locate(sector);
    expect(place.row).toBe(rows - 1);
    expect(place.memberSector).toBe(rows * 1024 - 1);
    expect(geometry.toVolume(place.slot, place.memberSector)).toBe(sector);
  });
});
