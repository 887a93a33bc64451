import { describe, expect, it } from "vitest";
import { Arena } from "../base/arena.ts";
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

describe("BufferPool with an arena", () => {
  const MIB = 1024 * 1024;
  const made = (bytes: number): { arena: Arena; pool: BufferPool } => {
    const arena = new Arena(bytes);
    return { arena, pool: new BufferPool(MIB, () => arena) };
  };

  it("gives the same object again for a usual size, and a view for others", () => {
    const { arena, pool } = made(2 * MIB);
    const first = pool.take(65536);
    expect([arena.contains(first), first.length]).toEqual([true, 65536]);
    pool.give(first);
    expect(pool.take(65536)).toBe(first);
    pool.give(first);
    const part = pool.take(40_000);
    expect([part.length, part.byteOffset]).toEqual([40_000, first.byteOffset]);
    pool.give(part);
    expect(pool.take(65536)).toBe(first);
  });

  it("goes to the heap where the arena is full, and comes back", () => {
    const { arena, pool } = made(2 * MIB);
    const all = Array.from({ length: 40 }, () => pool.take(65536));
    const inside = all.filter((one) => arena.contains(one));
    // Three quarters are its share.
    expect([inside.length, pool.outside]).toEqual([24, 16]);
    for (const one of all) pool.give(one);
    // An eighth of the arena, and what the constructor allows on the heap.
    expect(pool.freeBytes).toBe(MIB / 4 + MIB);
    expect(arena.contains(pool.take(65536))).toBe(true);
  });

  it("gives small buffers back for a large one", () => {
    const { arena, pool } = made(2 * MIB);
    const small = Array.from({ length: 64 }, () => pool.take(4096));
    for (const one of small) pool.give(one);
    expect(pool.freeBytes).toBe(64 * 4096);
    const large = pool.take(MIB);
    expect([arena.contains(large), pool.outside]).toEqual([true, 0]);
    pool.give(large);
    const again = pool.take(MIB);
    expect(again).toBe(large);
    pool.give(again);
    expect(arena.counters().bytes).toBe(pool.freeBytes);
  });

  it("finds no place in an arena of others, and does without", () => {
    const { arena, pool } = made(2 * MIB);
    const others = Array.from({ length: 31 }, () => arena.take(65536)!);
    for (const [i, one] of others.entries()) if (i % 2 === 0) arena.give(one);
    const one = pool.take(131072);
    expect([arena.contains(one), pool.outside]).toEqual([false, 1]);
    pool.give(one);
    expect(pool.take(131072).buffer).toBe(one.buffer);
  });
});
