import { describe, expect, test } from "vitest";
import { DmWorld } from "../../../../test/support/dm-world.ts";
import { flush, readSectors, writeSectors } from "../../../block/promises.ts";

const DISKS = { a: 64, b: 64, c: 64 };

describe("striped", () => {
  test("puts chunks on its devices in turn, each behind its offset", async () => {
    const world = new DmWorld(DISKS);
    const { device, use } = await world.make("v", "0 36 striped 3 3 ./a 0 ./b 7 ./c 20");
    const data = new Uint8Array(36 * 512);
    for (let sector = 0; sector < 36; sector += 1)
      data.fill(sector + 1, sector * 512, (sector + 1) * 512);
    await writeSectors(use, 0, data);
    const firsts = async (name: string, offset: number): Promise<number[]> => {
      const bytes = await readSectors(world.disk(name), offset, 12);
      return Array.from({ length: 12 }, (_, sector) => bytes[sector * 512]! - 1);
    };
    expect(await firsts("a", 0)).toEqual([0, 1, 2, 9, 10, 11, 18, 19, 20, 27, 28, 29]);
    expect(await firsts("b", 7)).toEqual([3, 4, 5, 12, 13, 14, 21, 22, 23, 30, 31, 32]);
    expect(await firsts("c", 20)).toEqual([6, 7, 8, 15, 16, 17, 24, 25, 26, 33, 34, 35]);
    expect(await readSectors(use, 0, 36)).toEqual(data);
    expect(device.live?.table()).toEqual(["0 36 striped 3 3 ./a 0 ./b 7 ./c 20"]);
    expect(await device.live?.status(true)).toEqual(["0 36 striped 3 ./a ./b ./c 1 AAA"]);
    expect(device.limits.optimalIoBytes).toBe(9 * 512);
  });

  test("flushes every device once", async () => {
    const world = new DmWorld(DISKS);
    const { use } = await world.make("v", "0 36 striped 3 3 ./a 0 ./b 0 ./a 20");
    for (const disk of world.disks.values()) disk.hold();
    const flushed = flush(use);
    const held = [...world.disks.values()].map((disk) => disk.held.map(({ op }) => op));
    expect(held).toEqual([["flush"], ["flush"], []]);
    for (const disk of world.disks.values()) disk.release();
    await flushed;
  });

  test("tells of a device that fails, by status and by events, and not for ever", async () => {
    const world = new DmWorld(DISKS);
    const { device, use } = await world.make("v", "0 36 striped 3 3 ./a 0 ./b 0 ./a 20");
    world.disk("a").failReads(0, 1);
    for (let time = 0; time < 20; time += 1)
      await expect(readSectors(use, 0, 1)).rejects.toThrow("read failed");
    expect(await device.live?.status(true)).toEqual(["0 36 striped 3 ./a ./b ./a 1 DAD"]);
    expect(device.eventNr).toBe(14);
  });

  test.each([
    ["", "the number of stripes is missing"],
    ["0 3 ./a 0", 'word 1 ("0") is wrong: the number of stripes'],
    ["x 3 ./a 0", 'word 1 ("x") is wrong'],
    ["5 3 ./a 0", "the target's 36 sectors are not so many equal stripes"],
    ["2", "the chunk size in sectors is missing"],
    ["2 0 ./a 0 ./b 0", 'word 2 ("0") is wrong: the chunk size'],
    ["2 4 ./a 0 ./b 0", "the 18 sectors of a stripe are no whole number of chunks"],
    ["2 3 ./a 0 ./b", "2 devices with their offsets do not follow"],
    ["2 3 ./a x ./b 0", 'word 4 ("x") is wrong: the offset'],
    ["2 3 ./a 0 ./no 0", "./no: no such disk"],
    ["2 3 ./a 0 ./b 47", 'word 6 ("47") is wrong: ./b has 64 sectors, and 65 are needed'],
    ["2 3 ./a 0 ./b 0 ./c 0", 'word 7 ("./c") is wrong: nothing more was expected'],
  ])("%j is refused", async (words, message) => {
    const world = new DmWorld(DISKS);
    expect(await world.refusal(`0 36 striped ${words}`)).toContain(message);
    expect(world.open).toEqual([]);
  });
});
