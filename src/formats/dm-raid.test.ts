import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeDmRaid, dmRaidSuper } from "./dm-raid.ts";
import type { DmRaidSuper } from "./dm-raid.ts";

function bytesOf(changes: Partial<DmRaidSuper> = {}): Uint8Array {
  const data = new Uint8Array(512);
  dmRaidSuper.encodeInto(data, 0, {
    magic: 0x64526d44,
    compatFeatures: 1,
    numDevices: 3,
    arrayPosition: 1,
    level: 5,
    ...changes,
  });
  return data;
}

describe("dm-raid's superblock", () => {
  it("starts with DmRd", () => {
    expect(new TextDecoder().decode(bytesOf().subarray(0, 4))).toBe("DmRd");
    expect(decodeDmRaid(new Uint8Array(512))).toEqual({ kind: "none" });
  });

  it("lists failed devices, those from 64 on only in the extended form", () => {
    const failing = { failedDevices: 0b101n, extendedFailedDevices: [2n, 0n, 1n] };
    expect(decodeDmRaid(bytesOf(failing))).toMatchObject({
      extended: true,
      failed: [0, 2, 65, 192],
    });
    expect(decodeDmRaid(bytesOf({ ...failing, compatFeatures: 0 }))).toMatchObject({
      extended: false,
      failed: [0, 2],
    });
  });

  it("refuses impossible sets and unknown features", () => {
    expect(decodeDmRaid(bytesOf({ numDevices: 254 })).kind).toBe("bad");
    expect(decodeDmRaid(bytesOf({ arrayPosition: 3 })).kind).toBe("bad");
    expect(decodeDmRaid(bytesOf({ compatFeatures: 3 })).kind).toBe("bad");
    expect(decodeDmRaid(bytesOf({ incompatFeatures: 1 })).kind).toBe("bad");
  });

  it("never throws and keeps every byte", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 512, maxLength: 512 }), (data) => {
        const copy = new Uint8Array(data);
        dmRaidSuper.encodeInto(copy, 0, dmRaidSuper.decode(data));
        expect(Buffer.compare(copy, data)).toBe(0);
        copy.set([0x44, 0x6d, 0x52, 0x64]);
        expect(["ok", "bad"]).toContain(decodeDmRaid(copy).kind);
      }),
      { seed: 16, numRuns: 200 },
    );
  });
});
