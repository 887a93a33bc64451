import { expect, it } from "vitest";
import { LargeMemory } from "./large-memory.ts";

const MIB = 1024 * 1024;

it("gives the same memory again, also for a little more or less", () => {
  const memory = new LargeMemory(4 * MIB);
  const first = memory.take(MIB - 512);
  const second = memory.take(MIB - 512);
  expect(first).toHaveLength(MIB - 512);
  expect(second.buffer).not.toBe(first.buffer);
  memory.give(first.buffer);
  const again = memory.take(MIB);
  expect(again).toHaveLength(MIB);
  expect(again.buffer).toBe(first.buffer);
});

it("gives memory of the size that is asked for", () => {
  const memory = new LargeMemory(4 * MIB);
  memory.give(memory.take(MIB).buffer);
  expect(memory.take(MIB + 512)).toHaveLength(MIB + 512);
  expect(memory.take(MIB / 2).buffer.byteLength).toBe(MIB / 2);
});

it("keeps no more than it may", () => {
  const memory = new LargeMemory(MIB);
  const taken = [memory.take(MIB), memory.take(MIB)];
  for (const { buffer } of taken) memory.give(buffer);
  expect(memory.take(MIB).buffer).toBe(taken[0]!.buffer);
  expect(memory.take(MIB).buffer).not.toBe(taken[1]!.buffer);
});
