import { describe, expect, it } from "vitest";
import { settled } from "../../../test/support/crash-disks.ts";
import type { CrashDisks } from "../../../test/support/crash-disks.ts";
import { LOG_SECTOR, MIRROR, SimpleMirror } from "../../../test/support/running-array.ts";
import {
  RunningWorld,
  failsData,
  failsFlush,
  failsSuperblock,
} from "../../../test/support/running-world.ts";
import { HoldfastError } from "../../base/errors.ts";
import { noRegions } from "../../regions/region-tracker.ts";
import type { RunningArray } from "./array.ts";
import type { AssembleOptions } from "./assemble.ts";
import { Member } from "./member.ts";
import { activate, fillSlots } from "./sync-slots.ts";

const THREE = { ...MIRROR, raidDisks: 3 };

describe("event counts", () => {
  it("go up for dirty and back for clean in a healthy array, and spares are left alone", async () => {
    const world = await new RunningWorld({ spares: 1 }).start();
    expect(world.events).toEqual([10, 10, 10]);
    for (let round = 0; round < 2; round += 1) {
      await world.write(0);
      expect(world.events).toEqual([11, 11, 10]);
      expect(world.superblock(0).resyncOffsetSectors).toBe(0);
      await world.becomeIdle();
      expect(world.events).toEqual([10, 10, 10]);
      expect(world.superblock(1).resyncOffsetSectors).toBe(Infinity);
    }
    expect(world.takeLog().filter((line) => line.startsWith("2"))).toEqual([]);
  });

  it("do not go back below 1, nor while a resync is due", async () => {
    const world = await new RunningWorld({ all: { events: 0 } }).start();
    await world.write(0);
    await world.becomeIdle();
    await world.write(0);
    expect(world.events).toEqual([3, 3]);
    const dirty = await new RunningWorld({ all: { resyncOffset: 8n } }).start();
    await dirty.write(0);
    await dirty.becomeIdle();
    expect(dirty.events).toEqual([12, 12]);
    expect(dirty.superblock(0).resyncOffsetSectors).toBe(8);
  });

  it("always go up in a degraded array, spares included", async () => {
    const world = await new RunningWorld({ spares: 1 }).start();
    world.disks.disks[1]!.fails = failsData;
    await world.write(0);
    expect(world.events).toEqual([12, 11, 12]);
    await world.becomeIdle();
    await world.write(0);
    expect(world.events).toEqual([14, 11, 14]);
    await world.becomeIdle();
    expect(world.events).toEqual([15, 11, 15]);
  });

  it("go beyond what a device that is not there may have", async () => {
    const world = await new RunningWorld({ away: [0] }).start();
    await world.write(0);
    expect(world.events).toEqual([10, 12]);
    // Never more than one apart from each other on the way.
    expect(world.takeLog().filter((line) => line === "1 super")).toHaveLength(2);
  });

  it("go on when a member that was one behind is so no longer", async () => {
    const world = await new RunningWorld({ images: { 1: { events: 9 } } }).start();
    await world.write(0);
    expect(world.events).toEqual([11, 11]);
    const supers = world.takeLog().filter((line) => line.endsWith("super"));
    expect(supers).toEqual(["1 super", "0 super", "1 super"]);
  });

  it("go beyond what a member has that kept the higher count while the others went back", async () => {
    const world = await new RunningWorld({ shape: THREE }).start();
    await world.write(0);
    world.disks.disks[1]!.fails = failsSuperblock;
    await world.becomeIdle();
    const [first, failed, last] = world.events;
    expect(first).toBe(last);
    expect(first).toBeGreaterThan(failed!);
    expect(first).toBe(12);
    expect(
      world
        .superblock(0)
        .roles.slice(0, 3)
        .map(({ kind }) => kind),
    ).toEqual(["active", "faulty", "active"]);
  });
});

