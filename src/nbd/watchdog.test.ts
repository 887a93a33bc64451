import { describe, expect, it } from "vitest";
import { ArrayDevice } from "../../test/support/array-device.ts";
import { Harness, contextFor } from "../../test/support/nbd-harness.ts";
import { flagBytes, infoData, optionBytes, requestBytes } from "../../test/support/nbd-wire.ts";
import type { NbdLimits } from "./limits.ts";

const LIMITS: Partial<NbdLimits> = {
  handshakeTimeoutMs: 1000,
  stallTimeoutMs: 2000,
  slowestBytesPerSecond: 1000,
  closeTimeoutMs: 500,
};

async function opened(
  limits: Partial<NbdLimits> = {},
): Promise<{ harness: Harness; device: ArrayDevice; check: (nowMs: number) => string | null }> {
  const device = new ArrayDevice(64);
  const harness = new Harness(contextFor([{ name: "", device }], { ...LIMITS, ...limits }));
  const check = (nowMs: number): string | null => {
    harness.connection.check(nowMs);
    return harness.dropped;
  };
  await harness.feed(Buffer.concat([flagBytes(), optionBytes(7, infoData(""))]));
  return { harness, device, check };
}

describe("time-outs", () => {
  it("end a handshake that goes on and on, however busy", async () => {
    const device = new ArrayDevice(8);
    const harness = new Harness(contextFor([{ name: "", device }], LIMITS));
    await harness.feed(flagBytes());
    for (let now = 0; now <= 1000; now += 250) {
      await harness.feed(optionBytes(3));
      harness.connection.check(now);
    }
    expect(harness.dropped).toBeNull();
    harness.connection.check(1001);
    expect(harness.dropped).toContain("handshake");
  });

  it("leave a client alone that has nothing to say", async () => {
    const { check } = await opened();
    for (let now = 0; now < 1e9; now += 1e7) expect(check(now)).toBeNull();
  });

  it("end a message that stops half way, its length considered", async () => {
    const { harness, check } = await opened();
    const write = requestBytes("simple", { type: 1, data: Buffer.alloc(3000) });
    await harness.feed(write.subarray(0, 500));
    expect(check(0)).toBeNull();
    await harness.feed(write.subarray(500, 600));
    expect(check(5000)).toBeNull();
    expect(check(5001)).toContain("middle of a message");
    const header = await opened();
    await header.harness.feed(write.subarray(0, 3));
    expect(header.check(0)).toBeNull();
    expect(header.check(3000)).toContain("middle of a message");
  });

  it("start anew with every message", async () => {
    const { harness, check } = await opened();
    const write = requestBytes("simple", { type: 1, data: Buffer.alloc(100) });
    for (let now = 0; now < 100_000; now += 1500) {
      // Always in the middle of some message.
      await harness.feed(
        Buffer.concat([write.subarray(50), write.subarray(0, 50)].slice(now === 0 ? 1 : 0)),
      );
      expect(check(now)).toBeNull();
    }
  });

  it("do not blame a client for what waits in the server", async () => {
    const { harness, device, check } = await opened({ maxRequestsPerConnection: 1 });
    device.held = true;
    const read = requestBytes("simple", { type: 0, length: 512 });
    await harness.feed(Buffer.concat([read, read, read.subarray(0, 10)]));
    expect(harness.isPaused).toBe(true);
    for (let now = 0; now < 1e6; now += 1e4) expect(check(now)).toBeNull();
  });

  it("end a client that does not take its replies", async () => {
    const { harness, check } = await opened();
    harness.slow = true;
    await harness.feed(requestBytes("simple", { type: 0, length: 4096 }));
    expect(check(0)).toBeNull();
    expect(check(6000)).toBeNull();
    // Taking one starts the time anew.
    await harness.feed(requestBytes("simple", { type: 0, length: 4096 }));
    harness.take();
    expect(check(6001)).toBeNull();
    expect(check(12_000)).toBeNull();
    expect(check(12_200)).toContain("does not take its replies");
  });

  it("end idle clients only where that is asked for", async () => {
    const { harness, device, check } = await opened({ idleTimeoutMs: 1000 });
    expect(check(0)).toBeNull();
    await harness.feed(requestBytes("simple", { type: 3 }));
    expect(check(900)).toBeNull();
    device.held = true;
    await harness.feed(requestBytes("simple", { type: 3 }));
    expect(check(1800)).toBeNull();
    expect(check(9000)).toBeNull();
    device.finish();
    await harness.settled();
    expect(check(9001)).toBeNull();
    expect(check(10_002)).toContain("idle");
  });

  it("end a client that does not return the goodbye", async () => {
    const { harness, check } = await opened();
    await harness.feed(requestBytes("simple", { type: 2 }));
    expect(harness.isEnded).toBe(true);
    expect(check(0)).toBeNull();
    expect(check(500)).toBeNull();
    expect(check(501)).toContain("does not close");
    expect(harness.isDestroyed).toBe(true);
  });
});
