import { describe, expect, it } from "vitest";
import type { MdReshape, MdShape, MdSuperblock } from "../formats/md/superblock.ts";
import { superblockOf } from "../../test/support/md-superblock.ts";
import { KERNEL_FACTS } from "./kernel-facts.ts";
import type { KernelContext } from "./kernel-facts.ts";
import { compareReleases, explainKernels, intersect } from "./kernels.ts";
import type { ExplainedKernels } from "./explanation.ts";

const whole = { present: [true, true, true, true], journalThere: false };

function kernels(
  changes: Partial<MdSuperblock>,
  context: Partial<KernelContext> = {},
  state = whole,
): ExplainedKernels {
  const superblock = superblockOf(0, changes);
  const defaults = { superblock, superblocks: [superblock], bitmapMajors: new Set<number>() };
  return explainKernels({ ...defaults, raid0: null, ...context }, state);
}

const shaped = (level: MdShape["level"], layout: number, chunkSectors = 128): MdShape => ({
  level,
  layout,
  chunkSectors,
  raidDisks: 4,
});

const reshape = (changes: Partial<MdReshape> = {}): MdReshape => ({
  positionSectors: 1_000_000,
  deltaDisks: 1,
  backwards: false,
  before: { ...shaped("raid5", 2), raidDisks: 3 },
  after: shaped("raid5", 2),
  newOffsetDeltaSectors: -1024,
  ...changes,
});

describe("compareReleases", () => {
  it("compares number by number", () => {
    expect(compareReleases("2.6.9", "2.6.18")).toBeLessThan(0);
    expect(compareReleases("3.10", "3.9")).toBeGreaterThan(0);
    expect(compareReleases("4.4", "4.4")).toBe(0);
    expect(compareReleases("2.6.39", "3.0")).toBeLessThan(0);
  });
});

describe("intersect", () => {
  it("keeps what is in both, and drops what is in none", () => {
    const gap = [
      { from: "2.6.0", to: "6.7" },
      { from: "6.14", to: null },
    ];
    expect(intersect(gap, [{ from: "5.4", to: null }])).toEqual([
      { from: "5.4", to: "6.7" },
      { from: "6.14", to: null },
    ]);
    expect(intersect(gap, [{ from: "6.8", to: "6.13" }])).toEqual([]);
    expect(intersect(gap, [{ from: "6.7", to: "6.7" }])).toEqual([{ from: "6.7", to: "6.7" }]);
  });
});

