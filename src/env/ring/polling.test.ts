/** How long a thread looks before it sleeps. */
import { describe, expect, it } from "vitest";
import { Polling } from "./polling.ts";

function after(...waitsMs: readonly number[]): number {
  const polling = new Polling();
  for (const ms of waitsMs) polling.waited(ms);
  return polling.ms;
}

const times = (count: number, ms: number): number[] => Array.from({ length: count }, () => ms);

describe("looking before sleeping", () => {
  it("is not done until a wait was short", () => {
    expect(after()).toBe(0);
    expect(after(0.3)).toBe(0);
    expect(after(0.3, 0.02)).toBeGreaterThan(0);
  });

  it("is done for longer while waits are short, up to the longest that counts as short", () => {
    const all = Array.from({ length: 10 }, (_unused, count) => after(...times(count, 0.01)));
    expect(all).toEqual(all.toSorted((a, b) => a - b));
    expect(all.at(-1)).toBe(all.at(-2));
    expect(after(...times(10, all.at(-1)!))).toBe(all.at(-1));
  });

  it("is over after a few long waits", () => {
    const short = times(10, 0.01);
    expect(after(...short, 0.5)).toBe(after(...short) / 2);
    expect(after(...short, 0.5, 0.5, 0.5, 0.5)).toBe(0);
  });
});
