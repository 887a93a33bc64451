import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { utcText } from "./dates.ts";

describe("utcText", () => {
  it("says what Date says", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 253_402_300_799 }), (seconds) => {
        expect(utcText(seconds)).toBe(new Date(seconds * 1000).toISOString().replace(".000", ""));
      }),
      { seed: 1, numRuns: 2000 },
    );
  });

  it("knows leap days", () => {
    expect(utcText(951_782_400)).toBe("2000-02-29T00:00:00Z");
    expect(utcText(4_107_542_399)).toBe("2100-02-28T23:59:59Z");
    expect(utcText(4_107_542_400)).toBe("2100-03-01T00:00:00Z");
  });
});
