import { describe, expect, it } from "vitest";
import { settled } from "../../../test/support/crash-disks.ts";
import { COMPONENT } from "../../../test/support/running-array.ts";
import {
  RunningWorld,
  failsData,
  failsFlush,
  failsSuperblock,
} from "../../../test/support/running-world.ts";
import { HoldfastError } from "../../base/errors.ts";
import { BioFlags } from "../../block/bio.ts";
import type { ArrayEvent } from "./array-events.ts";

const EVERYTHING = { sector: 0, sectors: COMPONENT };
const NOTHING = { sector: 0, sectors: 0 };

describe("a running array's first write", () => {
  it("waits until all members are marked dirty, and so do those behind it", async () => {
    const world = await new RunningWorld().start();
    expect(world.takeLog()).toEqual([]);
    world.submitWrite(0);
    world.submitWrite(1);
    expect(world.takeLog()).toEqual(["0 flush", "1 flush"]);
    await world.disks.pump();
    expect(world.takeLog()).toEqual([
      "0 super",
      "1 super",
      "0 data 0",
      "1 data 0",
      "0 data 1",
      "1 data 1",
    ]);
    world.submitWrite(2);
    expect(world.takeLog()).toEqual(["0 data 2", "1 data 2"]);
  });

  it("is refused when the superblocks of the last member cannot be written", async () => {
    const world = await new RunningWorld({ away: [1] }).start();
    world.disks.disks[0]!.fails = failsSuperblock;
    expect(await world.write(0)).toBeInstanceOf(HoldfastError);
    expect(world.takeLog()).not.toContain("0 data 0");
    expect(world.array.state).toBe("broken");
  });

  it("goes on with the others when one cannot be marked, which is told of before it ends", async () => {
    const world = await new RunningWorld().start();
    world.disks.disks[1]!.fails = failsSuperblock;
    const write = world.submitWrite(0);
    await world.disks.pump();
    expect(write.ended).toBe("ok");
    expect(world.takeLog().filter((line) => line.includes("data"))).toEqual(["0 data 0"]);
    expect(world.superblock(0).roles[1]?.kind).toBe("faulty");
  });

  it("ends the wait of an array that is marked clean at that moment", async () => {
    const world = await new RunningWorld().start();
    await world.write(0);
    world.takeLog();
    world.time.pass(world.array.safeModeDelayMs);
    const write = world.submitWrite(1);
    await world.disks.pump();
    expect(write.ended).toBe("ok");
    const log = world.takeLog().filter((line) => line.startsWith("0"));
    expect(log).toEqual(["0 flush", "0 super", "0 flush", "0 super", "0 data 1"]);
    expect(world.superblock(0).resyncOffsetSectors).toBe(0);
  });
});

describe("the safe-mode delay", () => {
  it("counts from the last write's end", async () => {
    const world = await new RunningWorld().start();
    await world.write(0);
    world.time.pass(150);
    const write = world.submitWrite(1);
    world.time.pass(1000);
    expect(world.time.pending).toBe(0);
    await world.disks.pump();
    expect(write.ended).toBe("ok");
    world.time.pass(200);
    await world.disks.pump();
    expect(world.array.state).toBe("active-idle");
    world.time.pass(1);
    await world.disks.pump();
    expect(world.array.state).toBe("clean");
    expect(world.superblock(0).resyncOffsetSectors).toBe(Infinity);
  });

  it("of 0 never ends, until it is set again", async () => {
    const world = await new RunningWorld().start();
    world.array.safeModeDelayMs = 0;
    await world.write(0);
    expect(world.time.pending).toBe(0);
    expect(world.array.state).toBe("active");
    world.array.safeModeDelayMs = 5;
    await world.becomeIdle();
    expect(world.array.state).toBe("clean");
  });
});

describe("flushes", () => {
  it("come before the data of a write that asks for one", async () => {
    const world = await new RunningWorld().start();
    await world.write(0);
    world.takeLog();
    expect(await world.write(1, BioFlags.preflush | BioFlags.fua)).toBe("ok");
    expect(world.takeLog()).toEqual(["0 flush", "1 flush", "0 data 1", "1 data 1"]);
  });

  it("that come while one is under way share the next", async () => {
    const world = await new RunningWorld().start();
    const outcomes = [0, 1, 2].map(() => world.submitFlush());
    await world.disks.pump();
    expect(outcomes.map(({ ended }) => ended)).toEqual(["ok", "ok", "ok"]);
    expect(world.takeLog()).toEqual(["0 flush", "1 flush", "0 flush", "1 flush"]);
  });

  it("take a member out that fails them, durably before they end", async () => {
    const world = await new RunningWorld().start();
    await world.write(0);
    world.disks.disks[1]!.fails = failsFlush;
    const flush = world.submitFlush();
    await world.disks.pump();
    expect(flush.ended).toBe("ok");
    expect(world.superblock(0).roles[1]?.kind).toBe("faulty");
  });
});

