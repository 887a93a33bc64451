/** Changes of size and bitmap while clients use the array. */
import { describe, expect, it } from "vitest";
import { HostWorld } from "../../test/support/host-world.ts";
import { HoldfastError } from "../base/errors.ts";
import { readSectors, writeSectors } from "../block/promises.ts";
import type { BlockDevice } from "../block/device.ts";
import type { CreateCall, GrowCall } from "./array-host.ts";

const BITMAP = { chunkSectors: 128, delaySeconds: 5, writeBehind: 0 };
const block = (fill: number): Uint8Array => new Uint8Array(4096).fill(fill);

async function running(count: number, more: Partial<CreateCall> = {}) {
  const world = new HostWorld();
  const disks = world.addDisks(count);
  await world.create(disks, more);
  await world.quiet();
  const volume = world.volume();
  await world.do(writeSectors(volume, 8, block(7)));
  const grow = (call: GrowCall) => world.do(world.host.grow(call));
  return { world, disks, volume, grow };
}

async function holds(world: HostWorld, volume: BlockDevice): Promise<boolean> {
  return Buffer.from(await world.do(readSectors(volume, 8, 8))).equals(block(7));
}

describe("a bitmap", () => {
  it.each([
    ["raid1", "0.90"],
    ["raid1", "1.0"],
    ["raid5", "1.1"],
    ["raid10", "1.2"],
  ] as const)(
    "is added to a %s of version %s and taken away, under load",
    async (level, version) => {
      const chunkSectors = level === "raid1" ? null : 128;
      const { world, disks, volume, grow } = await running(4, {
        level,
        version,
        chunkSectors,
        force: true,
      });
      // Comes in the middle, and waits.
      const write = writeSectors(volume, 16, block(9));
      const added = grow({ kind: "bitmap", array: "md0", bitmap: BITMAP });
      const view = (await Promise.all([added, write]))[0];
      expect(view).toMatchObject({ consistencyPolicy: "bitmap", degraded: 0 });
      expect(view.bitmap).toMatchObject({ chunkBytes: 65536, daemonSleepSeconds: 5 });
      expect(await holds(world, volume)).toBe(true);
      await world.idle(60_000);
      expect((await world.view()).bitmap).toMatchObject({ usedPages: 0 });
      world.crash();
      const again = await world.assemble(disks);
      expect(again).toMatchObject({ kind: "started", active: 4 });
      expect(again.array.bitmap).not.toBeNull();
      await world.quiet();
      const without = await world.do(
        world.host.grow({ kind: "bitmap", array: "md0", bitmap: null }),
      );
      expect(without).toMatchObject({ bitmap: null, consistencyPolicy: "resync" });
      await world.stop();
      expect(await world.assemble(disks)).toMatchObject({ kind: "started", active: 4 });
    },
  );

  it("is refused where it makes no sense, and nothing is written", async () => {
    const { world, grow } = await running(2, { level: "raid0", chunkSectors: 128 });
    const before = world.snapshot();
    const bitmap = grow({ kind: "bitmap", array: "md0", bitmap: BITMAP });
    await expect(bitmap).rejects.toMatchObject({ code: "unsupported" });
    const mirror = await running(2);
    await expect(
      mirror.grow({ kind: "bitmap", array: "md0", bitmap: { ...BITMAP, chunkSectors: 1 } }),
    ).rejects.toMatchObject({ code: "usage" });
    await expect(mirror.grow({ kind: "bitmap", array: "md0", bitmap: null })).rejects.toThrow(
      "has no bitmap",
    );
    expect(world.snapshot()).toEqual(before);
    expect(await holds(mirror.world, mirror.volume)).toBe(true);
  });

  it("waits for nobody: a running sync comes first", async () => {
    const { world, grow } = await running(2);
    const action = { kind: "sync-action", action: "check" } as const;
    world.systemLimits.maxKiBps = 1;
    await world.do(world.host.set({ array: "md0", action }));
    await world.idle(1000);
    const call = { kind: "bitmap", array: "md0", bitmap: BITMAP } as const;
    await expect(grow(call)).rejects.toThrow("is busy with check");
  });

  it("nor is a check forgotten that was only asked for", async () => {
    const { world, grow } = await running(2);
    const action = { kind: "sync-action", action: "check" } as const;
    const asked = world.host.set({ array: "md0", action });
    const call = { kind: "bitmap", array: "md0", bitmap: BITMAP } as const;
    const grown = grow(call).catch((error: Error) => error.message);
    await world.do(asked);
    expect(await grown).toContain("is busy with check");
    expect(await world.quiet()).toMatchObject({ lastSyncAction: "check" });
  });
});

