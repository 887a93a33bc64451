import { describe, expect, test } from "vitest";
import { settled } from "../../../../test/support/crash-disks.ts";
import { DmWorld } from "../../../../test/support/dm-world.ts";
import type { BlockDevice } from "../../../block/device.ts";
import { Bio } from "../../../block/bio.ts";
import { discard, readSectors, writeSectors } from "../../../block/promises.ts";
import type { MappedDevice } from "../../mapped-device.ts";

const SECTORS = 256;
const CHUNK = 4;

interface Made {
  readonly world: DmWorld;
  readonly origin: BlockDevice;
  readonly snap: BlockDevice;
  readonly device: MappedDevice;
  readonly status: () => Promise<string>;
}

const line = (rest: string, target = "snapshot"): string =>
  `0 ${SECTORS} ${target} ./a ./cow ${rest}`;

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

/** Every sector of the origin holds 1 at first. */
async function made(rest = `P ${CHUNK}`, cowSectors = 512): Promise<Made> {
  const world = new DmWorld({ a: SECTORS, cow: cowSectors, cow2: 512 });
  await put(world.disk("a"), 0, 1, SECTORS);
  const { use: origin } = await world.make("o", `0 ${SECTORS} snapshot-origin ./a`);
  const { use: snap, device } = await world.make("s", line(rest));
  return { world, origin, snap, device, status: () => statusOf(device) };
}

