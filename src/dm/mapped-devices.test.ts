import { describe, expect, test } from "vitest";
import { settled } from "../../test/support/crash-disks.ts";
import { DmWorld } from "../../test/support/dm-world.ts";
import { flush, readSectors, writeSectors } from "../block/promises.ts";
import { TARGET_TYPES } from "./targets/index.ts";

describe("a mapped device", () => {
  test("of two disks is written, swapped under a held write, and removed", async () => {
    const world = new DmWorld({ a: 64, b: 64 });
    const { device, use } = await world.make("v", "0 8 linear ./a 8\n8 8 linear ./b 0\n16 4 zero");
    expect(device.live?.table()).toEqual(["0 8 linear ./a 8", "8 8 linear ./b 0", "16 4 zero "]);
    expect(await device.live?.status(true)).toEqual(["0 8 linear ", "8 8 linear ", "16 4 zero "]);
    await writeSectors(use, 6, new Uint8Array(4 * 512).fill(7));
    expect((await readSectors(world.disk("b"), 0, 2)).every((byte) => byte === 7)).toBe(true);
    await flush(use);
    await world.load(device, "0 16 linear ./b 16");
    await world.all.suspend(device, "flush", true);
    const written = writeSectors(use, 0, new Uint8Array(512).fill(9));
    await world.all.resume(device);
    await written;
    expect((await readSectors(world.disk("b"), 16, 1))[0]).toBe(9);
    expect(world.open).toEqual(["b"]);
    await expect(world.all.remove(device, { deferred: false })).rejects.toThrow(
      "v is in use: it is open 1 times.",
    );
    await use.close();
    expect(await world.all.remove(device, { deferred: false })).toBe("removed");
    expect([world.all.all, world.open]).toEqual([[], []]);
  });

  test("removed with I/O in flight goes when the I/O has ended", async () => {
    const world = new DmWorld({ a: 8 });
    const { device, use } = await world.make("v", "0 8 linear ./a 0");
    world.disk("a").hold();
    const written = writeSectors(use, 0, new Uint8Array(512));
    const closed = use.close();
    expect(await world.all.remove(device, { deferred: true })).toBe("deferred");
    await settled();
    expect(world.open).toEqual(["a"]);
    world.disk("a").release();
    await Promise.all([written, closed]);
    await world.all.close();
    expect([world.all.all, world.open]).toEqual([[], []]);
  });

  test("has one name, one uuid and one number", () => {
    const { all } = new DmWorld({});
    const first = all.create({ name: "a", uuid: "LVM-1", minor: null });
    all.create({ name: "b", uuid: "", minor: 2 });
    expect(all.create({ name: "c", uuid: "", minor: null }).minor).toBe(1);
    expect(all.create({ name: "d", uuid: "", minor: null }).minor).toBe(3);
    const refused = [
      () => all.create({ name: "a", uuid: "", minor: null }),
      () => all.create({ name: "e", uuid: "LVM-1", minor: null }),
      () => all.create({ name: "e", uuid: "", minor: 2 }),
      () => all.create({ name: "x/y", uuid: "", minor: null }),
      () => all.create({ name: "", uuid: "", minor: null }),
      () => all.create({ name: "control", uuid: "", minor: null }),
      () => all.create({ name: "x".repeat(128), uuid: "", minor: null }),
      () => all.create({ name: "e", uuid: "x".repeat(129), minor: null }),
      () => all.rename(first, "b"),
      () => all.setUuid(first, "LVM-2"),
    ];
    for (const each of refused)
      expect(each).toThrow(expect.objectContaining({ name: "HoldfastError" }));
    all.rename(first, "z");
    expect(all.all.map(({ name }) => name)).toEqual(["z", "b", "c", "d"]);
    expect(all.find({ kind: "uuid", uuid: "LVM-1" })).toBe(first);
    expect(all.find({ kind: "number", major: 254, minor: 0 })).toBe(first);
    expect(() => all.find({ kind: "name", name: "a" })).toThrow("There is no device a.");
    expect(() => all.find({ kind: "number", major: 8, minor: 0 })).toThrow("no device 8:0");
  });

  test("is told by message where its target takes one", async () => {
    const world = new DmWorld({ a: 8 });
    const { device } = await world.make("v", "0 8 linear ./a 0");
    await expect(world.all.message(device, 8, ["x"])).rejects.toThrow("no target at sector 8");
    await expect(world.all.message(device, 0, ["x"])).rejects.toThrow("linear takes no messages");
  });
});

