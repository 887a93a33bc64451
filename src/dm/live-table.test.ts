import { describe, expect, test } from "vitest";
import { HoldfastError } from "../base/errors.ts";
import { discardBio, flushBio, ownBio, readBio } from "../block/bio.ts";
import type { Bio } from "../block/bio.ts";
import { WRITABLE_LIMITS } from "../block/device.ts";
import type { BlockDevice, Extent } from "../block/device.ts";
import { ended } from "../block/promises.ts";
import { LiveTable } from "./live-table.ts";
import type { PlacedTarget } from "./live-table.ts";
import type { Route, Target } from "./target.ts";

interface FakeOptions {
  readonly splitSectors?: number;
  readonly discard?: boolean;
  readonly kind?: Extent["kind"];
}

/** Notes what it is given, and ends nothing by itself. */
class Fake implements Target {
  readonly limits;
  readonly splitSectors;
  readonly devices = [];
  readonly got: Bio[] = [];
  readonly #kind: Extent["kind"];
  route?: Route;
  isClosed = false;

  constructor({ splitSectors = 0, discard = true, kind = "data" }: FakeOptions = {}) {
    this.limits = { ...WRITABLE_LIMITS, discard };
    this.splitSectors = splitSectors;
    this.#kind = kind;
  }

  submit(bio: Bio): void {
    this.got.push(bio);
  }

  get places(): string[] {
    return this.got.map(({ op, sector, sectors }) => `${op} ${sector}+${sectors}`);
  }

  extents(sector: number, sectors: number): Extent[] {
    return [{ sector, sectors, kind: this.#kind }];
  }

  status(): string {
    return "fine";
  }

  table(): string {
    return "";
  }

  close(): Promise<void> {
    this.isClosed = true;
    return Promise.resolve();
  }
}

function tableOf(...parts: readonly (readonly [number, Fake])[]): LiveTable {
  let start = 0;
  const placed = parts.map(([sectors, target]): PlacedTarget => {
    const one = { start, sectors, target };
    start += sectors;
    const type = { name: "fake", version: [1, 0, 0], isSingleton: false } as const;
    return { ...one, type: { ...type, construct: () => Promise.resolve(target) } };
  });
  return new LiveTable(placed, [], false);
}

function submit(table: LiveTable, bio: Bio): Promise<void> {
  return ended((end) => table.submit(bio, end));
}

const IGNORE = (): void => {};
const IO = new HoldfastError("io", "broken");

describe("a live table", () => {
  test("gives each target its part, by its own sectors, and ends with the last", async () => {
    const [a, b, c] = [new Fake(), new Fake(), new Fake()];
    const table = tableOf([8, a], [4, b], [8, c]);
    const data = new Uint8Array(10 * 512);
    const done = submit(table, readBio(6, data, IGNORE));
    expect([a.places, b.places, c.places]).toEqual([["read 6+2"], ["read 0+4"], ["read 0+4"]]);
    c.got[0]!.data.fill(3);
    for (const one of [c, a, b]) one.got[0]!.end(null);
    await done;
    expect([data[5 * 512], data[6 * 512], data[10 * 512 - 1]]).toEqual([0, 3, 3]);
  });

  test("crosses no boundary of a target, counted from its start", () => {
    const a = new Fake({ splitSectors: 4 });
    const table = tableOf([6, new Fake()], [20, a]);
    table.submit(readBio(9, new Uint8Array(9 * 512), IGNORE), IGNORE);
    expect(a.places).toEqual(["read 3+1", "read 4+4", "read 8+4"]);
  });

  test("passes a bio on whole that ends at a boundary", () => {
    const a = new Fake({ splitSectors: 4 });
    const data = new Uint8Array(4 * 512);
    tableOf([20, a]).submit(readBio(4, data, IGNORE), IGNORE);
    expect(a.got[0]!.data).toBe(data);
  });

  test("flushes all targets, and says what failed when the last has ended", async () => {
    const [a, b] = [new Fake(), new Fake()];
    const done = submit(tableOf([8, a], [8, b]), flushBio(IGNORE));
    a.got[0]!.end(IO);
    const state = { isOver: false };
    done.catch(() => (state.isOver = true));
    await Promise.resolve();
    expect(state.isOver).toBe(false);
    b.got[0]!.end(null);
    await expect(done).rejects.toThrow("broken");
  });

  test("fails the part of a discard that a target does not take, and does the rest", async () => {
    const [a, b] = [new Fake(), new Fake({ discard: false })];
    const table = tableOf([8, a], [8, b]);
    expect(table.limits.discard).toBe(true);
    const done = submit(table, discardBio(4, 8, IGNORE));
    expect([a.places, b.places]).toEqual([["discard 4+4"], []]);
    a.got[0]!.end(null);
    await expect(done).rejects.toThrow(expect.objectContaining({ code: "unsupported" }));
  });

  test("sends a read or write of one piece as the bio it is given, and nothing else", () => {
    const [a, b] = [new Fake(), new Fake({ splitSectors: 4 })];
    const table = tableOf([8, a], [8, b]);
    const own = ownBio(IGNORE);
    expect(table.sendWhole(readBio(10, new Uint8Array(2 * 512), IGNORE), own)).toBe(true);
    expect([b.places, b.got[0] === own]).toEqual([["read 2+2"], true]);
    for (const bio of [
      readBio(6, new Uint8Array(4 * 512), IGNORE),
      readBio(10, new Uint8Array(4 * 512), IGNORE),
      discardBio(0, 8, IGNORE),
      flushBio(IGNORE),
    ])
      expect(table.sendWhole(bio, own)).toBe(false);
    expect([a.places, b.places]).toEqual([[], ["read 2+2"]]);
  });

  test("sends it where a target says, and tells that target when it has failed", () => {
    const [a, b, on] = [new Fake(), new Fake(), new Fake()];
    const failures: string[] = [];
    b.route = {
      deviceAt: () => on as unknown as BlockDevice,
      sectorAt: (sector) => sector + 100,
      failed: (sector, error) => failures.push(`${sector} ${error.message}`),
    };
    const table = tableOf([8, a], [8, b]);
    expect(table.sendWhole(readBio(9, new Uint8Array(512), IGNORE), ownBio(IGNORE))).toBe(true);
    expect([b.places, on.places]).toEqual([[], ["read 101+1"]]);
    table.wholeFailed(9, IO);
    table.wholeFailed(0, IO);
    expect(failures).toEqual(["1 broken"]);
  });

  test("joins extents of its targets", () => {
    const table = tableOf([8, new Fake()], [4, new Fake()], [8, new Fake({ kind: "hole" })]);
    expect(table.extents(6, 10, 9)).toEqual([
      { sector: 6, sectors: 6, kind: "data" },
      { sector: 12, sectors: 4, kind: "hole" },
    ]);
    expect(table.extents(6, 10, 1)).toHaveLength(1);
  });

  test("closes all, whatever fails", async () => {
    const [a, b] = [new Fake(), new Fake()];
    a.close = () => Promise.reject(IO);
    await expect(tableOf([8, a], [8, b]).close()).rejects.toThrow("broken");
    expect(b.isClosed).toBe(true);
  });
});