const PPL = { kind: "consistency-policy", array: "md0", policy: "ppl" } as const;
const RESYNC = { ...PPL, policy: "resync" } as const;

describe("the consistency policy", () => {
  const raid5 = { level: "raid5", chunkSectors: 128, componentSectors: 8192 } as const;

  it.each([
    // In front of the list of bad blocks, all of a new array's size; behind that list, with no more room than usual.
    ["1.0", 14312, 2048],
    ["1.1", 24, 264],
    ["1.2", 32, 264],
  ] as const)(
    "of a raid5 of version %s becomes ppl and resync again, under load",
    async (version, pplSector, pplSectors) => {
      const { world, disks, volume, grow } = await running(3, { ...raid5, version });
      const write = writeSectors(volume, 16, block(9));
      const [view] = await Promise.all([grow(PPL), write]);
      expect(view).toMatchObject({ consistencyPolicy: "ppl", degraded: 0 });
      for (const member of view.members) expect(member).toMatchObject({ pplSector, pplSectors });
      await world.do(writeSectors(volume, 24, block(5)));
      world.crash();
      const again = await world.assemble(disks);
      expect(again).toMatchObject({ kind: "started", active: 3 });
      expect(await world.quiet()).toMatchObject({ consistencyPolicy: "ppl", degraded: 0 });
      expect(await holds(world, world.volume())).toBe(true);
      expect(await world.do(world.host.grow(RESYNC))).toMatchObject({
        consistencyPolicy: "resync",
      });
      await world.stop();
      expect((await world.assemble(disks)).array.consistencyPolicy).toBe("resync");
      expect(await holds(world, world.volume())).toBe(true);
    },
  );

  it("ppl is for a raid5 of version 1 that has no bitmap, and only once; what is refused writes nothing", async () => {
    const refused = async (more: Partial<CreateCall>, text: string) => {
      const { world, grow } = await running(4, { chunkSectors: 128, ...more });
      await world.idle(60_000);
      const before = world.snapshot();
      await expect(grow(PPL)).rejects.toThrow(text);
      expect(world.snapshot()).toEqual(before);
    };
    await refused({ level: "raid6" }, "is a raid6: only a raid5");
    await refused({ ...raid5, version: "0.90" }, "0.90 metadata");
    await refused({ ...raid5, bitmap: BITMAP }, "has a bitmap");
    await refused({ ...raid5, consistencyPolicy: "ppl" }, "already");
    await refused({ level: "raid5", version: "1.0", chunkSectors: 16 }, "no room");
  });

  it("ppl reaches who joins later, where those have it who are there", async () => {
    const { world, disks, grow } = await running(3, raid5);
    await grow(PPL);
    const [spare] = world.addDisks(1);
    const how = { as: "spare", writeMostly: null, failFast: null, update: null } as const;
    await world.do(world.host.add({ array: "md0", device: spare!, ...how }));
    await world.do(world.host.fail({ array: "md0", device: disks[0]! }));
    const view = await world.quiet();
    expect(view).toMatchObject({ consistencyPolicy: "ppl", degraded: 0 });
    const logs = view.members.map(({ pplSector, pplSectors }) => `${pplSector}+${pplSectors}`);
    expect(new Set(logs).size).toBe(1);
  });
});

