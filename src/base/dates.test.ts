import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ctimeText, utcText } from "./dates.ts";

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

describe("ctimeText", () => {
  it("says what Date says", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 253_402_300_799 }), (seconds) => {
        // "Sat, 21 Nov 2026 02:28:45 GMT"
        const [weekday, day, month, year, time] = new Date(seconds * 1000).toUTCString().split(" ");
        const theDay = String(Number(day)).padStart(2);
        expect(ctimeText(seconds)).toBe(
          `${weekday!.slice(0, 3)} ${month} ${theDay} ${time} ${Number(year)}`,
        );
      }),
      { seed: 2, numRuns: 1000 },
    );
  });
});
