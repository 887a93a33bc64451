import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { quotient } from "./units.ts";

describe("quotient", () => {
  it("is exact for all safe integers", () => {
    const value = fc.oneof(
      fc.maxSafeNat(),
      fc.integer({ min: 0, max: 1000 }).map((less) => Number.MAX_SAFE_INTEGER - less),
    );
    const unit = fc.oneof(fc.integer({ min: 1, max: 2 ** 31 }), fc.constantFrom(3, 5, 7, 128, 384));
    fc.assert(
      fc.property(value, unit, (number, divisor) => {
        const exact = Number(BigInt(number) / BigInt(divisor));
        expect(quotient(number, divisor)).toBe(exact);
        // Where rounding would show: at a multiple and right below it.
        const multiple = exact * divisor;
        expect(quotient(multiple, divisor)).toBe(exact);
        if (exact > 0) expect(quotient(multiple - 1, divisor)).toBe(exact - 1);
      }),
      { numRuns: 2000 },
    );
  });
});