describe("size", () => {
  it("of members grows and is synced, and shrinks", async () => {
    const { world, volume, grow } = await running(2, { componentSectors: 4096 });
    expect(volume.sectors).toBe(4096);
    const grown = await grow({ kind: "size", array: "md0", componentSectors: "max" });
    expect(grown.componentKib).toBe(7168);
    expect(volume.sectors).toBe(14336);
    expect(grown.resyncStartSectors).toBe(4096);
    expect(await world.quiet()).toMatchObject({ resyncStartSectors: null });
    expect(await holds(world, volume)).toBe(true);
    const release = world.host.use("md0");
    const small = { kind: "size", array: "md0", componentSectors: 4096 } as const;
    await expect(grow(small)).rejects.toMatchObject({ code: "busy" });
    release();
    expect((await grow(small)).componentKib).toBe(2048);
    expect(await holds(world, volume)).toBe(true);
    const tooMuch = grow({ kind: "size", array: "md0", componentSectors: 1e6 });
    await expect(tooMuch).rejects.toMatchObject({ code: "no-space" });
  });

  it("takes the bitmap along, where there is room for it", async () => {
    const { world, disks, volume, grow } = await running(2, {
      componentSectors: 4096,
      bitmap: BITMAP,
    });
    const size = { kind: "size", array: "md0", componentSectors: "max" } as const;
    const grown = await grow(size);
    expect(grown).toMatchObject({ componentKib: 7168, consistencyPolicy: "bitmap" });
    await world.quiet();
    expect(await holds(world, volume)).toBe(true);
    world.crash();
    const again = await world.assemble(disks);
    expect(again).toMatchObject({ kind: "started", active: 2, array: { componentKib: 7168 } });
    const before = world.snapshot();
    const tooMuch = grow({ ...size, componentSectors: 1e6 });
    await expect(tooMuch).rejects.toMatchObject({ code: "no-space" });
    expect(world.snapshot()).toEqual(before);
  });

  it("of a raid5 grows in whole chunks", async () => {
    const options = { level: "raid5", chunkSectors: 128, componentSectors: 4096 } as const;
    const { world, disks, volume, grow } = await running(3, options);
    await grow({ kind: "size", array: "md0", componentSectors: 8000 });
    expect(volume.sectors).toBe(2 * 7936);
    await world.quiet();
    await world.stop();
    expect(await world.assemble(disks)).toMatchObject({ kind: "started", active: 3 });
  });

  it("in members: a mirror gets one more, and one less", async () => {
    for (const version of ["0.90", "1.2"] as const) {
      const { world, disks, volume, grow } = await running(3, { spareDisks: 1, version });
      await grow({ kind: "raid-disks", array: "md0", raidDisks: 3 });
      expect(await world.quiet()).toMatchObject({ raidDisks: 3, degraded: 0 });
      await expect(grow({ kind: "raid-disks", array: "md0", raidDisks: 2 })).rejects.toMatchObject({
        code: "busy",
      });
      await world.do(world.host.fail({ array: "md0", device: disks[0]! }));
      // It is gone for good: nobody asks it anything.
      world.disks.get(disks[0]!)!.fault = ({ op }) => new HoldfastError("io", `no ${op}`);
      const less = await grow({ kind: "raid-disks", array: "md0", raidDisks: 2 });
      expect(less).toMatchObject({ raidDisks: 2, degraded: 0 });
      const left = less.members.find(({ path }) => path === disks[0])!;
      expect(left).toMatchObject({ faulty: true, slot: null });
      expect(new Set(less.members.map(({ number }) => number)).size).toBe(3);
      expect(await holds(world, volume)).toBe(true);
      await world.do(world.host.remove({ array: "md0", device: disks[0]! }));
      expect((await world.view()).members).toHaveLength(2);
      await world.stop();
      expect(await world.assemble(disks.slice(1))).toMatchObject({ kind: "started", active: 2 });
    }
  });

  it("that is said to agree already is not synced", async () => {
    for (const bitmap of [null, BITMAP]) {
      const { world, disks, grow } = await running(2, { componentSectors: 4096, bitmap });
      const size = { kind: "size", array: "md0", componentSectors: "max" } as const;
      const grown = await grow({ ...size, assumeClean: true });
      expect(grown).toMatchObject({ componentKib: 7168, resyncStartSectors: null, sync: null });
      await world.stop();
      const { array } = await world.assemble(disks);
      expect(array).toMatchObject({ componentKib: 7168, resyncStartSectors: null, sync: null });
    }
  });

  it("of a linear array grows by a device, whose superblock is there before the others tell of it", async () => {
    for (const version of ["0.90", "1.0", "1.2"] as const) {
      const { world, disks, volume, grow } = await running(2, { level: "linear", version });
      const [more] = world.addDisks(1, 4 * 2048);
      const before = volume.sectors;
      const written: string[] = [];
      for (const [path, disk] of world.disks)
        disk.fault = ({ op }) => {
          if (op === "write") written.push(path);
          return null;
        };
      await grow({ kind: "add-linear", array: "md0", device: more! });
      const firstOld = written.findIndex((path) => path !== more);
      expect(new Set(written.slice(0, firstOld))).toEqual(new Set([more]));
      expect(written.slice(firstOld).toSorted()).toEqual(disks);
      expect(volume.sectors).toBeGreaterThan(before);
      expect(await holds(world, volume)).toBe(true);
      const end = volume.sectors - 8;
      await world.do(writeSectors(volume, end, block(3)));
      await world.stop();
      expect(await world.assemble([...disks, more!])).toMatchObject({ kind: "started", active: 3 });
      const tail = await world.do(readSectors(world.volume(), end, 8));
      expect(Buffer.from(tail).equals(block(3))).toBe(true);
    }
  });

  it("of other levels does not grow by a device at their end, nor by one that is in use", async () => {
    for (const level of ["raid0", "raid1"] as const) {
      const chunkSectors = level === "raid0" ? 128 : null;
      const { world, grow } = await running(2, { level, chunkSectors });
      const [device] = world.addDisks(1);
      await expect(
        grow({ kind: "add-linear", array: "md0", device: device! }),
      ).rejects.toMatchObject({ code: "unsupported" });
    }
    const { world, disks, volume, grow } = await running(2, { level: "linear" });
    await expect(
      grow({ kind: "add-linear", array: "md0", device: disks[0]! }),
    ).rejects.toMatchObject({ code: "busy" });
    expect(await holds(world, volume)).toBe(true);
  });

  it("that takes a reshape is refused by name", async () => {
    const { grow } = await running(3, { level: "raid5", chunkSectors: 128 });
    const wider = grow({ kind: "raid-disks", array: "md0", raidDisks: 4 });
    await expect(wider).rejects.toMatchObject({ code: "unsupported" });
  });
});

