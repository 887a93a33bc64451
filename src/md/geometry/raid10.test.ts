import { describe, expect, it } from "vitest";
import { layoutName } from "../../formats/md/layout-names.ts";
import { findCollision, parseRaid10Layout, Raid10Geometry } from "./raid10.ts";
import type { Raid10Layout } from "./raid10.ts";

const CHUNK = 8;
const OFFSET = 1 << 16;
const SETS_BY_COUNT = 1 << 17;
const SETS_BY_SIZE = 1 << 18;

interface Shape {
  readonly near: number;
  readonly far: number;
  readonly flags: number;
  readonly disks: number;
  readonly layout: Raid10Layout;
}

/** Every layout the kernel accepts for 2 to 7 members. */
function allShapes(): Shape[] {
  const shapes: Shape[] = [];
  for (let disks = 2; disks <= 7; disks += 1) {
    for (let near = 1; near <= disks; near += 1) {
      for (let far = 1; near * far <= disks; far += 1) {
        for (const sets of [0, SETS_BY_COUNT, SETS_BY_SIZE]) {
          for (const flags of [sets, sets + OFFSET]) {
            const layout = parseRaid10Layout(near + far * 256 + flags, disks);
            if (layout !== null) shapes.push({ near, far, flags, disks, layout });
          }
        }
      }
    }
  }
  return shapes;
}

function title(shape: Shape): string {
  const { near, far, flags, disks } = shape;
  return `near ${near} far ${far} flags 0x${flags.toString(16)} of ${disks}`;
}

/** Members in sets, the remainder in the last one. */
function setsOf(disks: number, size: number): number[][] {
  const sets: number[][] = [];
  for (let start = 0; start + size <= disks; start += size) {
    sets.push(Array.from({ length: size }, (_unused, i) => start + i));
  }
  for (let slot = sets.flat().length; slot < disks; slot += 1) sets.at(-1)!.push(slot);
  return sets;
}

/**
 * The array drawn on squared paper: near copies written out row by row; then, as often as there are far copies, the
 * same rows again with each set rotated on by `near`, below everything or below each row.
 * Chunk by [member row][slot]; null is unused.
 */
function drawByHand({ near, far, flags, disks, layout }: Shape, rows: number): (number | null)[][] {
  const cells = rows * disks;
  const chunks = Math.floor(cells / near);
  const written = Array.from({ length: cells }, (_unused, i) => {
    const chunk = Math.floor(i / near);
    return chunk < chunks ? chunk : null;
  });
  const first = Array.from({ length: rows }, (_unused, r) =>
    written.slice(r * disks, (r + 1) * disks),
  );
  const parts = [first];
  for (let f = 1; f < far; f += 1) {
    parts.push(
      parts[f - 1]!.map((row) => {
        const rotated = [...row];
        for (const set of setsOf(disks, layout.farSetSize)) {
          for (const [i, slot] of set.entries())
            rotated[set[(i + near) % set.length]!] = row[slot]!;
        }
        return rotated;
      }),
    );
  }
  if (flags % (2 * OFFSET) < OFFSET) return parts.flat();
  return first.flatMap((_unused, r) => parts.map((part) => part[r]!));
}

/** "slot:row" of each copy by the kernel's arithmetic, whether it makes sense or not; `rows` in one part. */
function kernelPlaces(
  { near, far, flags, disks, layout }: Shape,
  chunk: number,
  rows: number,
): string[] {
  const isOffset = flags % (2 * OFFSET) >= OFFSET;
  const size = layout.farSetSize;
  const rest = disks % size;
  const lastSet = setsOf(disks, size).at(-1)!;
  const places: string[] = [];
  let slot = (chunk * near) % disks;
  let row = Math.floor((chunk * near) / disks) * (isOffset ? far : 1);
  for (let n = 0; n < near; n += 1) {
    let at = slot;
    for (let f = 0; f < far; f += 1) {
      places.push(`${at}:${row + f * (isOffset ? 1 : rows)}`);
      const set = Math.floor(at / size);
      const target = at + near;
      const inLast = rest > 0 && target > lastSet[0]!;
      at = inLast
        ? lastSet[(target - lastSet[0]!) % lastSet.length]!
        : set * size + (target % size);
    }
    slot += 1;
    // Only one row on, although with offset copies the next row of data is `far` rows on.
    if (slot === disks) [slot, row] = [0, row + 1];
  }
  return places;
}

function draw(geometry: Raid10Geometry): (number | null)[][] {
  return Array.from({ length: geometry.usedSectors / CHUNK }, (_unused, row) =>
    Array.from({ length: geometry.raidDisks }, (_none, slot) => {
      const sector = geometry.toVolume(slot, row * CHUNK);
      return sector === null ? null : sector / CHUNK;
    }),
  );
}

const shapes = allShapes().map((shape) => ({ ...shape, title: title(shape) }));
const sound = shapes.filter(({ layout, disks }) => findCollision(layout, disks) === null);

