import { expect, it } from "vitest";
import { Pace } from "./pace.ts";

interface Switches {
  waits: number;
  preemptions: number;
}

interface Paced {
  /** One call that takes so long. False: it may not be made. */
  readonly call: (tookMs: number, bytes?: number, happened?: Partial<Switches>) => boolean;
  /** Waits until a call may be made; so many milliseconds. */
  readonly rest: () => number;
  readonly pass: (ms: number) => void;
}

function paced(): Paced {
  let nowMs = 5000;
  const now = { waits: 7, preemptions: 9 };
  const seen = { look: () => void Object.assign(seen, now), waits: 0, preemptions: 0 };
  const pace = new Pace({ wallMs: () => 0, monotonicMs: () => nowMs }, seen);
  return {
    call: (tookMs, bytes = 4096, { waits = 0, preemptions = 0 } = {}) => {
      if (!pace.begin()) return false;
      nowMs += tookMs;
      now.waits += waits;
      now.preemptions += preemptions;
      pace.ended(bytes);
      return true;
    },
    rest: () => {
      const start = nowMs;
      while (!pace.begin()) nowMs += 0.25;
      return nowMs - start;
    },
    pass: (ms) => {
      nowMs += ms;
    },
  };
}

it("calls may go on while few of them wait, or while large ones copy", () => {
  const { call, rest } = paced();
  for (let i = 0; i < 10_000; i += 1) {
    expect(call(i % 100 === 0 ? 5 : 0.003)).toBe(true);
    expect(call(0.9, 2 ** 20)).toBe(true);
  }
  expect(rest()).toBe(0);
});

it("they end within milliseconds when most of them wait", () => {
  const { call } = paced();
  let calls = 0;
  while (call(calls % 2 === 0 ? 0.003 : 0.15)) calls += 1;
  expect(calls).toBeGreaterThan(10);
  expect(calls).toBeLessThan(100);
});

it("they end at once when one hangs", () => {
  const { call, rest } = paced();
  expect(call(30_000)).toBe(true);
  expect(call(0)).toBe(false);
  expect(rest()).toBe(16 * 30_000);
});

it("while it goes on being slow less and less time is lost by trying", () => {
  const { call, rest } = paced();
  while (call(8)) continue;
  const rests: number[] = [];
  for (let i = 0; i < 9; i += 1) {
    rests.push(rest() / 8);
    expect(call(8)).toBe(true);
    expect(call(8)).toBe(false);
  }
  expect(rests).toEqual([16, 32, 64, 128, 256, 512, 1024, 1024, 1024]);
});

it("no rest is longer than ten minutes", () => {
  const { call, rest } = paced();
  call(3_600_000);
  expect(rest()).toBe(600_000);
});

it("once calls are quick again they go on, and one that waits is borne as before", () => {
  const { call, rest } = paced();
  while (call(8)) continue;
  rest();
  while (call(8)) continue;
  expect(rest()).toBe(32 * 8);
  for (let i = 0; i < 1000; i += 1) expect(call(0.003)).toBe(true);
  expect(call(8)).toBe(true);
  expect(call(0.003)).toBe(true);
  while (call(8)) continue;
  expect(rest()).toBe(16 * 8);
});

it("calls that others took the processor from go on, but for those that waited as well", () => {
  const { call } = paced();
  for (let i = 0; i < 1000; i += 1) expect(call(5, 4096, { preemptions: 1 })).toBe(true);
  let calls = 0;
  while (call(5, 4096, { waits: 1, preemptions: 1 })) calls += 1;
  expect(calls).toBe(2);
});

it("between calls any time may pass", () => {
  const { call, pass } = paced();
  for (let i = 0; i < 100; i += 1) {
    expect(call(0.003)).toBe(true);
    pass(1000);
  }
});