describe("beside a faulty member that nobody has taken out yet", () => {
  const versions = ["0.90", "1.0", "1.2"] as const;

  async function failed(version: (typeof versions)[number], more: Partial<CreateCall> = {}) {
    const all = await running(4, { raidDisks: 3, spareDisks: 1, version, ...more });
    const { world, disks } = all;
    await world.do(world.host.fail({ array: "md0", device: disks[0]! }));
    await world.quiet();
    await world.do(world.host.fail({ array: "md0", device: disks[3]! }));
    return { ...all, gone: [disks[0]!, disks[3]!], left: disks.slice(1, 3) };
  }

  it.each(versions)("a mirror of version %s gets smaller and larger", async (version) => {
    const { world, disks, volume, grow, gone } = await failed(version);
    const call = { kind: "raid-disks", array: "md0" } as const;
    for (const [raidDisks, degraded] of [
      [2, 0],
      [4, 2],
      [2, 0],
    ] as const) {
      const view = await grow({ ...call, raidDisks });
      expect(view).toMatchObject({ raidDisks, degraded });
      expect(view.members.filter(({ faulty }) => faulty).map(({ path }) => path)).toEqual(gone);
      const numbers = view.members.map(({ number }) => number);
      expect(new Set(numbers).size).toBe(4);
    }
    await world.do(writeSectors(volume, 8, block(9)));
    world.crash();
    const again = await world.assemble(disks);
    expect(again).toMatchObject({ kind: "started", active: 2 });
    expect(again.leftOut.map(({ path }) => path).toSorted()).toEqual(gone.toSorted());
    expect(await world.do(readSectors(world.volume(), 8, 8))).toEqual(block(9));
  });

  it.each(versions)("size and bitmap of version %s change", async (version) => {
    const { world, disks, volume, grow, gone } = await failed(version, { componentSectors: 4096 });
    for (const path of gone)
      world.disks.get(path)!.fault = () => new HoldfastError("io", "nobody may touch it");
    expect((await grow({ kind: "bitmap", array: "md0", bitmap: BITMAP })).bitmap).not.toBeNull();
    const size = { kind: "size", array: "md0", componentSectors: 8192 } as const;
    expect(await grow(size)).toMatchObject({ componentKib: 4096, degraded: 1 });
    await world.quiet();
    expect(await holds(world, volume)).toBe(true);
    for (const path of gone) {
      world.disks.get(path)!.fault = () => null;
      await world.do(world.host.remove({ array: "md0", device: path }));
    }
    const how = { as: "spare", writeMostly: null, failFast: null, update: null } as const;
    await world.do(world.host.add({ array: "md0", device: gone[0]!, ...how }));
    expect(await world.quiet()).toMatchObject({ degraded: 0 });
    await world.stop();
    const again = await world.assemble(disks);
    expect(again).toMatchObject({ kind: "started", active: 3 });
  });
});

