import { describe, expect, it } from "vitest";
import { inSync, recoveringAt, SPARE, STEP, SyncArray } from "../../../test/support/sync-array.ts";
import { VirtualTime } from "../../../test/support/virtual-time.ts";
import { HoldfastError } from "../../base/errors.ts";
import { SyncScheduler } from "../../sync/scheduler.ts";
import type { StepOutcome } from "../../sync/work.ts";

const WHOLE = [inSync(0), inSync(1), inSync(2)];
const FAILED: StepOutcome = { kind: "failed", error: new HoldfastError("io", "gone") };

describe("what is to be done next", () => {
  it("nothing in an array that is whole", () => {
    const array = new SyncArray(WHOLE);
    array.control.changed();
    array.turn();
    expect(array.control.action).toBe("idle");
    expect(array.control.state).toEqual({ kind: "none" });
    expect(array.commits).toEqual([]);
  });

  it("an unfinished resync, then recovery, then what was asked for after that", () => {
    const array = new SyncArray([inSync(0), inSync(1), SPARE], { resyncOffsetSectors: 640 });
    array.control.changed();
    expect(array.control.state).toEqual({ kind: "pending" });
    array.turn();
    expect(array.control.action).toBe("resync");
    expect(array.work.firstSector).toBe(640);
    array.settle();
    expect(array.control.last).toBe("recovery");
    expect(array.said()).toBe("0 1 2 resync Infinity");
    void array.control.setAction("check");
    array.turn();
    expect(array.control.action).toBe("check");
    array.settle();
    expect(array.control.last).toBe("check");
    expect(array.control.action).toBe("idle");
  });

  it("what is asked for gives way to what is needed, and is dropped", async () => {
    const array = new SyncArray([inSync(0), inSync(1), SPARE]);
    await array.control.setAction("repair");
    expect(array.control.action).toBe("repair");
    array.turn();
    expect(array.control.action).toBe("recover");
    array.settle();
    expect(array.control.last).toBe("recovery");
  });

  it("a resync starts at its checkpoint, or at 0 where a bitmap knows better", () => {
    for (const [bitmapMs, first] of [
      [null, 1280],
      [5000, 0],
    ] as const) {
      const array = new SyncArray(WHOLE, { resyncOffsetSectors: 1280, bitmapMs });
      array.control.changed();
      array.turn();
      expect(array.work.firstSector).toBe(first);
    }
  });

  it("recovery starts where the member that has least is good", () => {
    const array = new SyncArray([inSync(0), recoveringAt(1, 1280), recoveringAt(2, 256)]);
    array.control.changed();
    array.turn();
    expect(array.work.firstSector).toBe(256);
    array.settle();
    expect(array.said()).toBe("0 1 2 resync Infinity");
  });

  it("nothing in an array that has lost too much, or has nothing to sync", () => {
    const broken = new SyncArray([inSync(0), SPARE], { resyncOffsetSectors: 0 });
    broken.isBroken = true;
    const plain = new SyncArray([inSync(0), SPARE], { canSync: false });
    for (const array of [broken, plain]) {
      array.control.changed();
      array.settle();
      expect(array.control.action).toBe("idle");
      expect(array.members.withNumber(1)?.standing).toEqual(SPARE);
      expect(array.durable).toEqual([]);
    }
  });
});