describe("a round", () => {
  it("flushes all members in slots before it writes superblocks", async () => {
    const world = await new RunningWorld().start();
    await world.write(0);
    world.takeLog();
    await world.becomeIdle();
    expect(world.takeLog()).toEqual(["0 flush", "1 flush", "0 super", "1 super"]);
  });

  it("writes bad-block logs before the superblocks, and only those that changed", async () => {
    const makeLevel: AssembleOptions["makeLevel"] = (core) => new SimpleMirror(core, true);
    const world = await new RunningWorld({
      all: { hasLog: true },
      assemble: { makeLevel },
    }).start();
    await world.write(0);
    world.takeLog();
    world.disks.disks[1]!.fails = failsData;
    expect(await world.write(3)).toBe("ok");
    const [data0, data1, ...round] = world.takeLog();
    expect([data0, data1]).toEqual(["0 data 3", "1 data 3"]);
    expect(round).toEqual(["0 flush", "1 flush", "1 log", "0 super", "1 super"]);
    expect(world.superblock(1).badBlockLog?.inUse).toBe(true);
    expect(world.superblock(0).badBlockLog?.inUse).toBe(false);
    await world.becomeIdle();
    expect(world.takeLog()).not.toContain("1 log");
  });

  it("writes nothing more to a member whose bad-block log cannot be written", async () => {
    const makeLevel: AssembleOptions["makeLevel"] = (core) => new SimpleMirror(core, true);
    const world = await new RunningWorld({
      all: { hasLog: true },
      assemble: { makeLevel },
    }).start();
    await world.write(0);
    world.takeLog();
    world.disks.disks[1]!.fails = (bio) => bio.op === "write" && bio.sector >= LOG_SECTOR;
    expect(await world.write(3)).toBe("ok");
    const log = world.takeLog();
    expect(log.filter((line) => line.startsWith("1"))).toEqual(["1 data 3", "1 flush", "1 log"]);
    expect(world.superblock(0).roles[1]?.kind).toBe("faulty");
  });

  it("writes the bitmap's superblock first when the count goes up, and last when it goes back", async () => {
    const marks: { disks: CrashDisks | null } = { disks: null };
    const openBitmap: AssembleOptions["openBitmap"] = () =>
      Promise.resolve({
        regions: noRegions,
        bitmap: {
          writeSuperblock: (events) => {
            marks.disks!.mark(`bitmap ${events}`);
            return Promise.resolve([]);
          },
          settle: () => {
            marks.disks!.mark("settle");
            return Promise.resolve();
          },
        },
        begin: () => Promise.resolve(),
      });
    const world = new RunningWorld({ all: { hasBitmap: true }, assemble: { openBitmap } });
    marks.disks = world.disks;
    await world.start();
    await world.write(0);
    const superblocks = ["0 super", "1 super"];
    const flushes = ["0 flush", "1 flush"];
    expect(world.takeLog().slice(0, 5)).toEqual([...flushes, "bitmap 11", ...superblocks]);
    await world.becomeIdle();
    expect(world.takeLog().slice(-5)).toEqual([...flushes, ...superblocks, "bitmap 10"]);
    await world.write(0);
    world.takeLog();
    await world.finish(world.array.close());
    expect(world.takeLog()[0]).toBe("settle");
  });

  it("starts again when a member cannot be flushed, and says so at once", async () => {
    const world = await new RunningWorld({ shape: THREE }).start();
    await world.write(0);
    world.takeLog();
    world.disks.disks[2]!.fails = failsFlush;
    await world.becomeIdle();
    const log = world.takeLog();
    expect(log.slice(0, 5)).toEqual(["0 flush", "1 flush", "2 flush", "0 flush", "1 flush"]);
    expect(log.slice(5)).toEqual(["0 super", "1 super"]);
    expect(world.superblock(0).roles[2]?.kind).toBe("faulty");
  });

  it("is shared by all that is committed while one is being written", async () => {
    const world = await new RunningWorld().start();
    await world.array.startWriting();
    const done: number[] = [];
    for (let i = 0; i < 4; i += 1) world.array.commit("progress", () => done.push(i));
    await world.disks.pump();
    expect(done).toEqual([0, 1, 2, 3]);
    expect(world.takeLog().filter((line) => line === "0 super")).toHaveLength(2);
  });

  it("lets those know who ask while a failure is being written", async () => {
    const world = await new RunningWorld({ shape: THREE }).start();
    await world.write(0);
    world.disks.disks[2]!.fails = failsData;
    const first = world.submitWrite(1);
    let second: { ended: unknown } = { ended: null };
    world.array.listen(({ kind }) => {
      if (kind === "failed") second = world.submitWrite(2);
    });
    await world.disks.pump();
    expect(first.ended).toBe("ok");
    expect(second.ended).toBe("ok");
    expect(world.array.state).toBe("active-idle");
  });

  it("tells of the failure of a spare", async () => {
    const world = await new RunningWorld({ spares: 1 }).start();
    world.disks.disks[2]!.fails = failsSuperblock;
    await world.array.startWriting();
    world.array.commit("members", () => {});
    await world.disks.pump();
    expect(world.superblock(0).roles[2]?.kind).toBe("faulty");
    expect(world.array.degraded).toBe(0);
  });
});

