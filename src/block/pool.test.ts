import { describe, expect, it } from "vitest";
import { ArrayDevice } from "../../test/support/array-device.ts";
import { HoldfastError } from "../base/errors.ts";
import { readBio } from "./bio.ts";
import type { Bio } from "./bio.ts";
import { ByteDevice } from "./bytes.ts";
import { checked } from "./checked.ts";
import { Pool, pooledObjectsMade } from "./pool.ts";
import { Relay } from "./relay.ts";

const sector = (count = 1) => new Uint8Array(count * 512);

describe("Pool", () => {
  it("hands out again what was given back, and makes more only when it has none", () => {
    let made = 0;
    const pool = new Pool(() => ({ isSpare: false, number: (made += 1) }));
    const first = pool.take();
    const second = pool.take();
    pool.give(first);
    expect(pool.take()).toBe(first);
    pool.give(first);
    pool.give(second);
    expect(pool.take()).toBe(second);
    expect(made).toBe(2);
  });

  it("does not take back what was given back already", () => {
    const pool = new Pool(() => ({ isSpare: false }));
    const one = pool.take();
    pool.give(one);
    expect(() => pool.give(one)).toThrow("given back once");
  });
});

describe("Relay", () => {
  it("passes a bio on to another place and tells of its end before its owner hears of it", () => {
    const device = new ArrayDevice(8);
    device.bytes.fill(7, 5 * 512, 6 * 512);
    const order: unknown[] = [];
    const data = sector();
    const bio = readBio(1, data, (error) => order.push(error));
    const relay = new Relay(device, (ended, error) => order.push([ended === bio, error]));
    relay.pass(bio, 5);
    expect(order).toEqual([[true, null], null]);
    expect(data[0]).toBe(7);
    device.fault = () => new HoldfastError("io", "broken");
    relay.pass(bio, 5);
    expect(order[3]).toMatchObject({ code: "io" });
  });

  it("catches a device below that ends a bio twice", () => {
    const device = new ArrayDevice(8);
    device.submit = (bio) => {
      bio.end(null);
      bio.end(null);
    };
    let ends = 0;
    const relay = new Relay(device, () => {});
    expect(() =>
      relay.pass(
        readBio(0, sector(), () => (ends += 1)),
        0,
      ),
    ).toThrow("once");
    expect(ends).toBe(1);
  });

  it("lets the next request be submitted from within an end, in the same object", () => {
    const device = new ArrayDevice(8);
    const relay = new Relay(checked(device), () => {});
    let left = 100;
    const next = (): Bio =>
      readBio(left % 8, sector(), () => {
        left -= 1;
        if (left > 0) relay.pass(next(), left % 8);
      });
    const before = pooledObjectsMade();
    relay.pass(next(), 0);
    expect(left).toBe(0);
    expect(pooledObjectsMade() - before).toBe(1);
  });
});

describe("aligned requests of a ByteDevice", () => {
  it("take as many objects as are in flight at a time, whatever becomes of them", () => {
    const device = new ArrayDevice(64);
    const bytes = new ByteDevice(checked(device));
    device.held = true;
    device.fault = (bio) => (bio.sector % 3 === 0 ? new HoldfastError("io", "broken") : null);
    const codes: (string | null)[] = [];
    const end = (error: HoldfastError | null): void => void codes.push(error?.code ?? null);
    const before = pooledObjectsMade();
    for (let round = 0; round < 20; round += 1) {
      for (let i = 0; i < 8; i += 1) {
        if (i % 2 === 0) bytes.read(i * 512, sector(), end);
        else bytes.write(i * 512, sector(), 0, end);
      }
      while (device.pending.length > 0) device.finish(round % device.pending.length);
    }
    expect(codes.filter((code) => code === "io")).toHaveLength(20 * 3);
    expect(codes).toHaveLength(20 * 8);
    // Eight requests, four of them with a range lock.
    expect(pooledObjectsMade() - before).toBe(12);
  });
});