describe("a recovery", () => {
  it("records who joined before its first step, and the bitmap before that", () => {
    const array = new SyncArray([inSync(0), inSync(1), SPARE], { bitmapMs: 5000 });
    array.control.changed();
    array.turn();
    expect(array.bitmapWrites).toBe(1);
    expect(array.commits.map(({ said }) => said)).toEqual(["0 1 2<0 resync Infinity"]);
    expect(array.work.firstSector).toBeNull();
    array.commitAll();
    expect(array.work.firstSector).toBe(0);
  });

  it("comes after the writes that began before anybody joined", () => {
    const array = new SyncArray([inSync(0), inSync(1), SPARE]);
    const { locks } = array.core;
    const write = locks.tryLock(1000, 8, "shared")!;
    array.control.changed();
    array.turn();
    array.commitAll();
    expect(array.work.firstSector).toBeNull();
    locks.release(write);
    expect(array.work.firstSector).toBe(0);
    expect(locks.entries).toBe(0);
  });

  it("can be stopped while it waits for such a write", () => {
    const array = new SyncArray([inSync(0), inSync(1), SPARE]);
    const write = array.core.locks.tryLock(1000, 8, "shared")!;
    array.control.changed();
    array.turn();
    array.commitAll();
    let isStopped = false;
    array.control.stop(() => (isStopped = true));
    array.settle();
    expect(isStopped).toBe(true);
    array.core.locks.release(write);
    array.settle();
    expect(array.work.firstSector).toBeNull();
  });

  it("ends with two updates: all of it is good, then it is in sync", () => {
    const array = new SyncArray([inSync(0), inSync(1), SPARE]);
    array.control.changed();
    array.settle();
    expect(array.durable.slice(-2)).toEqual([
      "0 1 2<Infinity resync Infinity",
      "0 1 2 resync Infinity",
    ]);
  });

  it("hands over to a replacement in the second one", () => {
    const array = new SyncArray([...WHOLE, SPARE]);
    array.members.withNumber(1)!.wantsReplacement = true;
    array.control.changed();
    array.settle();
    expect(array.durable.slice(-2)).toEqual([
      "0 1 2 1R<Infinity resync Infinity",
      "0 faulty 2 1 resync Infinity",
    ]);
  });

  it("keeps its position when it is interrupted, and goes on from there", async () => {
    const array = new SyncArray([inSync(0), inSync(1), SPARE]);
    array.control.changed();
    array.turn();
    array.commitAll();
    array.endSteps(1);
    const frozen = array.control.setAction("frozen");
    array.settle();
    await frozen;
    expect(array.control.action).toBe("frozen");
    // The step that ended, and the window that was under way.
    expect(array.said()).toBe("0 1 2<640 resync Infinity");
    expect(array.durable.at(-1)).toBe(array.said());
    const idle = array.control.setAction("idle");
    array.turn();
    await idle;
    expect(array.work.firstSector).toBe(640);
  });

  it("goes on for the others when one of those it fills fails", () => {
    const array = new SyncArray([inSync(0), SPARE, SPARE]);
    array.control.changed();
    array.turn();
    array.commitAll();
    array.endSteps(6);
    array.fail(1);
    array.settle();
    // The spare that came last was put into the first place.
    expect(array.said()).toBe("0 faulty 1 resync Infinity");
  });

  it("is not tried again and again when it fails, but when something happens", () => {
    const array = new SyncArray([inSync(0), inSync(1), SPARE]);
    array.control.changed();
    array.turn();
    array.commitAll();
    array.endSteps(1);
    array.endSteps(1, FAILED);
    array.settle();
    expect(array.said()).toBe("0 1 2<128 resync Infinity");
    expect(array.control.action).toBe("idle");
    array.control.changed();
    array.settle();
    expect(array.said()).toBe("0 1 2 resync Infinity");
  });

  it("does not begin while the resync it would have to rely on has failed", () => {
    const array = new SyncArray([inSync(0), inSync(1), SPARE], { resyncOffsetSectors: 0 });
    array.control.changed();
    array.turn();
    array.endSteps(1, FAILED);
    array.settle();
    expect(array.said()).toBe("0 1 spare resync 0");
  });
});

describe("what is recorded", () => {
  it("a resync's checkpoint, which counts when it is durable", () => {
    const array = new SyncArray(WHOLE, { resyncOffsetSectors: 0 });
    array.control.changed();
    array.turn();
    array.endSteps(3);
    expect(array.core.record.resyncOffsetSectors).toBe(384);
    expect(array.control.state).toMatchObject({ kind: "running", completed: 0 });
    array.commitAll();
    expect(array.control.state).toMatchObject({ kind: "running", completed: 384 });
    array.settle();
    expect(array.durable.at(-1)).toBe("0 1 2 resync Infinity");
  });

  it("never less than is known, where a bitmap makes it start from 0", () => {
    const array = new SyncArray(WHOLE, { resyncOffsetSectors: 2048, bitmapMs: 5000 });
    array.control.changed();
    array.turn();
    array.endSteps(3);
    array.commitAll();
    expect(array.core.record.resyncOffsetSectors).toBe(2048);
  });

  it("nothing of a check, which can be had on its own", () => {
    const array = new SyncArray(WHOLE);
    void array.control.setAction("check");
    array.turn();
    array.endSteps(3, { kind: "done", mismatches: 8 });
    expect(array.control.state).toMatchObject({ completed: 384 });
    expect(array.control.mismatches).toBe(24);
    array.settle();
    expect(array.durable).toEqual([]);
    expect(array.control.mismatches).toBe(24);
    void array.control.setAction("repair");
    array.turn();
    expect(array.control.mismatches).toBe(0);
  });

  it("everything before the array is left alone as read-only", () => {
    const array = new SyncArray(WHOLE, { resyncOffsetSectors: 0 });
    array.control.changed();
    array.turn();
    array.endSteps(1);
    let isQuiet = false;
    array.control.becomeReadOnly(() => (isQuiet = true));
    array.turn();
    array.endSteps(4);
    array.turn();
    expect(isQuiet).toBe(false);
    expect(array.commits).toHaveLength(1);
    array.commitAll();
    expect(isQuiet).toBe(true);
    array.settle();
    expect(array.control.state).toEqual({ kind: "pending" });
    array.control.becomeWritable();
    array.turn();
    expect(array.work.firstSector).toBe(640);
  });
});