describe("explainKernels", () => {
  const oldest: readonly (readonly [string, Partial<MdSuperblock>, string])[] = [
    ["0.90", { version: "0.90" }, "2.6.0"],
    ["metadata 1", {}, "2.6.10"],
    ["raid6 of the first kind", { shape: shaped("raid6", 2), version: "0.90" }, "2.6.2"],
    ["raid10 near", { shape: shaped("raid10", 0x102), version: "0.90" }, "2.6.9"],
    ["raid10 offset", { shape: shaped("raid10", 0x10201) }, "2.6.18"],
    ["raid10 far sets, first kind", { shape: shaped("raid10", 0x20201) }, "3.9"],
    ["raid10 far sets", { shape: shaped("raid10", 0x40201) }, "4.4"],
    ["raid5 parity-last", { shape: shaped("raid5", 5) }, "2.6.30"],
    ["raid6 left-symmetric-6", { shape: shaped("raid6", 18) }, "2.6.30"],
    ["raid6 ddf", { shape: shaped("raid6", 10) }, "2.6.30"],
    ["raid0 with an odd chunk", { shape: shaped("raid0", 0, 24) }, "2.6.31"],
    ["recovery offset", { features: ["recovery-offset"] }, "2.6.18"],
    ["recovery bitmap", { recoveryByBitmap: true }, "3.14"],
    ["replacement", { replacement: true }, "3.3"],
    ["bad blocks", { badBlockLog: { startSector: 24, sectors: 8, shift: 0, inUse: true } }, "3.1"],
    ["journal", { hasJournal: true }, "4.4"],
    ["PPL", { ppl: { startSector: 24, sectors: 8, multiple: false } }, "4.12"],
    ["multiple PPLs", { ppl: { startSector: 24, sectors: 8, multiple: true } }, "4.14"],
    ["raid0 layout", { shape: shaped("raid0", 2), raid0Layout: "alternate" }, "5.4"],
    ["clustered raid1", { shape: shaped("raid1", 0, 0), clustered: true }, "4.4"],
    ["clustered raid10", { shape: shaped("raid10", 0x102), clustered: true }, "4.15"],
    ["logical block size", { logicalBlockBytes: 4096 }, "6.19"],
    ["big 0.90 members", { version: "0.90", componentSectors: 5 * 2 ** 30 }, "3.1"],
    ["raid5 growing with a new offset", { reshape: reshape(), features: ["new-offset"] }, "3.5"],
    ["raid5 growing", { reshape: reshape({ newOffsetDeltaSectors: 0 }) }, "2.6.17"],
    ["raid5 shrinking", { reshape: reshape({ deltaDisks: -1, backwards: true }) }, "2.6.31"],
    [
      "raid10 growing",
      { reshape: reshape({ before: shaped("raid10", 0x102), after: shaped("raid10", 0x102) }) },
      "3.5",
    ],
  ];
  it.each(oldest)("%s", (_what, changes, release) => {
    const told = kernels(changes);
    expect(told.oldest).toBe(release);
    expect(told.accepts).toBe(`Linux ${release} and later`);
  });

  it("knows bitmaps by their major", () => {
    const majors = (...given: number[]): Partial<KernelContext> => ({
      bitmapMajors: new Set(given),
    });
    const internal = { bitmapSector: 16, version: "0.90" } as const;
    expect(kernels(internal, majors(4)).oldest).toBe("2.6.15");
    expect(kernels(internal, majors(3)).oldest).toBe("2.6.15");
    const mirror = { ...internal, shape: shaped("raid1", 0, 0) };
    expect(kernels(mirror, majors(3)).oldest).toBe("2.6.13");
    expect(kernels(internal, majors(6))).toMatchObject({
      oldest: "6.18",
      because: expect.stringContaining("lockless"),
    });
  });

  it("knows that linear was gone for a while", () => {
    const told = kernels({ shape: shaped("linear", 0, 0) });
    expect(told.accepts).toBe("Linux 2.6.10 to 6.7, and 6.14 and later");
  });

  it("knows what raid0 of unequal members is up to", () => {
    const raid0 = { shape: shaped("raid0", 0), raid0Layout: null };
    const zones = (count: number, membersInSecond: number): Partial<KernelContext> => ({
      raid0: { zones: count, membersInSecond },
    });
    expect(kernels(raid0, zones(1, 0)).accepts).toBe("Linux 2.6.10 and later");
    expect(kernels(raid0, zones(2, 1)).accepts).toBe("Linux 2.6.10 to 5.3, and 5.19 and later");
    const torn = kernels(raid0, zones(3, 2));
    expect(torn.accepts).toBe("Linux 2.6.10 to 5.3");
    expect(torn.reasons.join(" ")).toMatch(/3\.14.*default_layout/);
  });

  it("takes any member's features, and the one that asks for the newest kernel as the reason", () => {
    const superblock = superblockOf(0);
    const ppl = { startSector: 24, sectors: 8, multiple: false };
    const told = kernels({}, { superblocks: [superblock, superblockOf(1, { ppl })] });
    expect(told).toMatchObject({ oldest: "4.12", because: "the partial parity log" });
    expect(told.reasons[0]).toContain("4.12");
  });

  it("does not guess about bits it does not know", () => {
    const told = kernels({ unknownFeatures: 0x8000 });
    expect(told).toMatchObject({ oldest: null, ranges: [] });
    expect(told.refusedBy.join()).toContain("0x8000");
  });

  it("says who refuses the set as it is", () => {
    const refused = (changes: Partial<MdSuperblock>, present = whole.present): string =>
      kernels(changes, {}, { present, journalThere: false }).refusedBy.join("; ");
    expect(refused({})).toBe("");
    expect(refused({ reservedBytesSet: true })).toContain("reserved bytes");
    expect(refused({ version: "0.90", byteOrder: "big" })).toContain("little-endian");
    expect(refused({ shape: shaped("raid5", 2, 8) })).toContain("64 KiB");
    expect(refused({ hasJournal: true })).toContain("read-only");
    const three = [true, true, true, false];
    expect(refused({}, three)).toBe("");
    expect(refused({ resyncOffsetSectors: 0 }, three)).toContain("dirty and degraded");
    expect(refused({}, [true, true, false, false])).toContain("too many members");
    const inPlace = reshape({ deltaDisks: 0, newOffsetDeltaSectors: 0 });
    expect(refused({ reshape: inPlace })).toContain("backup file");
  });
});

describe("the table of facts", () => {
  it("has ranges in order, none of them empty", () => {
    for (const { feature, ranges } of KERNEL_FACTS) {
      expect(intersect(ranges, [{ from: "2.6.0", to: null }]), feature).toEqual(ranges);
      const starts = ranges.map((range) => range.from);
      expect(starts.toSorted(compareReleases), feature).toEqual(starts);
    }
  });
});
