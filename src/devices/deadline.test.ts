import { describe, expect, it } from "vitest";
import { ArrayDevice } from "../../test/support/array-device.ts";
import { VirtualTime } from "../../test/support/virtual-time.ts";
import type { HoldfastError } from "../base/errors.ts";
import { aimParts, Bio, ownBio } from "../block/bio.ts";
import type { BioOp } from "../block/bio.ts";
import { checked } from "../block/checked.ts";
import { pooledObjectsMade } from "../block/pool.ts";
import { DeadlineDevice } from "./deadline.ts";

const TIMEOUT_MS = 30_000;

class Rig {
  readonly time = new VirtualTime();
  readonly disk = new ArrayDevice(64, {}, "disk");
  readonly told: string[] = [];
  readonly bounded = new DeadlineDevice(this.disk, {
    clock: this.time,
    timers: this.time,
    timeoutMs: TIMEOUT_MS,
    slowMs: 1000,
    onGivenUp: ({ code }) => this.told.push(`given up: ${code}`),
  });
  readonly device = checked(this.bounded);

  constructor() {
    this.disk.bytes.fill(0xd1);
    this.disk.held = true;
  }

  submit(op: BioOp, sector: number, data = new Uint8Array(0)): Uint8Array {
    const sectors = op === "flush" ? 0 : data.length / 512;
    const end = (error: HoldfastError | null): void => {
      this.told.push(`${op} ${sector} ${error === null ? "ok" : error.code}`);
    };
    this.device.submit(new Bio(op, sector, sectors, data, 0, end));
    return data;
  }

  read(sector: number, sectors = 1): Uint8Array {
    return this.submit("read", sector, new Uint8Array(sectors * 512));
  }

  take(): string[] {
    return this.told.splice(0);
  }
}