describe("what can be set", () => {
  const usage = expect.objectContaining({ code: "usage" });
  const busy = expect.objectContaining({ code: "busy" });

  it("bounds of a check: it starts at sync_min, holds at sync_max, and both are back afterwards", () => {
    const array = new SyncArray(WHOLE, { chunkSectors: 256 });
    const { settings } = array.control;
    settings.setMin(1030);
    expect(settings.min).toBe(1024);
    expect(() => settings.setMax(1025)).toThrow(usage);
    expect(() => settings.setMax(512)).toThrow(usage);
    settings.setMax(2048);
    void array.control.setAction("check");
    array.settle();
    expect(array.control.state).toMatchObject({ kind: "running", completed: 2048 });
    expect(array.work.firstSector).toBe(1024);
    expect(() => settings.setMax(1536)).toThrow(busy);
    expect(() => settings.setMin(0)).toThrow(busy);
    settings.setMax(2560);
    array.settle();
    expect(array.control.state).toMatchObject({ completed: 2560 });
    settings.setMax(Infinity);
    array.settle();
    expect(array.control.state).toEqual({ kind: "none" });
    expect([settings.min, settings.max]).toEqual([0, Infinity]);
  });

  it("a check that is interrupted goes on where it was, if it is asked for again", async () => {
    const array = new SyncArray(WHOLE);
    void array.control.setAction("check");
    array.turn();
    array.endSteps(2);
    const idle = array.control.setAction("idle");
    array.settle();
    await idle;
    expect(array.control.action).toBe("idle");
    expect(array.control.settings.min).toBe(STEP * 6);
    void array.control.setAction("check");
    array.turn();
    expect(array.work.firstSector).toBe(STEP * 6);
  });

  it("a resync that is interrupted starts again by itself", async () => {
    const array = new SyncArray(WHOLE, { resyncOffsetSectors: 0 });
    array.control.changed();
    array.turn();
    const idle = array.control.setAction("idle");
    array.turn();
    array.endSteps(4);
    array.turn();
    array.commitAll();
    await idle;
    array.turn();
    expect(array.control.action).toBe("resync");
    expect(array.work.firstSector).toBe(512);
  });

  it("one thing at a time, and no reshape", async () => {
    const array = new SyncArray(WHOLE);
    await expect(array.control.setAction("reshape")).rejects.toThrow(
      expect.objectContaining({ code: "unsupported" }),
    );
    await array.control.setAction("check");
    array.turn();
    await expect(array.control.setAction("repair")).rejects.toThrow(busy);
    await expect(array.control.setAction("resync")).rejects.toThrow(busy);
  });

  it("speeds of its own, or the system's", () => {
    const array = new SyncArray(WHOLE);
    const { settings } = array.control;
    expect(settings.limits.minKiBps).toBe(1000);
    settings.setSpeedMin(5);
    expect([settings.limits.minKiBps, settings.isSpeedMinLocal]).toEqual([5, true]);
    expect(() => settings.setSpeedMax(0)).toThrow(usage);
    settings.setSpeedMin(null);
    array.systemLimits.minKiBps = 7;
    expect([settings.limits.minKiBps, settings.isSpeedMinLocal]).toEqual([7, false]);
    expect(settings.isSpeedMaxLocal).toBe(false);
  });
});

describe("arrays that share a disk", () => {
  function two(): [SyncArray, SyncArray] {
    const shared = { time: new VirtualTime(), scheduler: new SyncScheduler() };
    const make = (): SyncArray => new SyncArray(WHOLE, { ...shared, resyncOffsetSectors: 0 });
    const arrays: [SyncArray, SyncArray] = [make(), make()];
    for (const array of arrays) array.control.changed();
    arrays[0].turn();
    return arrays;
  }

  it("sync one after the other", () => {
    const [first, second] = two();
    expect(first.control.state.kind).toBe("running");
    expect(second.control.state).toEqual({ kind: "delayed", action: "resync" });
    first.settle();
    expect(second.control.state.kind).toBe("running");
    second.settle();
    expect(second.said()).toBe("0 1 2 resync Infinity");
  });

  it("at the same time if they are to", () => {
    const [, second] = two();
    second.control.settings.forceParallel = true;
    expect(second.control.state.kind).toBe("running");
  });

  it("stop while they wait for each other", () => {
    const [first, second] = two();
    let stopped = 0;
    second.control.stop(() => (stopped += 1));
    second.settle();
    expect(stopped).toBe(1);
    first.control.stop(() => (stopped += 1));
    first.settle();
    expect(stopped).toBe(2);
  });
});