describe("a table", () => {
  test("that fails half-way leaves nothing open and the device as it was", async () => {
    const world = new DmWorld({ a: 8, b: 8 });
    const { device } = await world.make("v", "0 8 linear ./a 0");
    const bad = "0 4 linear ./a 4\n4 4 linear ./b 0\n8 8 linear ./c 0";
    await expect(world.load(device, bad)).rejects.toThrow("v, table line 3: ./c: no such disk.");
    expect(device.inactive).toBeNull();
    expect(world.open).toEqual(["a"]);
    expect(world.openings.filter((each) => each === "open a")).toHaveLength(1);
  });

  test("opens a device once, whoever else stands on it, and the last closes it", async () => {
    const world = new DmWorld({ a: 8 });
    const first = world.create("v");
    await world.load(first, "0 4 linear ./a 0\n4 4 linear a 4".replace("linear a", "linear ./a"));
    const second = world.create("w");
    await world.load(second, "0 8 linear ./a 0");
    await world.all.clear(first);
    expect(world.openings).toEqual(["open a"]);
    await world.all.remove(second, { deferred: false });
    expect(world.openings).toEqual(["open a", "close a"]);
  });

  test.each([
    ["0 8 linear", "bad: linear: the device is missing behind 0 words."],
    ["0 8 linear ./a", "bad: linear: the offset in sectors is missing behind 1 words."],
    ["0 8 linear ./a x", 'bad: linear: word 2 ("x") is wrong: the offset in sectors is a number'],
    ["0 8 linear ./a 0 0", 'bad: linear: word 3 ("0") is wrong: nothing more was expected.'],
    ["0 8 linear ./a 1", 'word 2 ("1") is wrong: ./a has 8 sectors, and 9 are needed'],
    ["0 8 linear ./no 0", "bad: ./no: no such disk."],
    ["0 8 zero 0", 'bad: zero: word 1 ("0") is wrong: nothing more was expected.'],
    ["0 8 nonsense", `There is no target "nonsense" here; there are`],
    ["0 4 zero\n4 4 linear", "bad, table line 2: linear: the device is missing"],
  ])("%j is refused", async (table, message) => {
    const world = new DmWorld({ a: 8 });
    expect(await world.refusal(table)).toContain(message);
    expect(world.open).toEqual([]);
  });

  test("cannot be written on a disk that is read-only, and can be read", async () => {
    const world = new DmWorld({ a: 8 });
    const disk = world.disk("a");
    Object.defineProperty(disk, "limits", { value: { ...disk.limits, readOnly: true } });
    const device = world.create("v");
    await expect(world.load(device, "0 8 linear ./a 0")).rejects.toThrow("./a is open read-only");
    expect(world.open).toEqual([]);
    await world.all.load(
      device,
      [{ start: 0, sectors: 8, target: "linear", words: ["./a", "0"] }],
      true,
    );
    await world.all.resume(device);
    expect(device.limits.readOnly).toBe(true);
  });

  test("names no target twice", () => {
    const names = TARGET_TYPES.map(({ name }) => name);
    expect(names).toEqual([...new Set(names)].toSorted());
  });
});

