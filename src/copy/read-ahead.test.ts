import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ArrayDevice } from "../../test/support/array-device.ts";
import { HoldfastError } from "../base/errors.ts";
import { Prng } from "../base/prng.ts";
import type { Bio } from "../block/bio.ts";
import type { Extent } from "../block/device.ts";
import { RangeList } from "./ranges.ts";
import { readInOrder } from "./read-ahead.ts";
import type { ReadAheadOptions } from "./read-ahead.ts";

const SMALL = { window: 3, requestBytes: 4096 };

function failingAt(bad: ReadonlySet<number>): (bio: Bio) => HoldfastError | null {
  return (bio) => {
    for (let sector = bio.sector; sector < bio.sector + bio.sectors; sector += 1) {
      if (bad.has(sector)) {
        bio.data.fill(0xee);
        return new HoldfastError("io", `sector ${sector} cannot be read.`);
      }
    }
    return null;
  };
}

async function readAll(device: ArrayDevice, options: ReadAheadOptions = SMALL) {
  const content = new Uint8Array(device.sectors * 512);
  const unreadable = new RangeList();
  const kinds: string[] = [];
  let at = 0;
  for await (const piece of readInOrder(device, options)) {
    expect(piece.offsetBytes).toBe(at);
    const length = piece.kind === "data" ? piece.data.length : piece.lengthBytes;
    if (piece.kind === "data") content.set(piece.data, at);
    if (piece.kind === "unreadable") unreadable.add(at, length);
    kinds.push(`${piece.kind} ${length}`);
    at += length;
  }
  expect(at).toBe(content.length);
  return { content, unreadable, kinds };
}

function filled(sectors: number): ArrayDevice {
  const device = new ArrayDevice(sectors);
  new Prng(7).fill(device.bytes);
  return device;
}

describe("readInOrder", () => {
  it("gives the whole device, in requests that start at multiples of their size", async () => {
    const device = filled(21);
    const { content, kinds } = await readAll(device);
    expect(content).toEqual(device.bytes);
    expect(kinds).toEqual(["data 4096", "data 4096", "data 2560"]);
  });

  it("has nothing to give for an empty device", async () => {
    expect((await readAll(filled(0))).kinds).toEqual([]);
  });

  it("reports what the device knows to be zero without reading it", async () => {
    const device = filled(64);
    device.bytes.fill(0, 10 * 512, 40 * 512);
    const runs: Extent[] = [
      { sector: 0, sectors: 10, kind: "data" },
      { sector: 10, sectors: 20, kind: "hole" },
      { sector: 30, sectors: 10, kind: "zero" },
      { sector: 40, sectors: 24, kind: "data" },
    ];
    device.extents = (sector) => runs.filter((run) => run.sector >= sector);
    const { content, kinds } = await readAll(device);
    expect(content).toEqual(device.bytes);
    expect(kinds).toEqual([
      "data 4096",
      "data 1024",
      "zeros 10240",
      "zeros 5120",
      "data 4096",
      "data 4096",
      "data 4096",
    ]);
    expect(device.seen.every((bio) => bio.sector < 10 || bio.sector >= 40)).toBe(true);
  });

  it("keeps the window full, and never more than that", async () => {
    const device = filled(80);
    device.held = true;
    const pieces = readInOrder(device, SMALL);
    const first = pieces.next();
    expect(device.pending.map((bio) => bio.sector)).toEqual([0, 8, 16]);
    device.finish(2);
    device.finish(1);
    device.finish(0);
    expect((await first).value).toMatchObject({ kind: "data", offsetBytes: 0 });
    // The first piece is still lent: nothing more is asked for.
    expect(device.pending).toHaveLength(0);
    await pieces.next();
    expect(device.pending.map((bio) => bio.sector)).toEqual([24]);
    const stopped = pieces.return();
    let hasStopped = false;
    void stopped.then(() => (hasStopped = true));
    await Promise.resolve();
    expect(hasStopped).toBe(false);
    device.finish();
    await stopped;
  });

  it("splits a failed request down to the bad sectors", async () => {
    const device = filled(24);
    device.fault = failingAt(new Set([9, 10, 23]));
    const { content, unreadable, kinds } = await readAll(device);
    expect(unreadable.all).toEqual([
      { offsetBytes: 9 * 512, lengthBytes: 1024 },
      { offsetBytes: 23 * 512, lengthBytes: 512 },
    ]);
    expect(unreadable.totalBytes).toBe(1536);
    expect(kinds.slice(0, 5)).toEqual([
      "data 4096",
      "data 512",
      "unreadable 512",
      "unreadable 512",
      "data 512",
    ]);
    const expected = device.bytes.slice();
    expected.fill(0, 9 * 512, 11 * 512);
    expected.fill(0, 23 * 512);
    expect(content).toEqual(expected);
  });

  it("loses whole blocks where the device has larger ones", async () => {
    const device = filled(64);
    Object.assign(device.limits, { logicalBlockBytes: 4096 });
    device.fault = failingAt(new Set([9]));
    const { unreadable } = await readAll(device, { window: 2, requestBytes: 16384 });
    expect(unreadable.all).toEqual([{ offsetBytes: 4096, lengthBytes: 4096 }]);
  });

  it("finds exactly the bad sectors, wherever they are", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 70 }),
        fc.uniqueArray(fc.integer({ min: 0, max: 69 }), { maxLength: 12 }),
        fc.constantFrom(512, 1024, 4096, 8192),
        fc.integer({ min: 1, max: 5 }),
        async (sectors, marks, requestBytes, window) => {
          const bad = marks.filter((sector) => sector < sectors).toSorted((a, b) => a - b);
          const device = filled(sectors);
          device.fault = failingAt(new Set(bad));
          const { content, unreadable } = await readAll(device, { window, requestBytes });
          const found = unreadable.all.flatMap(({ offsetBytes, lengthBytes }) =>
            Array.from({ length: lengthBytes / 512 }, (_unused, i) => offsetBytes / 512 + i),
          );
          expect(found).toEqual(bad);
          const expected = device.bytes.slice();
          for (const sector of bad) expected.fill(0, sector * 512, sector * 512 + 512);
          expect(content).toEqual(expected);
        },
      ),
      { numRuns: 60 },
    );
  });
});
