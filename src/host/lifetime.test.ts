/** Making, including, stopping, zeroing, and what is told of it. */
import { describe, expect, it } from "vitest";
import { ArrayDevice } from "../../test/support/array-device.ts";
import { HostWorld } from "../../test/support/host-world.ts";
import { HoldfastError } from "../base/errors.ts";
import { probeMdSuperblocks } from "../md/probe.ts";
import { readSectors, writeSectors } from "../block/promises.ts";
import type { CreateCall, IncludeCall } from "./array-host.ts";

function includeCall(device: string, more: Partial<IncludeCall> = {}): IncludeCall {
  const names = { kernelName: null, path: null };
  return { names, device, mode: "read-write", run: false, ...more };
}

describe("making an array", () => {
  it.each([
    ["linear", 2],
    ["raid0", 2],
    ["raid1", 2],
    ["raid4", 3],
    ["raid5", 3],
    ["raid6", 4],
    ["raid10", 4],
  ] as const)("of level %s", async (level, count) => {
    const versions =
      level === "raid0" ? (["1.2"] as const) : (["0.90", "1.0", "1.1", "1.2"] as const);
    for (const version of versions) {
      const world = new HostWorld();
      const disks = world.addDisks(count);
      const chunkSectors = level === "raid1" || level === "linear" ? null : 128;
      const { array, plan } = await world.create(disks, { level, version, chunkSectors });
      expect(array, version).toMatchObject({ metadata: version, raidDisks: count });
      expect(plan.devices).toHaveLength(count);
      expect(await world.quiet()).toMatchObject({ degraded: 0, sync: null });
      const block = new Uint8Array(512).fill(3);
      const volume = world.volume();
      await world.do(writeSectors(volume, volume.sectors - 1, block));
      world.crash();
      const again = await world.assemble(disks);
      expect(again, version).toMatchObject({ kind: "started", active: count });
      const there = await world.do(readSectors(world.volume(), volume.sectors - 1, 1));
      expect(there).toEqual(block);
    }
  });

  it("tells what is written where, not the bytes of it", async () => {
    const world = new HostWorld();
    const disks = world.addDisks(2);
    const { plan } = await world.create(disks);
    expect(JSON.stringify(plan).length).toBeLessThan(1000);
    for (const [at, path] of disks.entries()) {
      const { primary } = await probeMdSuperblocks(world.disks.get(path)!);
      const { superSector, badBlockLog } = primary!;
      expect(plan.devices[at]!.writes).toEqual([
        { what: "bad-block-log", sector: badBlockLog!.startSector, sectors: 8 },
        { what: "superblock", sector: superSector, sectors: 1 },
      ]);
    }
  });

  it("without lists of bad sectors, which those who join do not get either", async () => {
    const world = new HostWorld();
    const disks = world.addDisks(3);
    await world.create(disks.slice(0, 2), { badBlockLog: false });
    const how = { as: "member", writeMostly: null, failFast: null, update: null } as const;
    await world.do(world.host.add({ array: "md0", device: disks[2]!, ...how }));
    await world.stop();
    for (const path of disks) {
      const { primary } = await probeMdSuperblocks(world.disks.get(path)!);
      expect(primary?.badBlockLog, path).toBeNull();
    }
  });

  it("with zeroes on all of it needs no sync", async () => {
    const world = new HostWorld();
    const disks = world.addDisks(3);
    for (const path of disks) world.bytesOf(path).fill(0xaa);
    const { array } = await world.create(disks, {
      level: "raid5",
      chunkSectors: 128,
      writeZeroes: true,
    });
    expect(array).toMatchObject({ sync: null, resyncStartSectors: null });
    await world.host.set({ array: "md0", action: { kind: "sync-action", action: "check" } });
    expect(await world.quiet()).toMatchObject({ mismatchSectors: 0, lastSyncAction: "check" });
    const { sectors } = world.volume();
    const data = await world.do(readSectors(world.volume(), 0, sectors));
    expect(data.every((byte) => byte === 0)).toBe(true);
  });

  const refused: readonly [string, Partial<CreateCall>, string][] = [
    ["too few devices", { raidDisks: 3 }, "cannot-start"],
    ["a path that is none", { names: { kernelName: null, path: "/dev/sda" } }, "usage"],
    ["half a UUID", { uuid: "0123" }, "usage"],
    ["a disk that is not there", { journal: "/disks/none" }, "not-found"],
    ["a disk twice", { journal: "/disks/d0" }, "busy"],
    ["a dry run", { dryRun: true }, "-"],
  ];
  it.each(refused)("with %s writes nothing and holds nothing", async (_name, more, code) => {
    const world = new HostWorld();
    const disks = world.addDisks(3).slice(0, 2);
    const before = world.snapshot();
    const outcome = world.create(disks, { raidDisks: 2, ...more });
    if (code === "-") expect((await outcome).array).toBeNull();
    else await expect(outcome).rejects.toMatchObject({ code });
    expect(world.snapshot()).toEqual(before);
    expect(await world.host.arrays()).toEqual([]);
    await world.create(disks);
  });

  it("writes superblocks behind all else, on all devices", async () => {
    const world = new HostWorld();
    const disks = world.addDisks(2);
    const order: string[] = [];
    for (const path of disks)
      world.disks.get(path)!.fault = ({ op, sector }) => {
        if (op === "flush" || op === "write") order.push(op === "flush" ? "flush" : `${sector}`);
        return null;
      };
    const bitmap = { chunkSectors: null, delaySeconds: 5, writeBehind: 0 };
    await world.create(disks, { bitmap, readOnly: true });
    const superblock = order.indexOf("8");
    expect(order.slice(0, superblock).filter((one) => one === "16")).toHaveLength(2);
    // Old superblocks away, then bitmaps: each is durable on both before the first superblock.
    expect(order.slice(0, superblock).filter((one) => one === "flush")).toHaveLength(4);
  });

  it("lets go of everything when a disk fails on the way", async () => {
    const world = new HostWorld();
    const disks = world.addDisks(2);
    const broken = new ArrayDevice(16384, {}, disks[1]);
    broken.fault = ({ op }) => (op === "write" ? new HoldfastError("io", "broken") : null);
    const whole = world.disks.get(disks[1]!)!;
    world.disks.set(disks[1]!, broken);
    await expect(world.create(disks)).rejects.toThrow("broken");
    world.disks.set(disks[1]!, whole);
    await expect(world.create(disks)).resolves.toBeDefined();
  });
});