describe("mapped devices on each other", () => {
  test.each(["v", "/dev/mapper/v", "/dev/dm-0", "254:0"])("are named as %s", async (word) => {
    const world = new DmWorld({ a: 8 });
    const { device } = await world.make("v", "0 8 linear ./a 0");
    const top = world.create("top");
    await world.load(top, `0 4 linear ${word} 2`);
    expect(top.inactive?.table()).toEqual(["0 4 linear 254:0 2"]);
    expect(device.openCount).toBe(2);
  });

  test("never stand on themselves, not even while two tables are loaded at once", async () => {
    const world = new DmWorld({});
    const [a, b] = [world.create("a"), world.create("b")];
    await world.load(a, "0 4 zero");
    await world.load(b, "0 4 zero");
    await world.all.resume(a);
    await world.all.resume(b);
    await expect(world.load(a, "0 4 linear a 0")).rejects.toThrow("a would stand on itself, by a.");
    const both = await Promise.allSettled([
      world.load(a, "0 4 linear b 0"),
      world.load(b, "0 4 linear a 0"),
    ]);
    expect(both.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
    await world.load(world.create("c"), "0 4 linear a 0");
    await expect(world.load(b, "0 4 linear c 0")).rejects.toThrow("b would stand on itself, by c.");
  });

  test("are removed from the top, and all at once when asked", async () => {
    const world = new DmWorld({ a: 8 });
    const bottom = world.create("bottom");
    await world.load(bottom, "0 8 linear ./a 0");
    await world.all.resume(bottom);
    const { device: top, use } = await world.make("top", "0 8 linear bottom 0");
    await expect(world.all.remove(bottom, { deferred: false })).rejects.toThrow("in use");
    expect(await world.all.remove(bottom, { deferred: true })).toBe("deferred");
    await expect(world.all.close()).rejects.toThrow("in use");
    // What is held below would never end; what is closed waits for it no longer.
    await world.all.suspend(bottom, "flush", true);
    const written = writeSectors(use, 0, new Uint8Array(512)).catch(() => "failed");
    const closed = use.close();
    expect(await world.all.remove(top, { deferred: true })).toBe("deferred");
    await settled();
    expect(world.open).toEqual(["a"]);
    await world.all.resume(bottom);
    await Promise.all([written, closed]);
    await world.all.close();
    expect([world.all.all, world.open]).toEqual([[], []]);
  });

  test("close although a suspended one below holds what the one above waits for", async () => {
    const world = new DmWorld({ a: 8 });
    const bottom = world.create("bottom");
    await world.load(bottom, "0 8 linear ./a 0");
    await world.all.resume(bottom);
    const top = world.create("top");
    await world.load(top, "0 8 linear bottom 0");
    await world.all.resume(top);
    await world.all.suspend(bottom, "flush", true);
    const use = top.open({ readOnly: false });
    const written = writeSectors(use, 0, new Uint8Array(512)).catch(() => "failed");
    const closed = use.close();
    await expect(world.all.close()).rejects.toThrow("in use");
    await world.all.resume(bottom);
    await Promise.all([written, closed]);
    await world.all.suspend(bottom, "flush", true);
    await world.all.close();
    expect(world.open).toEqual([]);
  });

  test("tell in the log when a removal nobody waits for fails", async () => {
    const world = new DmWorld({ a: 8 });
    const { device, use } = await world.make("v", "0 8 linear ./a 0");
    const { target } = device.live!.targets[0]!;
    target.close = () => Promise.reject(new Error("stuck"));
    await world.all.remove(device, { deferred: true });
    await use.close();
    await world.all.close();
    expect(world.log).toEqual(["error: removing v: stuck"]);
    expect(world.open).toEqual([]);
  });

  test("that were removed take no table any more", async () => {
    const world = new DmWorld({ a: 8 });
    const device = world.create("v");
    const loaded = world.load(device, "0 8 linear ./a 0");
    const removed = world.all.remove(device, { deferred: false });
    await expect(loaded).rejects.toThrow("v was removed meanwhile");
    await removed;
    await expect(world.load(device, "0 8 linear ./a 0")).rejects.toThrow("removed meanwhile");
    expect(world.open).toEqual([]);
  });
});
