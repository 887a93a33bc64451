import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeBadBlocks, encodeBadBlocks, joinRanges } from "./bad-blocks.ts";

function logOf(...entries: bigint[]): Uint8Array {
  const data = new Uint8Array(4096).fill(0xff);
  const view = new DataView(data.buffer);
  entries.forEach((entry, i) => view.setBigUint64(8 * i, entry, true));
  return data;
}

describe("the bad block log", () => {
  it("has a sector in 54 bits and a length in 10", () => {
    expect(decodeBadBlocks(logOf((3048n << 10n) | 16n, (9000n << 10n) | 512n), 0)).toEqual({
      kind: "ok",
      ranges: [
        { sector: 3048, sectors: 16 },
        { sector: 9000, sectors: 512 },
      ],
    });
    expect(decodeBadBlocks(logOf((10n << 10n) | 2n), 3)).toEqual({
      kind: "ok",
      ranges: [{ sector: 80, sectors: 16 }],
    });
  });

  it("ends at the first entry of all ones, and is empty without any", () => {
    const none = 0xffff_ffff_ffff_ffffn;
    const decoded = decodeBadBlocks(logOf((1n << 10n) | 1n, none, (5n << 10n) | 1n), 0);
    expect(decoded).toEqual({ kind: "ok", ranges: [{ sector: 1, sectors: 1 }] });
    expect(decodeBadBlocks(logOf(), 0)).toEqual({ kind: "ok", ranges: [] });
  });

  it("joins what touches and sorts what is out of order", () => {
    const ranges = [
      { sector: 20, sectors: 10 },
      { sector: 5, sectors: 5 },
      { sector: 10, sectors: 12 },
      { sector: 40, sectors: 0 },
    ];
    expect(joinRanges(ranges)).toEqual([{ sector: 5, sectors: 25 }]);
  });

  it("refuses sectors beyond any device", () => {
    expect(decodeBadBlocks(logOf((1n << 63n) | 1n), 0).kind).toBe("bad");
  });

  it("never throws, and gives back what was encoded", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(53), (data, shift) => {
        expect(["ok", "bad"]).toContain(decodeBadBlocks(data, shift).kind);
      }),
      { seed: 11, numRuns: 300 },
    );
    const range = fc.record({
      sector: fc.integer({ min: 0, max: 2 ** 40 }),
      sectors: fc.integer({ min: 1, max: 3000 }),
    });
    fc.assert(
      fc.property(fc.array(range, { maxLength: 20 }), (ranges) => {
        const data = encodeBadBlocks(ranges, 0, 4096)!;
        expect(decodeBadBlocks(data, 0)).toEqual({ kind: "ok", ranges: joinRanges(ranges) });
      }),
      { seed: 12, numRuns: 300 },
    );
  });

  it("says when the log is too small, and widens to whole units", () => {
    expect(encodeBadBlocks([{ sector: 0, sectors: 5000 }], 0, 72)).toBeNull();
    const wide = encodeBadBlocks([{ sector: 9, sectors: 1 }], 3, 512)!;
    expect(decodeBadBlocks(wide, 3)).toEqual({ kind: "ok", ranges: [{ sector: 8, sectors: 8 }] });
  });
});