describe("snapshot", () => {
  test.each(["P 4", "PO 4", "N 4"])(
    "keeps what it had when the origin is written, and the reverse: %s",
    async (rest) => {
      const { origin, snap } = await made(rest);
      await put(origin, 3, 2, 2);
      await put(snap, 9, 3);
      await put(snap, 16, 4, 4);
      await put(origin, 17, 5);
      expect(await bytes(origin, 2, 3, 4, 5, 9, 16, 17)).toEqual([1, 2, 2, 1, 1, 1, 5]);
      expect(await bytes(snap, 2, 3, 4, 5, 8, 9, 16, 17, 20)).toEqual([1, 1, 1, 1, 1, 3, 4, 4, 1]);
    },
  );

  test("has the extents of what is read: of the origin, and where it has gone its own way of the COW device", async () => {
    const world = new DmWorld({ a: SECTORS, cow: 512 });
    await put(world.disk("a"), 8, 1, 8);
    const { use: origin } = await world.make("o", `0 ${SECTORS} snapshot-origin ./a`);
    const { use: snap } = await world.make("s", line("P 8"));
    const runs = (device: BlockDevice, at = 0, sectors = SECTORS, most = 9): string =>
      device
        .extents(at, sectors, most)
        .map(({ sector, sectors: many, kind }) => `${sector}+${many} ${kind}`)
        .join(", ");
    expect(runs(origin)).toBe("0+8 hole, 8+8 data, 16+240 hole");
    expect(runs(snap)).toBe("0+8 hole, 8+8 data, 16+240 hole");
    await put(snap, 33, 2);
    await put(origin, 48, 3, 8);
    expect(runs(origin, 6, 54)).toBe("6+2 hole, 8+8 data, 16+32 hole, 48+8 data, 56+4 hole");
    // What was copied of a hole was written to the COW device, and so is data.
    const all = "6+2 hole, 8+8 data, 16+16 hole, 32+8 data, 40+8 hole, 48+8 data, 56+4 hole";
    expect(runs(snap, 6, 54)).toBe(all);
    expect(runs(snap, 6, 54, 2)).toBe("6+2 hole, 8+8 data");
    expect(runs(snap, 34, 1)).toBe("34+1 data");
    for (const { sector, sectors, kind } of snap.extents(0, SECTORS, 99))
      if (kind === "hole")
        expect((await readSectors(snap, sector, sectors)).every((byte) => byte === 0)).toBe(true);
  });

  test("counts header, areas and chunks, and tells its table", async () => {
    const { world, snap, device, status } = await made();
    expect(await status()).toBe("8/512 8");
    await put(snap, 0, 9, 40);
    expect(await status()).toBe("48/512 8");
    expect(device.live!.table()).toEqual([line("P 4")]);
    const { device: n } = await world.make(
      "n",
      `0 ${SECTORS} snapshot ./a ./cow2 N 8 2 discard_zeroes_cow discard_passdown_origin`,
    );
    expect(await statusOf(n)).toBe("0/512 0");
    expect(n.live!.table()).toEqual([
      `0 ${SECTORS} snapshot ./a ./cow2 N 8 2 discard_zeroes_cow discard_passdown_origin`,
    ]);
  });

  test("is found again, with the chunk size that is in the store", async () => {
    const { world, origin, snap, device } = await made("P 1", 512);
    // More than an area of 32 exceptions.
    await put(origin, 10, 2, 70);
    await put(snap, 12, 3, 2);
    await snap.close();
    await world.all.remove(device, { deferred: false });
    const again = await world.make("t", line("P 16"));
    expect(again.device.live!.table()).toEqual([line("P 1")]);
    expect(await bytes(again.use, 9, 10, 12, 13, 79, 80)).toEqual([1, 1, 3, 3, 1, 1]);
    expect(await statusOf(again.device)).toBe("74/512 4");
  });

  test("is invalid when the origin's chunk has no room, for good", async () => {
    const { world, origin, snap, device, status } = await made("PO 4", 5 * 4);
    await put(origin, 0, 2, 12);
    const eventNr = device.eventNr;
    await put(origin, 100, 2);
    expect(await status()).toBe("Invalid");
    expect(device.eventNr).toBeGreaterThan(eventNr);
    await expect(bytes(snap, 0)).rejects.toThrow("invalid");
    expect(await bytes(origin, 100)).toEqual([2]);
    await snap.close();
    await world.all.remove(device, { deferred: false });
    expect(await statusOf((await world.make("t", line("P 4"))).device)).toBe("Invalid");
  });

  test("overflows by its own writes if that is known, else is invalid", async () => {
    const known = await made("PO 4", 5 * 4);
    await put(known.snap, 0, 2, 12);
    await expect(put(known.snap, 40, 3)).rejects.toThrow("no room");
    expect(await known.status()).toBe("Overflow");
    expect(await bytes(known.snap, 0, 40)).toEqual([2, 1]);
    const plain = await made("P 4", 5 * 4);
    await put(plain.snap, 0, 2, 12);
    await expect(put(plain.snap, 40, 3)).rejects.toThrow("no room");
    expect(await plain.status()).toBe("Invalid");
  });

  test("is invalid when its COW device fails, and the origin is written all the same", async () => {
    const { world, origin, status } = await made();
    world.disk("cow").failWrites(0, 512);
    await put(origin, 7, 2);
    expect(await bytes(origin, 7)).toEqual([2]);
    expect(await status()).toBe("Invalid");
    expect(world.log.join("\n")).toContain("does not say that it is invalid");
  });

  test("has several with chunks of different sizes, one of them removed meanwhile", async () => {
    const { world, origin, snap, device } = await made();
    const two = await world.make("s2", `0 ${SECTORS} snapshot ./a ./cow2 P 16`);
    await put(origin, 30, 2, 10);
    await put(snap, 31, 3);
    expect(await bytes(two.use, 30, 31, 39)).toEqual([1, 1, 1]);
    expect(await bytes(snap, 30, 31, 39)).toEqual([1, 3, 1]);
    await snap.close();
    const writing = put(origin, 60, 4, 8);
    await world.all.remove(device, { deferred: false });
    await writing;
    expect(await bytes(two.use, 60, 67)).toEqual([1, 1]);
    expect(world.open.toSorted()).toEqual(["a", "cow2"]);
  });

  test("copies a chunk once for all that wait for it", async () => {
    const { world, origin, snap, status } = await made();
    const cow = world.disk("cow");
    cow.hold();
    const all = [put(origin, 20, 2), put(origin, 21, 3), put(snap, 22, 4), put(snap, 20, 5, 4)];
    await settled();
    cow.release();
    await Promise.all(all);
    expect(await status()).toBe("12/512 8");
    expect(await bytes(origin, 20, 21, 22)).toEqual([2, 3, 1]);
    expect(await bytes(snap, 20, 21, 22, 23)).toEqual([5, 5, 5, 5]);
  });

  test("is not overtaken: a read of the origin's chunk ends before the write goes on", async () => {
    const { world, origin, snap } = await made();
    const a = world.disk("a");
    const data = new Uint8Array(512);
    let read = false;
    // The read for the snapshot alone: the chunk is copied meanwhile.
    a.hold(({ op, sectors }) => op === "read" && sectors === 1);
    snap.submit(new Bio("read", 20, 1, data, 0, () => (read = true)));
    let written = false;
    const writing = put(origin, 20, 2).then(() => (written = true));
    await settled();
    expect([read, written]).toEqual([false, false]);
    a.release();
    await writing;
    expect([read, data[0]]).toEqual([true, 1]);
  });

  test("zeroes what it has on discard, and leaves the rest alone", async () => {
    const { origin, snap } = await made("P 4 1 discard_zeroes_cow");
    await put(snap, 8, 3, 4);
    await discard(snap, 4, 12);
    expect(await bytes(snap, 4, 8, 11, 12)).toEqual([1, 0, 0, 1]);
    expect(await bytes(origin, 8)).toEqual([1]);
  });

  test("is handed over to its next table, also what is in memory alone", async () => {
    const { world, origin, snap, device } = await made("N 4");
    await put(snap, 8, 3);
    await world.load(device, line("N 4"));
    await put(origin, 30, 2);
    await world.all.resume(device);
    await put(origin, 50, 2);
    expect(await bytes(snap, 8, 30, 50)).toEqual([3, 1, 1]);
    const other = world.create("s2");
    await world.load(other, line("N 4"));
    await expect(world.all.resume(other)).rejects.toThrow("suspend it");
    await world.all.suspend(device, "flush", true);
    await world.all.resume(other);
    const use = other.open({ readOnly: false });
    expect(await bytes(use, 8, 30, 50)).toEqual([3, 1, 1]);
    await use.close();
  });

  test("names the word that is wrong", async () => {
    const world = new DmWorld({ a: SECTORS, cow: 512, small: 7, junk: 64 });
    await put(world.disk("junk"), 0, 7, 64);
    const refused = (table: string): Promise<string> => world.refusal(`0 ${SECTORS} ${table}`);
    expect(await refused("snapshot ./a ./cow X 8")).toContain('word 3 ("X")');
    expect(await refused("snapshot ./a ./cow P 12")).toContain("a power of 2");
    expect(await refused("snapshot ./a ./a P 8")).toContain("are the same");
    expect(await refused("snapshot ./a ./cow P 8 1 nothing")).toContain('word 6 ("nothing")');
    expect(await refused("snapshot ./a ./cow P 8 1 discard_passdown_origin")).toContain("needs");
    expect(await refused("snapshot ./a ./small P 4")).toContain("at least 8");
    expect(await refused("snapshot ./a ./junk P 4")).toContain("no snapshot's header");
    expect(await refused("snapshot-merge ./a ./cow N 4")).toContain("persistent");
    expect(await refused("snapshot-origin ./small")).toContain("7 sectors");
    expect(world.open).toEqual([]);
  });
});
