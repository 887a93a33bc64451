import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RangeLock } from "./range-lock.ts";
import type { RangeHold, RangeMode } from "./range-lock.ts";

interface Request {
  readonly id: number;
  readonly start: number;
  readonly count: number;
  readonly mode: RangeMode;
}

function conflict(a: Request, b: Request): boolean {
  const overlap = a.start < b.start + b.count && b.start < a.start + a.count;
  return overlap && (a.mode === "exclusive" || b.mode === "exclusive");
}

/** The rule in its plainest form: in order of arrival, one is held unless an earlier live one conflicts. */
function modelHeld(live: readonly Request[]): number[] {
  return live
    .filter((one, i) => !live.slice(0, i).some((earlier) => conflict(earlier, one)))
    .map((one) => one.id);
}

const step = fc.oneof(
  fc.record({
    kind: fc.constant("lock" as const),
    start: fc.nat(20),
    count: fc.integer({ min: 1, max: 8 }),
    mode: fc.constantFrom<RangeMode>("shared", "exclusive"),
  }),
  fc.record({ kind: fc.constant("release" as const), which: fc.nat() }),
  fc.record({
    kind: fc.constant("try" as const),
    start: fc.nat(20),
    count: fc.integer({ min: 1, max: 8 }),
    mode: fc.constantFrom<RangeMode>("shared", "exclusive"),
  }),
);

describe("RangeLock", () => {
  it("holds exactly what first come, first served allows, after every step", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const lock = new RangeLock(100);
        const holds = new Map<number, RangeHold>();
        let live: Request[] = [];
        let nextId = 0;
        const grant = (id: number) => (hold: RangeHold) => {
          expect(holds.has(id)).toBe(false);
          holds.set(id, hold);
        };
        for (const one of steps) {
          if (one.kind === "release") {
            const ids = [...holds.keys()];
            if (ids.length === 0) continue;
            const id = ids[one.which % ids.length]!;
            const hold = holds.get(id)!;
            holds.delete(id);
            live = live.filter((request) => request.id !== id);
            lock.release(hold);
          } else {
            const request = { ...one, id: nextId++ };
            if (one.kind === "lock") {
              live.push(request);
              lock.lock(one.start, one.count, one.mode, grant(request.id));
            } else {
              const free = !live.some((other) => conflict(other, request));
              const hold = lock.tryLock(one.start, one.count, one.mode);
              expect(hold !== null).toBe(free);
              if (hold !== null) {
                live.push(request);
                holds.set(request.id, hold);
              }
            }
          }
          expect([...holds.keys()].sort((a, b) => a - b)).toEqual(modelHeld(live));
          expect(lock.entries).toBe(live.length);
          expect(lock.waiting).toBe(live.length - holds.size);
        }
        // No starvation: whatever order the holders let go in, everyone gets a turn and nothing is left behind.
        while (holds.size > 0) {
          const [id, hold] = [...holds].at(-1)!;
          holds.delete(id);
          live = live.filter((request) => request.id !== id);
          lock.release(hold);
        }
        expect(live).toEqual([]);
        expect(lock.entries).toBe(0);
      }),
      { numRuns: 300 },
    );
  });

  it("does not let late readers pass a waiting writer", () => {
    const lock = new RangeLock();
    const order: string[] = [];
    const holds: RangeHold[] = [];
    const note = (name: string) => (hold: RangeHold) => {
      order.push(name);
      holds.push(hold);
    };
    lock.lock(0, 10, "shared", note("reader 1"));
    lock.lock(5, 10, "exclusive", note("writer"));
    lock.lock(9, 1, "shared", note("reader 2"));
    lock.lock(0, 5, "shared", note("reader 3, elsewhere"));
    expect(order).toEqual(["reader 1", "reader 3, elsewhere"]);
    lock.release(holds[0]!);
    expect(order.at(-1)).toBe("writer");
    lock.release(holds[2]!);
    expect(order.at(-1)).toBe("reader 2");
  });

  it("stays flat on the stack when every grant releases at once", () => {
    const lock = new RangeLock();
    let turns = 0;
    let first: RangeHold | null = null;
    lock.lock(0, 1, "exclusive", (hold) => {
      first = hold;
    });
    for (let i = 0; i < 20_000; i += 1) {
      lock.lock(0, 1, "exclusive", (hold) => {
        turns += 1;
        lock.release(hold);
      });
      if (i % 64 === 63) {
        // Drain now and then: the walk over waiters is linear.
        lock.release(first!);
        lock.lock(0, 1, "exclusive", (hold) => {
          first = hold;
        });
      }
    }
    lock.release(first!);
    expect(turns).toBe(20_000);
    expect(lock.entries).toBe(0);
  });

  it("refuses to release twice and to grow without bound", () => {
    const lock = new RangeLock(2);
    const hold = lock.tryLock(0, 1, "exclusive")!;
    lock.lock(0, 1, "shared", () => {});
    expect(() => lock.lock(0, 1, "shared", () => {})).toThrow("in flight");
    lock.release(hold);
    expect(() => lock.release(hold)).toThrow("held");
  });
});
