import { describe, expect, it } from "vitest";
import { GF_ORDER, gfInverse, gfLog, gfMultiply, gfPower, gfTable } from "./gf256.ts";

/** Multiplication by hand: shift, reduce by 0x11d, add. */
function slowMultiply(a: number, b: number): number {
  let result = 0;
  for (let bit = 7; bit >= 0; bit -= 1) {
    result <<= 1;
    if (result >= 0x100) result ^= 0x11d;
    if ((b >> bit) % 2 === 1) result ^= a;
  }
  return result;
}

const ALL = Array.from({ length: 256 }, (_unused, value) => value);

describe("gf256", () => {
  it("multiplies like the polynomials, for every pair", () => {
    for (const a of ALL) {
      const expected = ALL.map((b) => slowMultiply(a, b));
      expect(ALL.map((b) => gfMultiply(a, b))).toEqual(expected);
      expect([...gfTable(a)]).toEqual(expected);
    }
  });

  it("has 2 as generator: its powers are all values but 0, each once", () => {
    const powers = Array.from({ length: GF_ORDER }, (_unused, n) => gfPower(n));
    expect(new Set(powers).size).toBe(GF_ORDER);
    expect(powers).not.toContain(0);
    for (const [n, value] of powers.entries()) expect(gfLog(value)).toBe(n);
    expect(gfPower(GF_ORDER)).toBe(1);
    expect(gfPower(8)).toBe(0x1d);
  });

  it("inverts everything but 0", () => {
    for (const a of ALL.slice(1)) expect(gfMultiply(a, gfInverse(a))).toBe(1);
    expect(() => gfInverse(0)).toThrow("0 is no power");
  });
});
