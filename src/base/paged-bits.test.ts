import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PagedBits } from "./paged-bits.ts";

const SIZE = 100_000;

/** Ends of ranges near the places where words and pages meet. */
const place = fc.oneof(
  fc.nat(SIZE),
  fc.constantFrom(0, 1, 31, 32, 33, 32767, 32768, 32769, 65536, 98304, SIZE - 1, SIZE),
);

describe("PagedBits", () => {
  it("is an array of booleans", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(place, place, fc.boolean()), { maxLength: 12 }), (fills) => {
        const bits = new PagedBits(SIZE);
        const oracle = new Uint8Array(SIZE);
        for (const [a, b, value] of fills) {
          const [from, to] = [Math.min(a, b), Math.max(a, b)];
          if (value) bits.set(from, to);
          else bits.clear(from, to);
          oracle.fill(value ? 1 : 0, from, to);
        }
        for (let at = 0; at < SIZE;) {
          const run = bits.runAt(at, SIZE);
          expect(run.value).toBe(oracle[at] === 1);
          expect(bits.get(at)).toBe(run.value);
          const next = oracle.indexOf(run.value ? 0 : 1, at);
          expect(run.end).toBe(next < 0 ? SIZE : next);
          at = run.end;
        }
      }),
      { numRuns: 200 },
    );
  });

  it("holds 64 TiB of 4 KiB blocks in little memory, and gives pages back", () => {
    const blocks = 2 ** 34;
    const bits = new PagedBits(blocks);
    bits.set(blocks - 1, blocks);
    expect(bits.pageBytes).toBe(4096);
    bits.set(0, blocks);
    expect(bits.pageBytes).toBe(0);
    expect(bits.runAt(5, blocks)).toEqual({ value: true, end: blocks });
    bits.clear(blocks / 2, blocks / 2 + 1);
    expect(bits.runAt(0, blocks)).toEqual({ value: true, end: blocks / 2 });
    expect(bits.runAt(0, 1000)).toEqual({ value: true, end: 1000 });
    expect(bits.pageBytes).toBe(4096);
  });

  it("refuses places outside", () => {
    const bits = new PagedBits(10);
    expect(() => bits.get(10)).toThrow("inside");
    expect(() => bits.set(5, 11)).toThrow("inside");
    expect(() => bits.runAt(3, 3)).toThrow("inside");
  });
});
