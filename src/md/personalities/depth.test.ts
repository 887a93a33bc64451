/**
 * Long reads over alternating good and bad sectors. Devices in memory end every bio before `submit` returns, so whatever goes
 * on to the next run in a completion would go one stack frame deeper with each: tens of thousands of them do not fit.
 */
import { describe, expect, it } from "vitest";
import { HoldfastError } from "../../base/errors.ts";
import type { SectorRange } from "../../base/units.ts";
import { readInto } from "../../block/promises.ts";
import type { Bio } from "../../block/bio.ts";
import { READ_ONLY_LIMITS } from "../../block/device.ts";
import type { BlockDevice } from "../../block/device.ts";
import type { MdShape } from "../../formats/md/superblock.ts";
import { plainEngine } from "../../parity/engine.ts";
import { MdArray } from "../array.ts";
import { makeGeometry } from "../geometry/geometry.ts";
import { Slot, fixedView } from "../slot.ts";
import { makePersonality } from "./make.ts";

const SECTORS = 16384;

/** All zeros; reads that touch a sector with this remainder fail. Null: none does. */
function comb(every: number, remainder: number | null): BlockDevice {
  return {
    name: `comb ${remainder} of ${every}`,
    sectors: SECTORS,
    limits: READ_ONLY_LIMITS,
    submit: (bio: Bio) => {
      const wait = remainder === null ? Infinity : remainder - (bio.sector % every);
      const first = bio.sector + (wait < 0 ? wait + every : wait);
      if (first < bio.sector + bio.sectors) bio.end(new HoldfastError("io", `sector ${first}`));
      else {
        bio.data.fill(0);
        bio.end(null);
      }
    },
    extents: (sector, sectors) => [{ sector, sectors, kind: "data" }],
    close: () => Promise.resolve(),
  };
}

const HEALTHY = comb(1, null);

function arrayOf(shape: MdShape, slots: readonly Slot[]): MdArray {
  const geometry = makeGeometry(shape, {
    componentSectors: SECTORS,
    memberSectors: [],
    raid0Layout: null,
  });
  const endSector = geometry.arraySectors;
  return new MdArray({
    name: "array",
    sectors: endSector,
    regions: [{ endSector, personality: makePersonality(geometry, slots, () => plainEngine) }],
    optimalIoBytes: 0,
    logicalBlockBytes: 512,
  });
}

async function isAllZeros(array: MdArray): Promise<boolean> {
  const data = new Uint8Array(SECTORS * 512).fill(0xee);
  await readInto(array, 0, data);
  return data.every((byte) => byte === 0);
}

function slotOf(number: number, device: BlockDevice, bad: readonly SectorRange[] = []): Slot {
  return new Slot(number, [fixedView(device.name, device, 0, Infinity, bad)], false);
}

function alternating(remainder: number): SectorRange[] {
  return Array.from({ length: SECTORS / 2 }, (_unused, i) => ({
    sector: 2 * i + remainder,
    sectors: 1,
  }));
}

const RAID1: MdShape = { level: "raid1", layout: 0, chunkSectors: 0, raidDisks: 2 };
const RAID5: MdShape = { level: "raid5", layout: 2, chunkSectors: SECTORS, raidDisks: 3 };

describe("a read of 8 MiB", () => {
  it("zips two copies whose bad sectors alternate", async () => {
    expect(await isAllZeros(arrayOf(RAID1, [slotOf(0, comb(2, 0)), slotOf(1, comb(2, 1))]))).toBe(
      true,
    );
  });

  it("zips two copies whose bad-block logs alternate", async () => {
    const slots = [0, 1].map((slot) => slotOf(slot, HEALTHY, alternating(slot)));
    expect(await isAllZeros(arrayOf(RAID1, slots))).toBe(true);
  });

  it("rebuilds every other sector that cannot be read", async () => {
    const slots = [slotOf(0, comb(4, 0)), slotOf(1, comb(4, 1)), slotOf(2, comb(4, 2))];
    expect(await isAllZeros(arrayOf(RAID5, slots))).toBe(true);
  });

  it("rebuilds every other sector that is listed bad", async () => {
    const slots = [slotOf(0, HEALTHY, alternating(0)), slotOf(1, HEALTHY), slotOf(2, HEALTHY)];
    expect(await isAllZeros(arrayOf(RAID5, slots))).toBe(true);
  });
});