describe("a linear array", () => {
  it.each(["0.90", "1.0", "1.2"] as const)("of version %s gets longer", async (version) => {
    const { world, disks, volume, grow } = await running(2, { level: "linear", version });
    const [more] = world.addDisks(1);
    const before = volume.sectors;
    const view = await grow({ kind: "add-linear", array: "md0", device: more! });
    expect(view.raidDisks).toBe(3);
    expect(volume.sectors).toBeGreaterThan(before * 1.4);
    await world.do(writeSectors(volume, volume.sectors - 8, block(5)));
    expect(await holds(world, volume)).toBe(true);
    await world.stop();
    const again = await world.assemble([...disks, more!]);
    expect(again).toMatchObject({ kind: "started", active: 3 });
    const next = world.volume();
    expect(await world.do(readSectors(next, next.sectors - 8, 8))).toEqual(block(5));
  });

  it("takes no device that is in use, or too small, and others get none at their end", async () => {
    const { world, disks, grow } = await running(2, { level: "linear", chunkSectors: 128 });
    const before = world.snapshot();
    const [tiny] = world.addDisks(1, 2100);
    const add = (device: string) => grow({ kind: "add-linear", array: "md0", device });
    await expect(add(disks[0]!)).rejects.toMatchObject({ code: "busy" });
    await expect(add(tiny!)).rejects.toMatchObject({ code: "usage" });
    expect(world.snapshot().slice(0, 2)).toEqual(before);
    const mirror = await running(2);
    const call = { kind: "add-linear", array: "md0", device: tiny! } as const;
    await expect(mirror.grow(call)).rejects.toMatchObject({ code: "unsupported" });
  });
});

describe("when a disk fails in the middle", () => {
  it("the array is inactive, and whoever waits is told", async () => {
    const { world, disks, volume, grow } = await running(2);
    const disk = world.disks.get(disks[0]!)!;
    const error = new Error("gone");
    let isArmed = false;
    disk.fault = ({ op, sector }) => {
      if (op === "write" && sector === 16) isArmed = true;
      return isArmed && op === "write" ? (Object.assign(error, { code: "io" }) as never) : null;
    };
    await expect(grow({ kind: "bitmap", array: "md0", bitmap: BITMAP })).rejects.toThrow("gone");
    expect(await world.view()).toMatchObject({ state: "inactive" });
    await expect(world.do(readSectors(volume, 0, 8))).rejects.toMatchObject({ code: "shutdown" });
    disk.fault = () => null;
    expect(await world.do(world.host.run("md0"))).toMatchObject({ kind: "started", active: 2 });
  });
});
