/** Mapped devices beside arrays, on the same disks in memory. */
import { describe, expect, it } from "vitest";
import { DmsetupMachine } from "../../../test/support/dmsetup-run.ts";
import { readSectors, writeSectors } from "../../block/promises.ts";
import type { CreateCall } from "../array-host.ts";
import type { ServedArray } from "../listener.ts";

function linear(device: string, sectors = 64, offset = 0): string {
  return `0 ${sectors} linear ${device} ${offset}`;
}

class World extends DmsetupMachine {
  /** What clients are let at, by the names they ask for. */
  readonly served = new Map<string, ServedArray>();
  readonly told: string[] = [];

  constructor() {
    super(3, 16_384);
    this.host.listen({
      appeared: (one) => {
        this.told.push(`appeared ${one.path}`);
        this.served.set(one.path, one);
      },
      leaving: (one) => {
        this.told.push(`leaving ${one.path}`);
        this.served.delete(one.path);
        return Promise.resolve();
      },
      renamed: (one) => void this.told.push(`renamed ${one.path}`),
      closing: (one) => void this.told.push(`closing ${one.path}`),
    });
  }

  async make(name: string, table: string | null, readOnly = false): Promise<void> {
    await this.host.mappedCreate({ name, uuid: "", minor: null, table, readOnly });
  }

  async mirror(...devices: readonly string[]): Promise<void> {
    const flags = { writeMostly: false, failFast: false, dataOffsetSectors: null };
    const call: CreateCall = {
      names: { kernelName: "md0", path: "/dev/md0" },
      devices: devices.map((path) => ({ path, ...flags })),
      journal: null,
      version: "1.2",
      level: "raid1",
      layout: null,
      chunkSectors: null,
      raidDisks: devices.length,
      spareDisks: 0,
      componentSectors: null,
      dataOffsetSectors: null,
      bitmap: null,
      consistencyPolicy: null,
      assumeClean: true,
      force: true,
      name: "m",
      homehost: null,
      uuid: null,
      readOnly: false,
      writeZeroes: false,
      dryRun: false,
    };
    await this.host.create(call);
  }
}

describe("a mapped device", () => {
  it("is there for clients from its first table on, under its name, until it is removed", async () => {
    const world = new World();
    await world.make("v", null);
    await world.host.mappedLoad({ device: "v", table: linear("/disks/d0"), readOnly: false });
    expect(world.told).toEqual([]);
    await world.host.mappedResume("v");
    await world.host.mappedRename({ device: "v", name: "w" });
    const end = world.host.use("dm-0");
    expect((await world.host.mappedDevice("w")).openCount).toBe(1);
    await world.host.mappedRemove({ device: "w", deferred: true });
    expect(() => world.host.use("dm-0")).toThrow("w is being removed");
    end();
    await expect.poll(() => world.host.mappedDevices()).toEqual([]);
    expect(world.told).toEqual([
      "appeared /dev/mapper/v",
      "renamed /dev/mapper/w",
      "closing /dev/mapper/w",
      "leaving /dev/mapper/w",
    ]);
  });

  it("holds its disks together with other mapped devices, and against arrays", async () => {
    const world = new World();
    await world.make("v", linear("/disks/d0"));
    await world.make("w", linear("/disks/d0", 64, 64));
    await expect(world.mirror("/disks/d0", "/disks/d1")).rejects.toThrow(
      "/disks/d0 is in use by device-mapper",
    );
    await world.mirror("/disks/d1", "/disks/d2");
    await expect(world.make("x", linear("/disks/d1"))).rejects.toMatchObject({ code: "busy" });
    for (const device of ["v", "w"]) await world.host.mappedRemove({ device, deferred: false });
    await world.host.stop({ array: "md0", force: false });
    await world.make("x", linear("/disks/d1"));
  });

  it("may be the member of an array, and stand on one; loops are refused, and all end in order", async () => {
    const world = new World();
    await world.make("leg", linear("/disks/d0", 16_384));
    await world.mirror("/dev/mapper/leg", "/disks/d1");
    const members = (await world.host.array("md0")).members;
    expect(members[0]).toMatchObject({ path: "/dev/mapper/leg", major: 254, minor: 0 });
    await expect(world.mirror("/dev/dm-0", "/disks/d2")).rejects.toMatchObject({ code: "busy" });
    await world.make("top", linear("/dev/md0"));
    const loop = { device: "leg", table: linear("/dev/mapper/top", 8), readOnly: false };
    await expect(world.host.mappedLoad(loop)).rejects.toThrow("leg would stand on itself");
    await expect(world.host.mappedLoad({ ...loop, table: linear("/dev/md0", 8) })).rejects.toThrow(
      "leg would stand on itself, by /dev/md0",
    );
    await expect(world.host.mappedRemove({ device: "leg", deferred: false })).rejects.toMatchObject(
      {
        code: "busy",
      },
    );
    await expect(world.host.stop({ array: "md0", force: false })).rejects.toMatchObject({
      code: "busy",
    });
    const { volume } = world.served.get("/dev/mapper/top")!;
    await writeSectors(volume, 1, new Uint8Array(512).fill(5));
    const { dataOffsetSectors } = members[0]!;
    const there = await readSectors(world.disks.get("/disks/d0")!, dataOffsetSectors + 1, 1);
    expect(there[0]).toBe(5);
    // A write that waits is done before the end: nobody could tell that it was not.
    await world.host.mappedSuspend({ device: "leg", noFlush: false, noLockFs: false });
    const held = writeSectors(volume, 2, new Uint8Array(512).fill(6));
    await world.host.close();
    await held;
    expect(world.told.filter((line) => line.startsWith("leaving"))).toEqual([
      "leaving /dev/mapper/top",
      "leaving /dev/md0",
      "leaving /dev/mapper/leg",
    ]);
  });

  it("that cannot be made leaves nothing behind, and holds nothing", async () => {
    const world = new World();
    const bad = `${linear("/disks/d0")}\n64 8 linear /disks/d1`;
    await expect(world.make("v", bad)).rejects.toThrow("v, table line 2: linear: the offset");
    expect(await world.host.mappedDevices()).toEqual([]);
    await world.mirror("/disks/d0", "/disks/d1");
  });

  it("on one that may only be read is made, as the kernel does it, and writes nothing", async () => {
    const world = new World();
    await world.make("ro", linear("/disks/d0"), true);
    await world.make("v", linear("ro", 8));
    const { volume } = world.served.get("/dev/mapper/v")!;
    await expect(writeSectors(volume, 0, new Uint8Array(512).fill(1))).rejects.toMatchObject({
      code: "read-only",
    });
    expect((await readSectors(world.disks.get("/disks/d0")!, 0, 1))[0]).toBe(0);
    expect((await world.host.mappedDevice("ro")).isReadOnly).toBe(true);
  });
});
