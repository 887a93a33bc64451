import { describe, expect, it } from "vitest";
import { ArrayDevice } from "../../test/support/array-device.ts";
import { ExportTable } from "./exports.ts";
import { DEFAULT_NBD_LIMITS } from "./limits.ts";

function table(...names: string[]): ExportTable {
  const exports = names.map((name) => ({ name, device: new ArrayDevice(8) }));
  return new ExportTable(exports, DEFAULT_NBD_LIMITS);
}

function preferred(optimalIoBytes: number): number {
  const device = new ArrayDevice(8, { optimalIoBytes });
  return new ExportTable([{ name: "", device }], DEFAULT_NBD_LIMITS).all[0]!.preferredBytes;
}

describe("ExportTable", () => {
  it("finds by name; the empty name is an only export too", () => {
    expect(table("a", "b").find("b")?.name).toBe("b");
    expect(table("a", "b").find("")).toBeUndefined();
    expect(table("a", "").find("")?.name).toBe("");
    expect(table("a").find("")?.name).toBe("a");
    expect(table().find("")).toBeUndefined();
  });

  it.each([
    [["x", "x"], "Two exports"],
    [["a\0b"], "NUL"],
    [["ä".repeat(2049)], "4098 bytes"],
  ])("refuses names %j", (names, why) => {
    expect(() => table(...names)).toThrow(why);
  });

  it("prefers what the device does best, as far as a power of two can say it", () => {
    expect([0, 512, 4096, 65536, 3 * 65536, 6 * 65536, 2 ** 28].map(preferred)).toEqual([
      4096,
      4096,
      4096,
      65536,
      65536,
      131072,
      2 ** 25,
    ]);
  });
});
