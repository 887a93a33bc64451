import { describe, expect, test } from "vitest";
import { DmWorld } from "../../../../test/support/dm-world.ts";
import { BioFlags } from "../../../block/bio.ts";
import type { Bio } from "../../../block/bio.ts";
import type { BlockDevice } from "../../../block/device.ts";
import { discard, flush, readSectors, writeSectors } from "../../../block/promises.ts";
import type { MappedDevice } from "../../mapped-device.ts";

const SECTORS = 1020;
const REGION = 8;
const REGIONS = 128;
const HEAD = `0 ${SECTORS} clone ./meta ./dest ./source ${REGION}`;
const IDLE = `${HEAD} 1 no_hydration`;
const CORE = "4 hydration_threshold 1 hydration_batch_size 1";

function filled(sectors: number, byte: number): Uint8Array {
  return new Uint8Array(sectors * 512).fill(byte);
}

/** The source is full of ones. */
async function newWorld(): Promise<DmWorld> {
  const world = new DmWorld({ meta: 2048, dest: 1024, source: 1024 });
  await writeSectors(world.disk("source"), 0, filled(1024, 1));
  return world;
}

/** Everything that is sent to the three disks from now on. */
function watch(world: DmWorld): string[] {
  const seen: string[] = [];
  for (const name of ["meta", "dest", "source"])
    world.disk(name).hold(({ op, sector, sectors }: Bio) => {
      seen.push(`${name} ${op} ${sector} ${sectors}`);
      return false;
    });
  return seen;
}

async function firstBytes(device: BlockDevice, sector: number, sectors: number): Promise<number[]> {
  const data = await readSectors(device, sector, sectors);
  return Array.from({ length: sectors }, (_unused, index) => data[index * 512]!);
}

async function status(device: MappedDevice, flushes = true): Promise<string> {
  return (await device.live!.status(flushes))[0]!;
}

function turn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

describe("a clone", () => {
  test("that is new has metadata, and all that it reads is the source's", async () => {
    const world = await newWorld();
    const { device, use } = await world.make("v", IDLE);
    expect(await status(device)).toBe(
      `0 ${SECTORS} clone 8 6/256 8 0/${REGIONS} 0 1 no_hydration ${CORE} rw`,
    );
    expect(device.live!.table()).toEqual([IDLE]);
    expect(await firstBytes(use, SECTORS - 2, 2)).toEqual([1, 1]);
    expect(await firstBytes(world.disk("dest"), SECTORS - 2, 2)).toEqual([0, 0]);
    expect(use.limits.optimalIoBytes).toBe(4096);
  });

  test("becomes the source in the background, and says when", async () => {
    const world = await newWorld();
    const { device } = await world.make("v", HEAD);
    const { eventNr } = device;
    world.time.pass(10);
    expect(await status(device)).toContain(` 8 ${REGIONS}/${REGIONS} 0 0 ${CORE} rw`);
    expect(device.eventNr).toBe(eventNr + 1);
    const copy = await readSectors(world.disk("dest"), 0, 1024);
    expect(copy.subarray(0, SECTORS * 512)).toEqual(filled(SECTORS, 1));
    expect(copy[SECTORS * 512]).toBe(0);
  });

  test("commits as soon as everything is hydrated", async () => {
    const world = await newWorld();
    const { device } = await world.make("v", IDLE);
    const { eventNr } = device;
    await world.all.message(device, 0, ["enable_hydration"]);
    // No commit is due before a second.
    world.time.pass(10);
    await device.waitForEvent(eventNr);
    expect(await status(device)).toContain(` ${REGIONS}/${REGIONS} `);
  });

  test("copies a region before a part of it is written, and not when all of it is", async () => {
    const world = await newWorld();
    const { device, use } = await world.make("v", IDLE);
    const seen = watch(world);
    await writeSectors(use, 10, filled(2, 7));
    expect(seen).toEqual(["source read 8 8", "dest write 8 8", "dest write 10 2"]);
    seen.length = 0;
    await writeSectors(use, 16, filled(8, 8));
    await writeSectors(use, 1016, filled(4, 9));
    expect(seen).toEqual(["dest write 16 8", "dest write 1016 4"]);
    expect(await firstBytes(use, 8, 10)).toEqual([1, 1, 7, 7, 1, 1, 1, 1, 8, 8]);
    expect(await status(device)).toContain(` 3/${REGIONS} 0 1 `);
  });

  test("writes to a region that is being copied wait for the copy", async () => {
    const world = await newWorld();
    const { device, use } = await world.make("v", IDLE);
    world.disk("source").hold();
    const writes = [0, 1, 7].map((sector) => writeSectors(use, sector, filled(1, 5)));
    const discarded = discard(use, 0, 16);
    expect(world.disk("source").held.length).toBe(1);
    expect(await status(device, false)).toContain(` 0/${REGIONS} 1 1 `);
    world.disk("source").release();
    await Promise.all([...writes, discarded]);
    expect(await status(device)).toContain(` 2/${REGIONS} 0 1 `);
  });

  test("counts whole regions that are discarded as hydrated, and passes down just those", async () => {
    const world = await newWorld();
    const { device, use } = await world.make("v", IDLE);
    const seen = watch(world);
    await discard(use, 4, 1016);
    expect(seen).toEqual(["dest discard 8 1008"]);
    expect(await status(device)).toContain(` 126/${REGIONS} 0 1 `);
    expect(await firstBytes(use, 6, 4)).toEqual([1, 1, 0, 0]);
    await discard(use, 0, 4);
    expect(await status(device)).toContain(` 126/${REGIONS} 0 1 `);
  });

  test("keeps discards to itself with no_discard_passdown", async () => {
    const world = await newWorld();
    const { device, use } = await world.make("v", `${HEAD} 2 NO_HYDRATION no_discard_passdown`);
    const seen = watch(world);
    await discard(use, 0, 16);
    expect(seen).toEqual([]);
    expect(await status(device)).toContain(
      ` 2/${REGIONS} 0 2 no_hydration no_discard_passdown ${CORE} rw`,
    );
    expect(device.live!.table()[0]).toBe(`${HEAD} 2 NO_HYDRATION no_discard_passdown`);
  });
});

