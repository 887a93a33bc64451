import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ArrayDevice } from "../../test/support/array-device.ts";
import { HoldfastError } from "../base/errors.ts";
import type { Bio } from "../block/bio.ts";
import { readSectors, writeSectors } from "../block/promises.ts";
import { PreloadedDevice, mergeRanges } from "./preloaded.ts";
import { TolerantDevice } from "./tolerant.ts";

const bad = new HoldfastError("io", "Sector 5 is bad.");

function numbered(sectors: number): ArrayDevice {
  const device = new ArrayDevice(sectors, { readOnly: true });
  for (let i = 0; i < sectors; i += 1) device.bytes.fill(i, i * 512, (i + 1) * 512);
  return device;
}

function failsAt(sector: number): (bio: Bio) => HoldfastError | null {
  return (bio) => (bio.sector <= sector && sector < bio.sector + bio.sectors ? bad : null);
}

describe("mergeRanges", () => {
  it("covers what it was given, in order and with gaps wider than asked", () => {
    const range = fc.record({ sector: fc.nat(200), sectors: fc.integer({ min: 1, max: 30 }) });
    fc.assert(
      fc.property(fc.array(range), fc.nat(20), (ranges, gap) => {
        const merged = mergeRanges(ranges, gap);
        for (const { sector, sectors } of ranges) {
          const holder = merged.find(
            (each) => each.sector <= sector && sector + sectors <= each.sector + each.sectors,
          );
          expect(holder).toBeDefined();
        }
        merged.slice(1).forEach((each, i) => {
          expect(each.sector).toBeGreaterThan(merged[i]!.sector + merged[i]!.sectors + gap);
        });
      }),
    );
  });
});

describe("PreloadedDevice", () => {
  it("answers from memory within its ranges, and reads the rest", async () => {
    const inner = numbered(64);
    const ranges = [
      { sector: 0, sectors: 8 },
      { sector: 10, sectors: 4 },
    ];
    const device = await PreloadedDevice.load(inner, ranges, 2);
    expect(inner.seen).toHaveLength(1);
    expect((await readSectors(device, 9, 5))[0]).toBe(9);
    expect(inner.seen).toHaveLength(1);
    expect(await readSectors(device, 12, 4)).toEqual(inner.bytes.slice(12 * 512, 16 * 512));
    expect(inner.seen).toHaveLength(2);
    await expect(readSectors(device, 60, 5)).rejects.toThrow("are not inside");
    await expect(writeSectors(device, 0, new Uint8Array(512))).rejects.toThrow("read-only");
  });

  it("reads piece by piece where the whole could not be loaded", async () => {
    const inner = numbered(16);
    inner.fault = failsAt(5);
    const device = await PreloadedDevice.load(inner, [{ sector: 0, sectors: 16 }], 0);
    expect((await readSectors(device, 6, 2))[0]).toBe(6);
    await expect(readSectors(device, 4, 2)).rejects.toThrow("Sector 5 is bad.");
  });
});

describe("TolerantDevice", () => {
  it("gives zeros for what cannot be read, and keeps the errors", async () => {
    const inner = numbered(16);
    inner.fault = failsAt(5);
    const device = new TolerantDevice(inner);
    expect(await readSectors(device, 4, 2)).toEqual(new Uint8Array(1024));
    expect((await readSectors(device, 6, 1))[0]).toBe(6);
    expect(device.errors).toEqual([bad]);
    await expect(readSectors(device, 16, 1)).rejects.toThrow("are not inside");
  });
});
