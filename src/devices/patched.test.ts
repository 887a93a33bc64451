import { describe, expect, it } from "vitest";
import { ArrayDevice } from "../../test/support/array-device.ts";
import { readSectors, writeSectors } from "../block/promises.ts";
import { layOver } from "./patched.ts";
import type { Patch } from "./patched.ts";

function sectorsOf(value: number, sectors: number): Uint8Array {
  return new Uint8Array(sectors * 512).fill(value);
}

describe("layOver", () => {
  it("shows later patches over earlier ones, and the base around them", async () => {
    const base = new ArrayDevice(33);
    base.bytes.fill(1);
    async function* patches(): AsyncGenerator<Patch, void, undefined> {
      yield { sector: 3, data: sectorsOf(2, 10) };
      await Promise.resolve();
      yield { sector: 12, data: sectorsOf(3, 2) };
      yield { sector: 32, data: sectorsOf(4, 1) };
    }
    const patched = await layOver(base, patches());
    const seen = await readSectors(patched, 0, 33);
    const values = Array.from({ length: 33 }, (_unused, sector) => seen[sector * 512 + 511]);
    const run = (value: number, count: number): number[] => Array<number>(count).fill(value);
    expect(values).toEqual([...run(1, 3), ...run(2, 9), ...run(3, 2), ...run(1, 18), 4]);
    expect(base.bytes.every((byte) => byte === 1)).toBe(true);
  });

  it("cannot be written, and is the base itself where nothing lies over it", async () => {
    const base = new ArrayDevice(8);
    const patched = await layOver(base, [{ sector: 0, data: sectorsOf(2, 1) }]);
    await expect(writeSectors(patched, 0, sectorsOf(5, 1))).rejects.toMatchObject({
      code: "read-only",
    });
    expect(await layOver(base, [])).toBe(base);
  });
});