describe("a device with a deadline", () => {
  it("passes writes of several buffers on if the device below takes them, and gives up when they hang", () => {
    const rig = new Rig();
    expect(rig.bounded.submitParts).toBeUndefined();
    const asked: Bio[] = [];
    const below = Object.assign(new ArrayDevice(64), {
      submitParts: (bio: Bio) => asked.push(bio),
    });
    const { time } = rig;
    const options = { clock: time, timers: time, timeoutMs: TIMEOUT_MS, slowMs: 1000 };
    const device = checked(new DeadlineDevice(below, options));
    const parts = [new Uint8Array(512), new Uint8Array(1024)];
    const submit = (): void => {
      const bio = ownBio((error) => rig.told.push(error?.code ?? "ok"));
      device.submitParts!(aimParts(bio, 3, 3, parts));
    };
    submit();
    expect(asked[0]).toMatchObject({ op: "write", sector: 3, sectors: 3, parts });
    asked[0]!.end(null);
    expect(rig.take()).toEqual(["ok"]);
    submit();
    time.pass(TIMEOUT_MS);
    expect(rig.take()).toEqual(["timeout"]);
    submit();
    expect(rig.take()).toEqual(["timeout"]);
    expect(asked).toHaveLength(2);
  });

  it("that answers in time is like any other, and sets one timer for all requests", () => {
    const rig = new Rig();
    for (let i = 0; i < 100; i += 1) {
      const data = rig.read(i % 60, 1 + (i % 3));
      rig.time.pass(10);
      rig.disk.finish();
      expect(data.every((byte) => byte === 0xd1)).toBe(true);
    }
    expect(rig.take()).toHaveLength(100);
    expect(rig.time.timersSet).toBe(1);
    expect(rig.bounded.slowness).toEqual({ answers: 0, slowestMs: 10 });
  });

  it("that is slow is counted, and nothing else", () => {
    const rig = new Rig();
    rig.read(0);
    rig.submit("write", 8, new Uint8Array(512));
    rig.time.pass(TIMEOUT_MS - 1);
    rig.disk.finish();
    rig.disk.finish();
    rig.time.pass(10 * TIMEOUT_MS);
    expect(rig.take()).toEqual(["read 0 ok", "write 8 ok"]);
    expect(rig.bounded.slowness).toEqual({ answers: 2, slowestMs: TIMEOUT_MS - 1 });
    expect(rig.time.pending).toBe(0);
  });

  it("that hangs ends all at once, after it has told so, and is not asked again", () => {
    const rig = new Rig();
    rig.read(0);
    rig.time.pass(TIMEOUT_MS - 5);
    rig.submit("write", 8, new Uint8Array(512));
    rig.submit("flush", 0);
    expect(rig.take()).toEqual([]);
    rig.time.pass(5);
    expect(rig.take()).toEqual([
      "given up: timeout",
      "read 0 timeout",
      "write 8 timeout",
      "flush 0 timeout",
    ]);
    const asked = rig.disk.seen.length;
    rig.read(1);
    rig.submit("write", 1, new Uint8Array(512));
    expect(rig.take()).toEqual(["read 1 timeout", "write 1 timeout"]);
    expect(rig.disk.seen).toHaveLength(asked);
    expect(rig.bounded.givenUp?.message).toBe(
      "disk has not answered a read at sector 0 for 30000 ms, and is given up",
    );
  });

  it("whose oldest request is answered waits for the next one as long", () => {
    const rig = new Rig();
    rig.read(0);
    rig.time.pass(20_000);
    rig.read(1);
    rig.disk.finish(0);
    rig.time.pass(TIMEOUT_MS - 1);
    expect(rig.take()).toEqual(["read 0 ok"]);
    rig.time.pass(1);
    expect(rig.take()).toEqual(["given up: timeout", "read 1 timeout"]);
  });

  it("writes nothing into memory that it was lent for a read, however late the answer", async () => {
    const rig = new Rig();
    const data = rig.read(0, 2);
    rig.time.pass(TIMEOUT_MS);
    // It is somebody else's now.
    data.fill(7);
    const isQuiet = { now: false };
    const quiet = rig.bounded.whenQuiet().then(() => (isQuiet.now = true));
    await Promise.resolve();
    expect(isQuiet.now).toBe(false);
    rig.take();
    rig.disk.finish();
    expect(data.every((byte) => byte === 7)).toBe(true);
    expect(rig.take()).toEqual([]);
    await quiet;
  });

  it("keeps the memory of a read that hangs apart from that of others", () => {
    const rig = new Rig();
    rig.read(0);
    rig.read(1);
    rig.disk.finish(1);
    const other = rig.read(2);
    rig.disk.bytes.fill(0x99, 0, 512);
    rig.disk.finish(1);
    expect(other.every((byte) => byte === 0xd1)).toBe(true);
  });

  it("is closed at once when it was given up, and what lies below when that has answered", async () => {
    const rig = new Rig();
    rig.read(0);
    const closing = rig.bounded.close();
    rig.time.pass(TIMEOUT_MS);
    await closing;
    expect(rig.time.pending).toBe(0);
    expect(rig.disk.closed).toBe(false);
    rig.disk.finish();
    await rig.bounded.whenQuiet();
    await Promise.resolve();
    expect(rig.disk.closed).toBe(true);
  });

  it("is closed when it has answered all, and leaves no timer", async () => {
    const rig = new Rig();
    rig.read(0);
    const closing = rig.bounded.close();
    rig.disk.finish();
    await closing;
    expect(rig.disk.closed).toBe(true);
    expect(rig.time.pending).toBe(0);
    expect(rig.take()).toEqual(["read 0 ok"]);
  });

  it("makes no objects in the long run", () => {
    const rig = new Rig();
    rig.disk.held = false;
    rig.read(0);
    const before = pooledObjectsMade();
    for (let i = 0; i < 1000; i += 1) rig.read(i % 60);
    expect(pooledObjectsMade()).toBe(before);
  });
});
