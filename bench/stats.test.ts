import { expect, it } from "vitest";
import { median, rounded, summarize } from "./stats.ts";

it("takes the middle value, or the mean of the middle two", () => {
  expect(median([9, 1, 5])).toBe(5);
  expect(median([9, 1, 5, 6])).toBe(5.5);
  expect(() => median([])).toThrow("nothing");
});

it("says how far values spread, unmoved by one that is far off", () => {
  expect(summarize([10, 11, 12, 13, 1000])).toEqual({ median: 12, min: 10, max: 1000, mad: 1 });
});

it("keeps four digits", () => {
  expect(rounded(123_456.7)).toBe(123_500);
  expect(rounded(0.012_345_6)).toBe(0.012_35);
});