describe("one device at a time", () => {
  it("starts when all are there that were", async () => {
    const world = new HostWorld();
    const disks = world.addDisks(3);
    await world.create(disks, { level: "raid5", chunkSectors: 128 });
    await world.quiet();
    await world.stop();
    const first = await world.do(world.host.include(includeCall(disks[2]!)));
    expect(first).toMatchObject({ kind: "inactive", present: 1, needed: 3 });
    expect(first.array.path).toBe("/dev/md/data");
    const second = await world.do(world.host.include(includeCall(disks[0]!)));
    expect(second).toMatchObject({ kind: "inactive", present: 2 });
    const third = await world.do(world.host.include(includeCall(disks[1]!)));
    expect(third).toMatchObject({ kind: "started", present: 3 });
    expect(third.array).toMatchObject({ state: "clean", degraded: 0 });
    expect(world.volume().sectors).toBeGreaterThan(0);
  });

  it("starts early where that is wished for, and takes in who comes later", async () => {
    const world = new HostWorld();
    const disks = world.addDisks(3);
    const bitmap = { chunkSectors: 128, delaySeconds: 5, writeBehind: 0 };
    await world.create(disks, { spareDisks: 1, bitmap });
    await world.quiet();
    await world.stop();
    const early = await world.do(world.host.include(includeCall(disks[0]!, { run: true })));
    expect(early).toMatchObject({ kind: "started", present: 1, needed: 2 });
    await expect(world.do(world.host.include(includeCall(disks[1]!)))).rejects.toMatchObject({
      code: "busy",
    });
    const back = await world.do(world.host.include(includeCall(disks[1]!, { run: true })));
    expect(back.kind).toBe("added");
    expect(await world.quiet("/dev/md/data")).toMatchObject({ degraded: 0 });
    expect((await world.do(world.host.include(includeCall(disks[2]!)))).kind).toBe("added");
  });

  it("without a superblock is refused, and not held", async () => {
    const world = new HostWorld();
    const [blank] = world.addDisks(1);
    const call = includeCall(blank!);
    await expect(world.do(world.host.include(call))).rejects.toMatchObject({
      code: "bad-metadata",
    });
    expect(await world.do(world.host.zeroSuperblock({ device: blank!, force: false }))).toBe(false);
  });
});