describe("a broken array", () => {
  it("refuses writes at once, is still read, and stays dirty", async () => {
    const world = await new RunningWorld().start();
    const events: ArrayEvent["kind"][] = [];
    world.array.listen(({ kind }) => events.push(kind));
    await world.write(0);
    for (const disk of world.disks.disks) disk.fails = failsData;
    expect(await world.write(1)).toMatchObject({ code: "io" });
    expect(events).toEqual(["mode", "failed", "broken"]);
    expect(world.array.members.attached.map(({ standing }) => standing.kind)).toEqual([
      "faulty",
      "in-sync",
    ]);
    for (const disk of world.disks.disks) disk.fails = () => false;
    world.takeLog();
    expect(world.submitWrite(2).ended).toMatchObject({ code: "io" });
    expect(world.submitFlush().ended).toMatchObject({ code: "io" });
    expect(await world.read(0)).toBe("ok");
    await world.becomeIdle();
    await world.finish(world.array.close());
    expect(world.takeLog()).toEqual([]);
    expect(world.superblock(1).resyncOffsetSectors).toBe(0);
  });

  it("with parity lets the member go all the same", async () => {
    const shape = { level: "raid5", layout: 2, chunkSectors: 8, raidDisks: 3 } as const;
    const world = await new RunningWorld({ shape }).start();
    const { array } = world;
    await array.startWriting();
    const why = new HoldfastError("io", "pulled");
    const told: unknown[] = [];
    array.memberFailed(array.members.attached[0]!, why, (error) => told.push(error));
    array.memberFailed(array.members.attached[1]!, why, (error) => told.push(error));
    expect(told).toEqual([]);
    await world.disks.pump();
    expect(told).toEqual([array.broken, array.broken]);
    expect(
      world
        .superblock(2)
        .roles.slice(0, 3)
        .map(({ kind }) => kind),
    ).toEqual(["faulty", "faulty", "active"]);
    expect(array.degraded).toBe(2);
  });
});

describe("suspended writes", () => {
  it("wait where the range is, and only there", async () => {
    const world = await new RunningWorld().start();
    await world.write(0);
    await world.finish(world.array.suspendWrites({ sector: 4, sectors: 4 }));
    const inside = world.submitWrite(3, BioFlags.none, 2);
    const behind = world.submitWrite(8);
    await world.disks.pump();
    expect(inside.ended).toBe("not yet");
    expect(behind.ended).toBe("ok");
    expect(await world.read(5)).toBe("ok");
    const lifted = world.array.suspendWrites(NOTHING);
    await world.disks.pump();
    await lifted;
    expect(inside.ended).toBe("ok");
  });

  it("are none with an empty range, wherever that is", async () => {
    const world = await new RunningWorld().start();
    await world.finish(world.array.suspendWrites({ sector: 5, sectors: 0 }));
    const across = world.submitWrite(4, BioFlags.none, 2);
    await world.disks.pump();
    expect(across.ended).toBe("ok");
  });

  it("are waited for if they came before the range was set", async () => {
    const world = await new RunningWorld().start();
    const write = world.submitWrite(0);
    let isSuspended = false;
    const suspended = world.array.suspendWrites(EVERYTHING).then(() => (isSuspended = true));
    const late = world.submitWrite(0);
    await settled();
    expect(isSuspended).toBe(false);
    await world.disks.pump();
    await suspended;
    expect([write.ended, late.ended]).toEqual(["ok", "not yet"]);
  });

  it("end when the array becomes read-only or is stopped", async () => {
    const world = await new RunningWorld().start();
    await world.write(0);
    await world.finish(world.array.suspendWrites(EVERYTHING));
    const refused = world.submitWrite(0);
    await world.finish(world.array.setState("readonly"));
    await world.finish(world.array.suspendWrites(EVERYTHING));
    expect(refused.ended).toMatchObject({ code: "read-only" });
    await world.array.setState("active");
    const written = world.submitWrite(0);
    await world.finish(world.array.close());
    expect(written.ended).toBe("ok");
  });
});

