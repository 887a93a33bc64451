import { describe, expect, test } from "vitest";
import { settled } from "../../../../test/support/crash-disks.ts";
import { DmWorld } from "../../../../test/support/dm-world.ts";
import { flush, readSectors, writeSectors } from "../../../block/promises.ts";

const DISKS = { a: 64, b: 64, c: 64 };
const SECTOR = new Uint8Array(512).fill(5);

/** The ends that come, by name and time. */
function watch(world: DmWorld, ends: string[], name: string, work: Promise<unknown>): void {
  const note = (): number => ends.push(`${name} ${world.time.monotonicMs()}`);
  work.then(note, note);
}

async function pass(world: DmWorld, ms: number): Promise<void> {
  for (let step = 0; step < ms; step += 10) {
    world.time.pass(10);
    await settled();
  }
}

describe("delay", () => {
  test.each([
    ["./a 0 100", ["read 100", "write 100", "flush 100"]],
    ["./a 0 100 ./b 3 50", ["write 50", "flush 50", "read 100"]],
    ["./a 0 0 ./b 3 50 ./c 0 200", ["read 0", "write 50", "flush 200"]],
  ])("%s", async (words, wanted) => {
    const world = new DmWorld(DISKS);
    const { device, use } = await world.make("v", `0 32 delay ${words}`);
    const ends: string[] = [];
    watch(world, ends, "read", readSectors(use, 0, 1));
    watch(world, ends, "write", writeSectors(use, 2, SECTOR));
    watch(world, ends, "flush", flush(use));
    await settled();
    await pass(world, 250);
    expect(ends.toSorted()).toEqual(wanted.toSorted());
    expect(device.live?.table()).toEqual([`0 32 delay ${words}`]);
    const [written, at] = words.includes("./b") ? (["b", 5] as const) : (["a", 2] as const);
    expect(await readSectors(world.disk(written), at, 1)).toEqual(SECTOR);
  });

  test("counts what it holds, and lets go of it when it is suspended; later it delays again", async () => {
    const world = new DmWorld(DISKS);
    const { device, use } = await world.make("v", "0 32 delay ./a 0 100 ./a 0 200 ./a 0 300");
    const ends: string[] = [];
    watch(world, ends, "read", readSectors(use, 0, 1));
    watch(world, ends, "read", readSectors(use, 1, 1));
    watch(world, ends, "write", writeSectors(use, 2, SECTOR));
    watch(world, ends, "flush", flush(use));
    expect(await device.live?.status(true)).toEqual(["0 32 delay 2 1 1"]);
    await world.all.suspend(device, "flush", true);
    expect(ends.toSorted()).toEqual(["flush 0", "read 0", "read 0", "write 0"]);
    expect(await device.live?.status(true)).toEqual(["0 32 delay 0 0 0"]);
    expect(world.time.pending).toBe(0);
    await world.all.resume(device);
    watch(world, ends, "again", readSectors(use, 0, 1));
    await pass(world, 100);
    expect(ends.at(-1)).toBe("again 100");
  });

  test.each([
    ["", "the device is missing"],
    ["./a", "the offset in sectors is missing behind 1 words"],
    ["./a 0", "the delay in ms is missing behind 2 words"],
    ["./a x 0", 'word 2 ("x") is wrong'],
    ["./a 0 x", 'word 3 ("x") is wrong: the delay in ms is a number from 0 to 4294967295'],
    ["./a 0 4294967296", "word 3"],
    ["./a 40 0", 'word 2 ("40") is wrong: ./a has 64 sectors, and 72 are needed'],
    ["./no 0 0", "./no: no such disk"],
    ["./a 0 0 ./b", "the write offset in sectors is missing behind 4 words"],
    ["./a 0 0 ./b 0", "the write delay in ms is missing behind 5 words"],
    ["./a 0 0 ./b 0 0 ./c", "the flush offset in sectors is missing behind 7 words"],
    ["./a 0 0 ./b 0 0 ./c 0 -1", 'word 9 ("-1") is wrong: the flush delay'],
    ["./a 0 0 ./b 0 0 ./c 0 0 x", 'word 10 ("x") is wrong: nothing more was expected'],
  ])("%j is refused", async (words, message) => {
    const world = new DmWorld(DISKS);
    expect(await world.refusal(`0 32 delay ${words}`)).toContain(message);
    expect(world.open).toEqual([]);
  });
});
