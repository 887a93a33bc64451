import { describe, expect, it } from "vitest";
import { BufferPool, bufferCost } from "./buffers.ts";

describe("bufferCost", () => {
  it("is the next power of two, 4096 at least", () => {
    const lengths = [1, 4096, 4097, 8192, 65535, 65536, 65537, 2 ** 25, 2 ** 30];
    expect(lengths.map(bufferCost)).toEqual([
      4096,
      4096,
      8192,
      8192,
      65536,
      65536,
      131072,
      2 ** 25,
      2 ** 30,
    ]);
  });
});

describe("BufferPool", () => {
  it("gives a buffer again, in the length asked for", () => {
    const pool = new BufferPool(65536);
    const first = pool.take(5000);
    pool.give(first);
    expect(pool.freeBytes).toBe(8192);
    const second = pool.take(8000);
    expect(second.buffer).toBe(first.buffer);
    expect(second.length).toBe(8000);
    expect(pool.freeBytes).toBe(0);
  });

  it("keeps no more than it may", () => {
    const pool = new BufferPool(10_000);
    const all = [pool.take(4096), pool.take(4096), pool.take(4096)];
    for (const one of all) pool.give(one);
    expect(pool.freeBytes).toBe(8192);
  });
});