describe("the end", () => {
  it("comes in order: clients, then the array", async () => {
    const world = new HostWorld();
    const disks = world.addDisks(2);
    await world.create(disks, { assumeClean: true });
    const told: string[] = [];
    const release = world.host.use("md0");
    world.host.listen({
      appeared: ({ path }) => told.push(`appeared ${path}`),
      leaving: async ({ path }) => {
        told.push(`leaving ${path}`);
        await Promise.resolve();
        release();
      },
    });
    await expect(world.stop()).rejects.toThrow("a client has /dev/md0 open");
    await world.do(world.host.stop({ array: "md0", force: true }));
    expect(told).toEqual(["appeared /dev/md0", "leaving /dev/md0"]);
    await expect(world.stop()).rejects.toMatchObject({ code: "not-found" });
  });

  it("comes for all at once, with those who wait for a suspended range", async () => {
    const world = new HostWorld();
    await world.create(world.addDisks(2), { assumeClean: true });
    const action = { kind: "suspend", end: "hi", sectors: 64 } as const;
    await world.do(world.host.set({ array: "md0", action }));
    const write = writeSectors(world.volume(), 0, new Uint8Array(512).fill(1));
    await world.do(world.host.close());
    await expect(write).resolves.toBeUndefined();
    expect(await world.host.arrays()).toEqual([]);
  });

  it("of a superblock: a member in use keeps it", async () => {
    const world = new HostWorld();
    const disks = world.addDisks(2);
    await world.create(disks);
    const zero = (): Promise<boolean> =>
      world.do(world.host.zeroSuperblock({ device: disks[0]!, force: false }));
    const before = world.snapshot();
    await expect(zero()).rejects.toThrow("in use by /dev/md0");
    expect(world.snapshot()[1]).toBe(before[1]);
    await world.stop();
    expect(await zero()).toBe(true);
    expect(await zero()).toBe(false);
    const left = await world.assemble(disks, { run: true });
    expect(left.leftOut).toEqual([{ path: disks[0], why: "has no md superblock" }]);
  });
});

describe("events", () => {
  it("are waited for, so long and no longer", async () => {
    const world = new HostWorld();
    const waiting = world.host.events({ after: 0, waitMs: 60_000 });
    await world.create(world.addDisks(2), { assumeClean: true });
    expect((await waiting).map(({ kind, number }) => [kind, number])).toEqual([["NewArray", 1]]);
    const late = world.do(world.host.events({ after: 1, waitMs: 60_000 }));
    expect(await late).toEqual([]);
    expect(world.time.monotonicMs()).toBeGreaterThanOrEqual(60_000);
    const last = world.host.events({ after: 1, waitMs: 60_000 });
    await world.do(world.host.close());
    expect((await last).map(({ kind }) => kind)).toEqual(["DeviceDisappeared"]);
  });
});