function committed(array: RunningArray): Promise<void> {
  return new Promise((durable) => array.commit("members", durable));
}

describe("members that come and go", () => {
  it("are told of in all superblocks", async () => {
    const world = await new RunningWorld({ spares: 1, images: { 2: { events: 3 } } }).start();
    const { array, disks } = world;
    await array.startWriting();
    disks.disks[1]!.fails = failsData;
    await world.write(0);
    const [, failed, spare] = array.members.attached;
    await world.finish(array.detach(failed!));
    expect(world.superblock(0).roles[1]?.kind).toBe("spare");
    world.takeLog();
    expect(fillSlots(array.members)).toBe(true);
    await world.finish(committed(array));
    // It says itself first that it is to be filled.
    const written = world.takeLog().filter((line) => line.endsWith("super"));
    expect(written).toEqual(["2 super", "0 super", "2 super"]);
    expect(world.superblock(0).roles[2]).toEqual({ kind: "active", slot: 1 });
    expect(world.superblock(2)).toMatchObject({
      recoveryOffsetSectors: 0,
      events: array.record.events,
    });
    spare!.standing = { kind: "recovering", slot: 1, recoveredSectors: Infinity };
    activate([spare!], array.members);
    await world.finish(committed(array));
    expect(world.superblock(2).recoveryOffsetSectors).toBe(Infinity);
    expect(array.degraded).toBe(0);
  });

  it("are refused when the superblocks have no room for them, and nobody suffers", async () => {
    const world = await new RunningWorld().start();
    const { array } = world;
    await array.startWriting();
    const [first] = array.members.attached;
    const { device, image, badBlocks } = first!;
    const standing = { kind: "spare" } as const;
    const newcomer = (deviceNumber: number): Member =>
      new Member({
        label: "new",
        device,
        superblock: { ...first!.superblock, deviceNumber },
        image,
        standing,
        badBlocks,
      });
    await expect(array.attach(newcomer(1920))).rejects.toMatchObject({ code: "no-space" });
    await expect(array.attach(newcomer(1))).rejects.toMatchObject({ code: "busy" });
    expect(array.members.attached).toHaveLength(2);
    expect(await world.write(0)).toBe("ok");
    expect(array.degraded).toBe(0);
  });

  it("leave, where a replacement is complete", async () => {
    const world = await new RunningWorld({
      spares: 1,
      all: { roles: [0, 1, 1] },
      images: { 2: { recoveryOffset: 8n, isReplacement: true } },
    }).start();
    const { array } = world;
    await array.startWriting();
    const replacement = array.members.at(1).replacement!;
    expect(replacement.standing).toEqual({ kind: "recovering", slot: 1, recoveredSectors: 8 });
    replacement.standing = { kind: "recovering", slot: 1, recoveredSectors: Infinity };
    activate([replacement], array.members);
    await world.finish(committed(array));
    expect(world.superblock(0).roles[1]?.kind).toBe("faulty");
    expect(world.superblock(2)).toMatchObject({
      replacement: false,
      recoveryOffsetSectors: Infinity,
    });
    expect(array.members.at(1).member).toBe(replacement);
  });

  it("are not let go while they are in a slot, nor while something is under way to them", async () => {
    const world = await new RunningWorld({ shape: THREE }).start();
    const { array, disks } = world;
    await world.write(0);
    const member = array.members.attached[2]!;
    await expect(array.detach(member)).rejects.toThrow("is in use");
    const write = world.submitWrite(1);
    array.memberFailed(member, new HoldfastError("io", "it was pulled"), () => {});
    let isGone = false;
    const gone = array.detach(member).then(() => (isGone = true));
    await settled();
    expect(isGone).toBe(false);
    await disks.pump();
    await gone;
    expect(write.ended).toBe("ok");
  });
});