describe("commits of a clone", () => {
  test("flush the destination first, and a flush of the clone not a second time", async () => {
    const world = await newWorld();
    const { use } = await world.make("v", IDLE);
    await writeSectors(use, 0, filled(8, 7));
    const seen = watch(world);
    await flush(use);
    expect(seen.filter((one) => one.startsWith("dest"))).toEqual(["dest flush 0 0"]);
    expect(seen[0]).toBe("dest flush 0 0");
    expect(seen.at(-1)).toBe("meta write 0 8");
    seen.length = 0;
    await flush(use);
    expect(seen).toEqual(["dest flush 0 0"]);
  });

  test("come a second after a change, and before a FUA write ends", async () => {
    const world = await newWorld();
    const { use } = await world.make("v", IDLE);
    await writeSectors(use, 0, filled(8, 7));
    const seen = watch(world);
    world.time.pass(999);
    await turn();
    expect(seen).toEqual([]);
    world.time.pass(1);
    await turn();
    expect(seen.at(-1)).toBe("meta write 0 8");
    seen.length = 0;
    await writeSectors(use, 8, filled(8, 7), BioFlags.fua);
    expect([seen[0], seen[1], seen.at(-1)]).toEqual([
      "dest write 8 8",
      "dest flush 0 0",
      "meta write 0 8",
    ]);
    seen.length = 0;
    await writeSectors(use, 17, filled(1, 7), BioFlags.fua);
    expect(seen.slice(0, 3)).toEqual(["source read 16 8", "dest write 16 8", "dest flush 0 0"]);
    expect(seen.slice(-2)).toEqual(["meta write 0 8", "dest write 17 1"]);
  });

  test("leave out what is hydrated while the destination is flushed", async () => {
    const world = await newWorld();
    const { device, use } = await world.make("v", IDLE);
    await writeSectors(use, 0, filled(8, 7));
    world.disk("dest").hold(({ op }) => op === "flush");
    const flushed = flush(use);
    await writeSectors(use, 8, filled(8, 7));
    world.disk("dest").release();
    await flushed;
    world.disk("dest").vanish();
    await flush(use).catch(() => {});
    // The second commit could not flush: what counts is the first.
    expect(await status(device)).toContain(` 1/${REGIONS} 0 1 no_hydration ${CORE} ro`);
  });

  test("that fail leave the regions of the last one, and no flush succeeds any more", async () => {
    const world = await newWorld();
    const { device, use } = await world.make("v", IDLE);
    await writeSectors(use, 0, filled(8, 7));
    await flush(use);
    await writeSectors(use, 8, filled(8, 7));
    const { eventNr } = device;
    world.disk("meta").failWrites(0, 2048);
    await expect(flush(use)).rejects.toThrow("could not be committed");
    expect(device.eventNr).toBe(eventNr + 1);
    expect(await status(device)).toContain(` 1/${REGIONS} 0 1 no_hydration ${CORE} ro`);
    expect(await firstBytes(use, 7, 2)).toEqual([7, 1]);
    await writeSectors(use, 0, filled(8, 8));
    await expect(flush(use)).rejects.toThrow("could not be committed");
    await expect(writeSectors(use, 8, filled(1, 9))).rejects.toThrow("could not be committed");
    await discard(use, 16, 8);
    expect(await status(device)).toContain(` 1/${REGIONS} 0 1 `);
  });

  test("that fail on a metadata device that cannot be read either end everything", async () => {
    const world = await newWorld();
    const { device, use } = await world.make("v", IDLE);
    await writeSectors(use, 0, filled(8, 7));
    world.disk("meta").vanish();
    await expect(flush(use)).rejects.toThrow("could not be committed");
    expect(await status(device)).toBe(`0 ${SECTORS} clone Fail`);
    await expect(readSectors(use, 100, 1)).rejects.toThrow("cannot be used");
  });
});

