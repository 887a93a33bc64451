import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isParityLayout, layoutName, parseLayout } from "./layout-names.ts";

describe("layout names", () => {
  it.each([
    ["raid5", 2, "left-symmetric"],
    ["raid5", 5, "parity-last"],
    ["raid6", 10, "ddf-N-continue"],
    ["raid6", 18, "left-symmetric-6"],
    ["raid10", 0x102, "near=2"],
    ["raid10", 0x201, "far=2"],
    ["raid10", 0x10201, "offset=2"],
    ["raid10", 0x202, "near=2, far=2"],
    ["raid10", 0x40201, "far=2, far-sets"],
    ["raid10", 0x101, "near=1"],
    ["raid0", 1, "original"],
    ["raid0", 2, "alternate"],
    ["raid1", 0, "-"],
  ] as const)("%s layout %i is %s", (level, number, name) => {
    expect(layoutName(level, number)).toBe(name);
    expect(parseLayout(level, name)).toBe(number);
  });

  it("takes mdadm's short words", () => {
    expect(parseLayout("raid5", "ls")).toBe(2);
    expect(parseLayout("raid6", "default")).toBe(2);
    expect(parseLayout("raid5", "ddf-zero-restart")).toBe(1);
    expect(parseLayout("raid6", "ddf-zero-restart")).toBe(8);
    expect(parseLayout("raid10", "n2")).toBe(0x102);
    expect(parseLayout("raid10", "o3")).toBe(0x10301);
    expect(parseLayout("raid10", "f2")).toBe(0x201);
  });

  it("has no number for nonsense", () => {
    for (const text of ["", "x2", "n0", "n256", "n2,", "near", "left-symmetric"])
      expect(parseLayout("raid10", text), text).toBeNull();
    expect(parseLayout("raid5", "left-symmetric-6")).toBeNull();
  });

  it("goes both ways for every layout a raid4, raid5, raid6 or raid10 can have", () => {
    for (const level of ["raid5", "raid6"] as const)
      for (let layout = -1; layout < 32; layout += 1) {
        const back = parseLayout(level, layoutName(level, layout));
        expect(back).toBe(isParityLayout(level, layout) ? layout : null);
      }
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 255 }),
        fc.integer({ min: 1, max: 255 }),
        fc.integer({ min: 0, max: 5 }),
        (near, far, flags) => {
          const layout = near | (far << 8) | (flags << 16);
          expect(parseLayout("raid10", layoutName("raid10", layout))).toBe(layout);
        },
      ),
      { seed: 8, numRuns: 500 },
    );
  });
});
