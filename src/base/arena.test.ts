import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { assert } from "./assert.ts";
import { Arena, createArena, RESERVED_BYTES } from "./arena.ts";

const PAGE = 4096;
const PAGES = 48;
const FIRST_PAGE = RESERVED_BYTES / PAGE;

function pagesFrom(start: number, count: number): number[] {
  return Array.from({ length: count }, (_unused, i) => start + i);
}

/** Which pages are handed out, said in the plainest way. */
class Model {
  readonly taken = new Set<number>();

  /** Is there a place for so many pages at a multiple of their number? */
  hasRoom(pages: number): boolean {
    for (let start = 0; start + pages <= PAGES; start += pages) {
      if (pagesFrom(start, pages).every((page) => this.#isFree(page))) return true;
    }
    return false;
  }

  #isFree(page: number): boolean {
    return page >= FIRST_PAGE && !this.taken.has(page);
  }

  take(view: Uint8Array): void {
    for (const page of pagesFrom(view.byteOffset / PAGE, view.length / PAGE)) {
      assert(this.#isFree(page), `page ${page} is free`);
      this.taken.add(page);
    }
  }

  give(view: Uint8Array): void {
    for (const page of pagesFrom(view.byteOffset / PAGE, view.length / PAGE)) {
      this.taken.delete(page);
    }
  }
}

/** Bytes to take, or (negative) which of the buffers held to give back. */
const steps = fc.array(
  fc.oneof(
    fc.integer({ min: 0, max: 5 * PAGE }),
    fc.integer({ min: 0, max: 40 * PAGE }),
    fc.integer({ min: -1000, max: -1 }),
  ),
  { maxLength: 120 },
);

describe("Arena", () => {
  it("hands out what is free, aligned to its size, and refuses only when nothing fits", () => {
    fc.assert(
      fc.property(steps, (script) => {
        const arena = new Arena(PAGES * PAGE);
        const model = new Model();
        const held: Uint8Array[] = [];
        let refusals = 0;
        let peakBytes = 0;
        for (const step of script) {
          if (step < 0) {
            const [view] = held.splice(-step % Math.max(held.length, 1), 1);
            if (view === undefined) continue;
            arena.give(view);
            model.give(view);
          } else {
            const pages = 2 ** Math.ceil(Math.log2(Math.max(1, step / PAGE)));
            const canTake = model.hasRoom(pages);
            const view = arena.take(step);
            expect(view !== null).toBe(canTake);
            if (view === null) {
              refusals += 1;
            } else {
              expect(view.length).toBe(pages * PAGE);
              expect(view.byteOffset % view.length).toBe(0);
              expect(arena.contains(view)).toBe(true);
              expect(arena.offsetOf(view.subarray(5))).toBe(view.byteOffset + 5);
              model.take(view);
              held.push(view);
            }
          }
          const bytes = model.taken.size * PAGE;
          peakBytes = Math.max(peakBytes, bytes);
          expect(arena.counters()).toEqual({ buffers: held.length, bytes, peakBytes, refusals });
        }
        for (const view of held) arena.give(view);
        expect(arena.counters()).toMatchObject({ buffers: 0, bytes: 0 });
      }),
    );
  });

  it("joins what comes back, in whatever order, to what it was at first", () => {
    const orders = fc.shuffledSubarray(
      Array.from({ length: PAGES - FIRST_PAGE }, (_unused, i) => i),
      { minLength: PAGES - FIRST_PAGE },
    );
    fc.assert(
      fc.property(orders, (order) => {
        const arena = new Arena(PAGES * PAGE);
        const views = order.map(() => arena.take(1));
        expect(arena.take(1)).toBeNull();
        for (const i of order) arena.give(views[i]!);
        const largest = [arena.take(16 * PAGE), arena.take(16 * PAGE)];
        const places = new Set(largest.map((view) => view?.byteOffset));
        expect(places).toEqual(new Set([16 * PAGE, 32 * PAGE]));
        expect(arena.take(1)).toBeNull();
      }),
      { numRuns: 30 },
    );
  });

  it("makes the view of a buffer once", () => {
    const arena = new Arena(PAGES * PAGE);
    const first = arena.take(PAGE)!;
    arena.give(first);
    expect(arena.take(PAGE)).toBe(first);
  });

  it("takes back a view of a part, if it starts where the buffer does", () => {
    const arena = new Arena(PAGES * PAGE);
    arena.give(arena.take(2 * PAGE)!.subarray(0, 700));
    expect(arena.counters().bytes).toBe(0);
  });

  it("notices what is given back twice, in parts, or was never its own", () => {
    const arena = new Arena(PAGES * PAGE);
    const view = arena.take(4 * PAGE)!;
    expect(() => arena.give(view.subarray(PAGE))).toThrow("given back once");
    expect(() => arena.give(view.subarray(1))).toThrow("given back once");
    arena.give(view);
    expect(() => arena.give(view)).toThrow("given back once");
    expect(() => arena.give(new Uint8Array(PAGE))).toThrow("lies in the arena");
    expect(() => arena.give(new Uint8Array(arena.memory.buffer, 0, PAGE))).toThrow("given back");
    expect(arena.contains(new Uint8Array(1))).toBe(false);
  });

  it("keeps its first part to itself", () => {
    const arena = new Arena(PAGES * PAGE);
    const views = Array.from({ length: PAGES - FIRST_PAGE }, () => arena.take(1)!);
    const lowest = Math.min(...views.map((view) => view.byteOffset));
    expect(lowest).toBe(RESERVED_BYTES);
  });

  it("can be larger than the memory there is to touch, and tells when it cannot be", () => {
    expect(createArena(2 ** 30)?.take(1)?.length).toBe(PAGE);
    // More than WebAssembly has.
    expect(createArena(2 ** 33)).toBeNull();
  });
});