describe("hydration", () => {
  test("has as many regions under way as it may, neighbours in one copy", async () => {
    const world = await newWorld();
    const { device, use } = await world.make("v", IDLE);
    await writeSectors(use, 24, filled(8, 7));
    const message = (...words: string[]): Promise<string | null> =>
      world.all.message(device, 0, words);
    await message("hydration_threshold", "7");
    await message("Hydration_Batch_Size", "3");
    world.disk("source").hold();
    await message("enable_hydration");
    const held = world.disk("source").held.map(({ sector, sectors }) => `${sector} ${sectors}`);
    expect(held).toEqual(["0 24", "32 24", "56 8"]);
    expect(await status(device, false)).toContain(
      ` 1/${REGIONS} 7 0 4 hydration_threshold 7 hydration_batch_size 3 rw`,
    );
    await message("disable_hydration");
    world.disk("source").release();
    expect(await status(device)).toContain(` 8/${REGIONS} 0 1 no_hydration `);
    await expect(message("hydration_threshold", "x")).rejects.toThrow("number");
    await expect(message("hydrate")).rejects.toThrow("no message");
  });

  test("waits while somebody uses the clone, and looks again a second later", async () => {
    const world = await newWorld();
    const { device, use } = await world.make("v", `${HEAD} 0 2 hydration_threshold 0`);
    world.disk("source").hold(({ sector }) => sector === 1000);
    const read = readSectors(use, 1000, 1);
    await world.all.message(device, 0, ["hydration_threshold", "1"]);
    world.time.pass(5000);
    expect(await status(device)).toContain(` 0/${REGIONS} 0 0 `);
    world.disk("source").release();
    await read;
    expect(await status(device)).toContain(` 0/${REGIONS} 0 0 `);
    world.time.pass(1001);
    expect(await status(device)).toContain(` ${REGIONS}/${REGIONS} 0 0 `);
  });

  test("tries again what could not be copied; writes to it fail", async () => {
    const world = await newWorld();
    world.disk("source").failReads(80, 1);
    const { device, use } = await world.make("v", HEAD);
    world.time.pass(10_000);
    expect(await status(device)).toContain(` 127/${REGIONS} 0 0 `);
    await expect(writeSectors(use, 81, filled(1, 1))).rejects.toThrow("sector 80");
    await writeSectors(use, 80, filled(8, 4));
    expect(await status(device)).toContain(` ${REGIONS}/${REGIONS} 0 0 `);
  });

  test("ends, and is committed, when the device is suspended; another table goes on", async () => {
    const world = await newWorld();
    const { device, use } = await world.make("v", IDLE);
    await writeSectors(use, 0, filled(8, 7));
    world.disk("source").hold();
    await world.all.message(device, 0, ["enable_hydration"]);
    let isSuspended = false;
    await world.load(device, IDLE);
    const suspended = world.all.suspend(device, "flush", true).then(() => (isSuspended = true));
    await turn();
    expect(isSuspended).toBe(false);
    world.disk("source").release();
    await suspended;
    await world.all.resume(device);
    expect(await status(device)).toContain(` 2/${REGIONS} 0 1 no_hydration `);
    expect(await firstBytes(use, 7, 2)).toEqual([7, 1]);
  });
});

test("what a clone refuses", async () => {
  const world = await newWorld();
  expect(await world.refusal("0 1020 clone ./meta ./dest ./source 12")).toContain("power of 2");
  expect(await world.refusal("0 1020 clone ./meta ./dest ./source 4")).toContain("from 8");
  expect(await world.refusal("0 1020 clone ./meta ./dest ./dest 8")).toContain("three devices");
  expect(await world.refusal("0 2048 clone ./meta ./dest ./source 8")).toContain("1024 sectors");
  expect(await world.refusal(`${HEAD} 1 hydration`)).toContain("no_hydration");
  expect(await world.refusal(`${HEAD} 0 1 hydration_threshold`)).toContain("pairs");
  expect(await world.refusal(`${HEAD} 0 2 threshold 1`)).toContain("hydration_batch_size");
  await world.make("v", IDLE);
  expect(await world.refusal("0 1020 clone ./meta ./dest ./source 16")).toContain(
    "regions of 8, and the table says 1020 in regions of 16",
  );
  await writeSectors(world.disk("source"), 0, filled(8, 1));
  expect(await world.refusal("0 1000 clone ./source ./dest ./meta 8")).toContain(
    "no superblock of a clone",
  );
  const second = world.create("w");
  await world.load(second, IDLE);
  await expect(world.all.resume(second)).rejects.toThrow("another clone");
});