describe("every raid10 layout of 2 to 7 members", () => {
  it.each(sound)("$title is as drawn by hand, both ways", (shape) => {
    const { near, far, disks, layout } = shape;
    for (const rows of [1, 3, 2 * near + 1]) {
      // Two sectors less than another whole row: rounding must drop them.
      const geometry = new Raid10Geometry(layout, disks, CHUNK, (rows * far + 1) * CHUNK - 2);
      const expected = drawByHand(shape, rows);
      expect(draw(geometry)).toEqual(expected);
      expect(geometry.arraySectors).toBe(Math.floor((rows * disks) / near) * CHUNK);
      expect(geometry.usedSectors).toBe(rows * far * CHUNK);

      for (let chunk = 0; chunk < geometry.arraySectors / CHUNK; chunk += 1) {
        const places = geometry.copies(chunk * CHUNK + 5);
        expect(places.length).toBe(near * far);
        const found = places.map(({ slot, memberSector }) => {
          expect(memberSector % CHUNK).toBe(5);
          return `${slot}:${Math.floor(memberSector / CHUNK)}`;
        });
        const byHand = expected.flatMap((row, r) =>
          row.flatMap((what, slot) => (what === chunk ? [`${slot}:${r}`] : [])),
        );
        expect(found.toSorted()).toEqual(byHand.toSorted());
        expect(found).toEqual(kernelPlaces(shape, chunk, rows));
      }
    }
  });

  it.each(sound)("$title has its copies on different members, if its sets have room", (shape) => {
    const { near, far, disks, layout } = shape;
    const geometry = new Raid10Geometry(layout, disks, CHUNK, 8 * far * CHUNK);
    for (let chunk = 0; chunk < geometry.arraySectors / CHUNK; chunk += 1) {
      const slots = new Set(geometry.copies(chunk * CHUNK).map((place) => place.slot));
      // The kernel warns about smaller sets: "does not provide data safety".
      const enough = layout.farSetSize >= near * far;
      expect(slots.size).toBeGreaterThanOrEqual(enough ? near * far : 1);
    }
  });

  it.each(shapes)("$title: refused exactly if the kernel uses a place twice", (shape) => {
    const { near, disks, layout } = shape;
    const places: string[] = [];
    for (let chunk = 0; chunk < Math.floor((8 * disks) / near); chunk += 1) {
      places.push(...kernelPlaces(shape, chunk, 8));
    }
    const twice = new Set(places).size < places.length;
    expect(findCollision(layout, disks) !== null).toBe(twice);
  });

  it("both sorts of collision occur, and layouts that mdadm makes have none", () => {
    expect(shapes.length - sound.length).toBeGreaterThan(3);
    const made = shapes.filter(({ flags, near, far }) => flags === 0 && (near === 1 || far === 1));
    expect(made.filter((shape) => !sound.includes(shape))).toEqual([]);
  });
});

describe("the drawings of md(4)", () => {
  it.each<[number, number, string, string[]]>([
    [2 + 256, 3, "near=2", ["0 0 1", "1 2 2", "3 3 4", "4 5 5"]],
    [2 + 256, 4, "near=2", ["0 0 1 1", "2 2 3 3"]],
    [3 + 256, 4, "near=3", ["0 0 0 1", "1 1 2 2", "2 3 3 3"]],
    [1 + 512, 4, "far=2", ["0 1 2 3", "4 5 6 7", "3 0 1 2", "7 4 5 6"]],
    [1 + 512 + OFFSET, 4, "offset=2", ["0 1 2 3", "3 0 1 2", "4 5 6 7", "7 4 5 6"]],
    [1 + 512 + SETS_BY_SIZE, 4, "far=2, far-sets", ["0 1 2 3", "4 5 6 7", "1 0 3 2", "5 4 7 6"]],
    [1 + 512 + SETS_BY_SIZE, 5, "far=2, far-sets", ["0 1 2 3 4", "1 0 4 2 3"]],
    [2 + 512, 4, "near=2, far=2", ["0 0 1 1", "2 2 3 3", "1 1 0 0", "3 3 2 2"]],
  ])("layout %d of %d members, %s", (number, disks, name, rows) => {
    const layout = parseRaid10Layout(number, disks)!;
    expect(layoutName("raid10", number)).toBe(name);
    const geometry = new Raid10Geometry(layout, disks, CHUNK, rows.length * CHUNK);
    expect(draw(geometry).map((row) => row.join(" "))).toEqual(rows);
  });
});

describe("parseRaid10Layout", () => {
  it.each([
    ["no copies", 0, 4],
    ["one copy only", 1 + 256, 4],
    ["no far count", 2, 4],
    ["more copies than members", 3 + 512, 4],
    ["both ways of making sets", 1 + 512 + SETS_BY_COUNT + SETS_BY_SIZE, 4],
    ["bits nobody knows", 2 + 256 + (1 << 19), 4],
    ["negative", -1, 4],
  ])("refuses %s", (_what, layout, disks) => {
    expect(parseRaid10Layout(layout, disks)).toBeNull();
  });
});

it("is exact where 32 bits are not enough", () => {
  const layout = parseRaid10Layout(2 + 512, 5)!;
  const geometry = new Raid10Geometry(layout, 5, 1024, 2 ** 43);
  const sector = geometry.arraySectors - 1;
  for (const { slot, memberSector } of geometry.copies(sector)) {
    expect(memberSector).toBeLessThan(2 ** 43);
    expect(geometry.toVolume(slot, memberSector)).toBe(sector);
  }
});
