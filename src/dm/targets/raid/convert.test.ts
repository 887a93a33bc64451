import { expect, test } from "vitest";
import { DmCutWorld } from "../../../../test/support/dm-cut-world.ts";
import { Prng } from "../../../base/prng.ts";
import { flush, readSectors, writeSectors } from "../../../block/promises.ts";
import type { MappedDevice } from "../../mapped-device.ts";

const META = 64;
const DATA = 2048;

/** Metadata device n is disk 2n, data device n disk 2n + 1. */
function world(count: number): DmCutWorld {
  return DmCutWorld.empty(
    new Prng(5),
    Array.from({ length: count * 2 }, (_unused, disk) => (disk % 2 === 0 ? META : DATA)),
  );
}

function raid1(indexes: readonly number[], more = ""): string {
  const words = indexes.map((index) => `./${index * 2} ./${index * 2 + 1}`);
  const count = 3 + (more === "" ? 0 : more.split(" ").length);
  return `0 ${DATA} raid raid1 ${count} 0 ${more === "" ? "" : `${more} `}region_size 64 ${indexes.length} ${words.join(" ")}`;
}

function content(seed: number): Uint8Array {
  return new Uint8Array(DATA * 512).fill(seed);
}

async function data(at: DmCutWorld, index: number): Promise<Uint8Array> {
  return at.until(readSectors(at.disk(index * 2 + 1), 0, DATA));
}

async function same(at: DmCutWorld, index: number, seed: number): Promise<void> {
  expect(Buffer.compare(await data(at, index), content(seed))).toBe(0);
}

async function write(at: DmCutWorld, device: MappedDevice, seed: number): Promise<void> {
  const use = at.open(device);
  await at.until(writeSectors(use, 0, content(seed)));
  await at.until(use.close());
}

const IDLE = /(\d+)\/\1 idle/;

test("a new set fills the devices that are to be rebuilt from the others, and nobody else", async () => {
  const at = world(2);
  await at.until(writeSectors(at.disk(3), 0, content(7)));
  const device = await at.make("v", raid1([0, 1], "rebuild 0"));
  expect(await at.status(device)).toMatch(/ raid1 2 aA \d+\/2048 recover 0 0 -$/);
  await at.untilStatus(device, IDLE);
  await same(at, 0, 7);
  await same(at, 1, 7);
  await expect(at.make("w", raid1([0, 1], "rebuild 0 rebuild 1"))).rejects.toThrow(
    "Too many devices are missing or not in sync (0, 1)",
  );
});

test("a new set whose making was cut short does not take an empty device for a good one", async () => {
  for (let steps = 1; steps < 40; steps += 1) {
    const at = world(2);
    await at.until(writeSectors(at.disk(3), 0, content(7)));
    await at.until(flush(at.disk(3)));
    const device = at.mapped.create({ name: "v", uuid: "", minor: null });
    void at.swap(device, raid1([0, 1], "rebuild 0")).catch(() => {});
    await at.steps(steps);
    const later = at.cut();
    const again = await later.make("v", raid1([0, 1], "rebuild 0"));
    await later.untilStatus(again, IDLE);
    expect(Buffer.compare(await data(later, 0), content(7))).toBe(0);
  }
});

test("a raid1 takes another copy and lets the first one go, without a reshape", async () => {
  const at = world(3);
  const device = await at.make("v", raid1([0, 1]));
  await at.untilStatus(device, IDLE);
  await write(at, device, 4);
  await at.swap(device, raid1([0, 1, 2], "rebuild 2"));
  expect(await at.status(device)).toMatch(/ raid1 3 AAa \d+\/2048 recover 0 0 -$/);
  await at.untilStatus(device, IDLE);
  await same(at, 2, 4);
  await at.swap(device, raid1([1, 2]));
  expect(await at.status(device)).toContain(" raid1 2 AA 2048/2048 idle 0 0 -");
  await write(at, device, 5);
  await same(at, 2, 5);
  await same(at, 0, 4);
  // Who was let go of is filled when it comes back.
  await at.swap(device, raid1([1, 0]));
  expect(await at.status(device)).toContain(" Aa ");
  await at.untilStatus(device, IDLE);
  await same(at, 0, 5);
  await at.swap(device, raid1([1]));
  expect(await at.status(device)).toContain(" raid1 1 A 2048/2048 idle 0 0 -");
});

test("a copy that was left behind is not believed under another number", async () => {
  const at = world(3);
  const device = await at.make("v", raid1([0, 1, 2]));
  await at.untilStatus(device, IDLE);
  await write(at, device, 4);
  await at.swap(device, raid1([1]));
  await write(at, device, 5);
  await at.swap(device, raid1([1, 2]));
  expect(await at.status(device)).toContain(" Aa ");
  await at.untilStatus(device, IDLE);
  await same(at, 2, 5);
});

test("who is to be rebuilt is remembered: after a power cut the table need not say it", async () => {
  for (const steps of [60, 80, 120]) {
    const at = world(2);
    const device = await at.make("v", raid1([0, 1]));
    await at.untilStatus(device, IDLE);
    await write(at, device, 4);
    await at.until(at.mapped.remove(device, { deferred: false }));
    await at.until(writeSectors(at.disk(3), 0, content(9)));
    const again = await at.make("v", raid1([0, 1], "rebuild 1"));
    await at.steps(steps);
    const later = at.cut();
    const last = await later.make("v", raid1([0, 1]));
    await later.untilStatus(last, IDLE);
    expect(Buffer.compare(await data(later, 1), content(4))).toBe(0);
    expect(again.name).toBe("v");
  }
});

test("copies of a raid1 may stand in other places, and are outvoted from there", async () => {
  const at = world(2);
  const device = await at.make("v", raid1([0, 1]));
  await at.untilStatus(device, IDLE);
  await at.swap(device, raid1([1, 0]));
  expect(await at.status(device)).toContain(" raid1 2 AA 2048/2048 idle 0 0 -");
  at.disk(1).isGone = true;
  await write(at, device, 6);
  expect(await at.status(device)).toContain(" AD ");
  at.disk(1).isGone = false;
  await at.swap(device, raid1([0, 1]));
  expect(await at.status(device)).toContain(" aA ");
  await at.untilStatus(device, IDLE);
  await same(at, 0, 6);
});

test("a raid6 makes its parity, whatever is said", async () => {
  const at = world(4);
  const words = [0, 1, 2, 3].map((index) => `./${index * 2} ./${index * 2 + 1}`).join(" ");
  await expect(at.make("v", `0 4096 raid raid6_zr 2 8 nosync 4 ${words}`)).rejects.toThrow(
    'word 4 ("nosync") is wrong: the parity of a raid6 is always made',
  );
});