describe("array_state", () => {
  it("follows the life of an array", async () => {
    const world = await new RunningWorld().start();
    const { array } = world;
    expect(array.state).toBe("read-auto");
    expect(array.isWritable).toBe(false);
    const write = world.submitWrite(0);
    expect(array.state).toBe("write-pending");
    await world.disks.pump();
    expect(write.ended).toBe("ok");
    expect(array.state).toBe("active-idle");
    expect(array.isWritable).toBe(true);
    await world.finish(array.setState("clean"));
    expect(array.state).toBe("clean");
    await world.finish(array.setState("readonly"));
    expect(array.state).toBe("readonly");
    expect(array.limits.readOnly).toBe(true);
    expect(await world.write(0)).toMatchObject({ code: "read-only" });
    await world.finish(array.setState("read-auto"));
    expect(array.state).toBe("read-auto");
    await world.finish(array.setState("active"));
    expect(array.state).toBe("clean");
    await world.finish(array.setState("inactive"));
    expect(array.state).toBe("inactive");
    await expect(array.setState("active")).rejects.toThrow("is stopped");
    expect(world.time.pending).toBe(0);
  });

  it.each(["suspended", "write-pending", "active-idle", "broken", "sunny"])(
    "cannot be set to %s",
    async (word) => {
      const world = await new RunningWorld().start();
      await expect(world.array.setState(word)).rejects.toMatchObject({ code: "usage" });
    },
  );

  it("is not clean while something is being written", async () => {
    const world = await new RunningWorld().start();
    const write = world.submitWrite(0);
    await expect(world.array.setState("clean")).rejects.toMatchObject({ code: "busy" });
    await world.disks.pump();
    expect(write.ended).toBe("ok");
  });

  it("readonly waits for the writes under way, then the members are clean", async () => {
    const world = await new RunningWorld().start();
    const write = world.submitWrite(0);
    const isReadOnly = world.array.setState("readonly");
    expect(world.disks.waiting).toBeGreaterThan(0);
    expect(world.submitWrite(1).ended).toMatchObject({ code: "read-only" });
    await world.finish(isReadOnly);
    expect(write.ended).toBe("ok");
    expect(world.superblock(0).resyncOffsetSectors).toBe(Infinity);
  });
});

describe("stopping", () => {
  it("waits for what is under way, marks the array clean, and leaves no timer", async () => {
    const world = await new RunningWorld().start();
    const write = world.submitWrite(0);
    let isStopped = false;
    const stopped = world.array.close().then(() => (isStopped = true));
    await settled();
    expect(isStopped).toBe(false);
    await world.disks.pump();
    await stopped;
    expect(write.ended).toBe("ok");
    expect(world.superblock(1)).toMatchObject({ resyncOffsetSectors: Infinity, events: 10 });
    expect(world.time.pending).toBe(0);
    await world.array.close();
  });

  it("writes nothing where nothing was written", async () => {
    const world = await new RunningWorld().start();
    expect(await world.read(0)).toBe("ok");
    expect(world.submitFlush()).toBeDefined();
    await world.finish(world.array.close());
    expect(world.takeLog()).toEqual(["0 flush", "1 flush"]);
  });
});

describe("an array that may not be written", () => {
  it("remembers who failed, and writes it when it may", async () => {
    const world = await new RunningWorld({ assemble: { mode: "read-only" } }).start();
    const { array } = world;
    const told: unknown[] = [];
    const why = new HoldfastError("io", "pulled");
    array.memberFailed(array.members.attached[1]!, why, (error) => told.push(error));
    await world.disks.pump();
    expect(told).toEqual([null]);
    expect(world.takeLog()).toEqual([]);
    await array.startWriting();
    await world.disks.pump();
    expect(world.superblock(0).roles[1]?.kind).toBe("faulty");
  });
});

describe("a member's superblock", () => {
  it("is never written once the member has failed", async () => {
    const world = await new RunningWorld().start();
    await world.write(0);
    world.disks.disks[1]!.fails = failsData;
    await world.write(1);
    world.disks.disks[1]!.fails = () => false;
    world.takeLog();
    await world.write(2);
    await world.becomeIdle();
    await world.finish(world.array.close());
    expect(world.takeLog().filter((line) => line.startsWith("1"))).toEqual([]);
  });
});
