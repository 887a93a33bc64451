import { expect, test } from "vitest";
import { settled } from "../../../../test/support/crash-disks.ts";
import { DmWorld } from "../../../../test/support/dm-world.ts";
import { readSectors, writeSectors } from "../../../block/promises.ts";
import type { BlockDevice } from "../../../block/device.ts";
import type { MappedDevice } from "../../mapped-device.ts";

const SECTORS = 64;

function put(device: BlockDevice, sector: number, byte: number, sectors = 1): Promise<void> {
  return writeSectors(device, sector, new Uint8Array(sectors * 512).fill(byte));
}

async function bytes(device: BlockDevice, ...sectors: readonly number[]): Promise<number[]> {
  const all = await readSectors(device, 0, SECTORS);
  return sectors.map((sector) => all[sector * 512]!);
}

async function statusOf(device: MappedDevice): Promise<string> {
  return (await device.live!.status(true))[0]!.split(" ").slice(3).join(" ");
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await settled();
}

/** A snapshot with other data in chunks 2, 3 and 8, which becomes a merge when `v` is resumed. */
async function made(): Promise<{ world: DmWorld; device: MappedDevice; use: BlockDevice }> {
  const world = new DmWorld({ a: SECTORS, cow: 128, cow2: 128 });
  const { device, use } = await world.make("v", `0 ${SECTORS} snapshot ./a ./cow P 4`);
  await put(use, 8, 2, 8);
  await put(use, 33, 3);
  await world.load(device, `0 ${SECTORS} snapshot-merge ./a ./cow P 4`);
  return { world, device, use };
}

test("a snapshot is merged while it is written; other snapshots keep what they had", async () => {
  const { world, device, use } = await made();
  const other = await world.make("t", `0 ${SECTORS} snapshot ./a ./cow2 P 8`);
  const a = world.disk("a");
  a.hold((bio) => bio.op === "write");
  await world.all.resume(device);
  await turns();
  // Chunk 8 is on its way; chunk 2 waits in the COW device; chunk 12 is the origin's.
  const writes = [put(use, 32, 7), put(use, 8, 8), put(use, 48, 9)];
  await turns();
  expect(a.held.length).toBe(2);
  a.release();
  await Promise.all(writes);
  await turns();
  expect(await statusOf(device)).toBe("8/128 8");
  const wanted = [8, 2, 2, 7, 3, 9];
  expect(await bytes(use, 8, 9, 15, 32, 33, 48)).toEqual(wanted);
  expect(await bytes(a, 8, 9, 15, 32, 33, 48)).toEqual(wanted);
  expect(await bytes(other.use, 8, 15, 32, 33, 48)).toEqual([0, 0, 0, 0, 0]);
});

test("a merge stops when the device is suspended, and goes on", async () => {
  const { world, device, use } = await made();
  const a = world.disk("a");
  a.hold((bio) => bio.op === "write");
  await world.all.resume(device);
  await turns();
  const suspended = world.all.suspend(device, "flush", true);
  await turns();
  a.release();
  await suspended;
  await turns();
  expect(await statusOf(device)).toBe("16/128 8");
  await world.all.resume(device);
  await turns();
  expect(await statusOf(device)).toBe("8/128 8");
  expect(await bytes(use, 8, 15, 33)).toEqual([2, 2, 3]);
});

test("a merge that fails says so, and the device is as it was", async () => {
  const { world, device, use } = await made();
  world.disk("a").failWrites(8, 1);
  await world.all.resume(device);
  await turns();
  expect(await statusOf(device)).toBe("Merge failed");
  expect(await bytes(use, 8, 15, 33)).toEqual([2, 2, 3]);
});

test("one at a time is merged into an origin", async () => {
  const { world, device } = await made();
  const other = await world.make("t", `0 ${SECTORS} snapshot ./a ./cow2 P 8`);
  const second = `0 ${SECTORS} snapshot-merge ./a ./cow2 P 8`;
  // It was loaded before the first one began.
  await world.load(other.device, second);
  await world.all.resume(device);
  await turns();
  await expect(world.all.resume(other.device)).rejects.toThrow("Another snapshot is being merged");
  const third = world.create("u");
  await expect(world.load(third, second)).rejects.toThrow("Another snapshot is being merged");
});
