import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { goldenCase, unpackImage } from "./golden.ts";
import { stampedSectors, stampInto, stampRuns, writeStampFile } from "./stamp.ts";

describe("stamps", () => {
  it("are the records of the pattern, byte for byte", () => {
    const sector = stampedSectors("ab1-C", 0x1_0000_0203, 1);
    expect([...sector.subarray(0, 16)]).toEqual([
      3, 2, 0, 0, 1, 0, 0, 0, 0x61, 0x62, 0x31, 0x2d, 0x43, 0, 0, 0,
    ]);
    for (let at = 0; at < 512; at += 16) {
      expect(sector.subarray(at, at + 16)).toEqual(sector.subarray(0, 16));
    }
  });

  it("refuse seeds that do not fit", () => {
    for (const seed of ["", "ninechars", "\u00e9"]) {
      expect(() => stampedSectors(seed, 0, 1)).toThrow("1 to 8 ASCII");
    }
  });

  it("written to a file are the same as in memory", () => {
    const folder = mkdtempSync(join(tmpdir(), "holdfast-stamp-"));
    try {
      writeStampFile(join(folder, "s"), "seed", 5000);
      expect(readFileSync(join(folder, "s")).equals(stampedSectors("seed", 0, 5000))).toBe(true);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("stampRuns", () => {
  it("names stamps, moved stamps, zeros and other bytes", () => {
    const data = new Uint8Array(12 * 512);
    stampInto(data.subarray(0, 3 * 512), "one", 100);
    stampInto(data.subarray(3 * 512, 5 * 512), "two", 103);
    stampInto(data.subarray(5 * 512, 6 * 512), "two", 98);
    data.fill(7, 8 * 512, 9 * 512);
    stampInto(data.subarray(9 * 512), "one", 109);
    data.set([1], 10 * 512 + 300);
    expect(stampRuns(data, 100)).toEqual([
      "100 3 stamp one",
      "103 2 stamp two",
      "105 1 stamp two moved -7",
      "106 2 zero",
      "108 1 other",
      "109 1 stamp one",
      "110 1 other",
      "111 1 stamp one",
    ]);
  });

  it("sees in a mirror leg what the kernel's map says of the volume", () => {
    const golden = goldenCase("raid1-2-bitmap");
    const read = golden.views[0]?.volumes["volume"];
    const offset = Number(golden.members[0]?.kernel?.["offset"]) * 512;
    const volume = unpackImage(golden, 0).subarray(offset, offset + (read?.bytes ?? 0));
    expect(stampRuns(volume)).toEqual(read?.map);
  });
});
