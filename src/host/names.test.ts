import { describe, expect, it } from "vitest";
import { chooseNames, isCalled } from "./names.ts";
import type { ChosenNames } from "./names.ts";

function taken(...kernelNames: string[]): ChosenNames[] {
  return kernelNames.map((kernelName, at) => ({
    kernelName,
    path: `/dev/${kernelName}`,
    minor: /^md\d/.test(kernelName) ? Number(kernelName.slice(2)) : 512 + at,
  }));
}

const NONE = { kernelName: null, path: null };

describe("names of arrays", () => {
  it("follow from the path", () => {
    const at = (path: string): ChosenNames => chooseNames({ ...NONE, path }, null, []);
    expect(at("/dev/md0")).toEqual({ kernelName: "md0", path: "/dev/md0", minor: 0 });
    expect(at("/dev/md/7")).toEqual({ kernelName: "md7", path: "/dev/md/7", minor: 7 });
    expect(at("/dev/md/data")).toEqual({ kernelName: "md127", path: "/dev/md/data", minor: 127 });
    expect(at("/dev/md_data")).toEqual({
      kernelName: "md_data",
      path: "/dev/md_data",
      minor: 512,
    });
  });

  it("take the highest free number from 127 down, then from 511 down", () => {
    const path = "/dev/md/data";
    expect(chooseNames({ ...NONE, path }, null, taken("md127", "md126")).kernelName).toBe("md125");
    const all = taken(...Array.from({ length: 128 }, (_unused, n) => `md${n}`));
    expect(chooseNames({ ...NONE, path }, null, all).kernelName).toBe("md511");
    const full = taken(...Array.from({ length: 512 }, (_unused, n) => `md${n}`));
    expect(() => chooseNames({ ...NONE, path }, null, full)).toThrow("all 512 numbers");
  });

  it("are the superblock's where none are given, made unique", () => {
    expect(chooseNames(NONE, "data", []).path).toBe("/dev/md/data");
    expect(chooseNames(NONE, "3", []).kernelName).toBe("md3");
    const there = [{ kernelName: "md5", path: "/dev/md/data", minor: 5 }];
    expect(chooseNames(NONE, "data", there)).toEqual({
      kernelName: "md127",
      path: "/dev/md/data_0",
      minor: 127,
    });
    expect(chooseNames(NONE, null, []).path).toBe("/dev/md127");
    expect(chooseNames({ ...NONE, kernelName: "md4" }, "data", []).path).toBe("/dev/md4");
  });

  it("that are taken or make no sense are refused", () => {
    const refuse = (path: string): void => {
      expect(() => chooseNames({ ...NONE, path }, null, [])).toThrow("is no path for an array");
    };
    refuse("/dev/sda");
    refuse("md0");
    refuse("/dev/md512");
    refuse("/dev/md/");
    refuse("/dev/md/a/b");
    expect(() => chooseNames({ ...NONE, kernelName: "sda" }, null, [])).toThrow("no name for an");
    expect(() => chooseNames({ ...NONE, path: "/dev/md0" }, null, taken("md0"))).toThrow(
      expect.objectContaining({ code: "busy" }),
    );
  });

  it("name one array in three ways", () => {
    const names = { kernelName: "md127", path: "/dev/md/data", minor: 127 };
    for (const way of ["md127", "/dev/md127", "/dev/md/data"])
      expect(isCalled(names, way)).toBe(true);
    expect(isCalled(names, "data")).toBe(false);
  });
});
