import { describe, expect, it } from "vitest";
import { Prng } from "../base/prng.ts";
import { Budget, Holding } from "./budget.ts";

function holder(budget: Budget, reserveBytes = 0, limitBytes = 1000) {
  const gauge = { heldBytes: 0, peakHeldBytes: 0 };
  const state = { granted: 0, gauge };
  const holding = new Holding(budget, gauge, { reserveBytes, limitBytes }, () => {
    state.granted += 1;
  });
  return { holding, state };
}

describe("Budget and Holding", () => {
  it("gives in order of arrival, small ones not first", () => {
    const budget = new Budget(100);
    const [a, b, c] = [holder(budget), holder(budget), holder(budget)];
    expect(a.holding.take(80)).toBe(true);
    expect(b.holding.take(50)).toBe(false);
    expect(c.holding.take(10)).toBe(false);
    a.holding.release(80);
    expect([b.state.granted, c.state.granted]).toEqual([1, 1]);
    expect(budget.heldBytes).toBe(60);
  });

  it("gives more than all there is to one who holds alone, rather than never", () => {
    const budget = new Budget(100);
    const [a, b] = [holder(budget), holder(budget)];
    expect(a.holding.take(10)).toBe(true);
    expect(b.holding.take(500)).toBe(false);
    a.holding.release(10);
    expect(b.state.granted).toBe(1);
  });

  it("keeps a reserve for everybody when others hold everything", () => {
    const budget = new Budget(100);
    const [a, b] = [holder(budget, 20), holder(budget, 20)];
    expect(a.holding.take(120)).toBe(true);
    expect(b.holding.take(20)).toBe(true);
    expect(b.holding.take(1)).toBe(false);
    // Back within its reserve it does not need the budget.
    b.holding.release(20);
    expect(b.state.granted).toBe(1);
    expect(budget.waiting).toBe(0);
  });

  it("holds one connection to its own limit", () => {
    const budget = new Budget(10_000);
    const { holding, state } = holder(budget, 0, 100);
    expect(holding.take(60)).toBe(true);
    expect(holding.take(60)).toBe(false);
    expect(state.granted).toBe(0);
    holding.release(60);
    expect(state.granted).toBe(1);
    expect(holding.heldBytes).toBe(60);
  });

  it("forgets who gives up, and serves those behind", () => {
    const budget = new Budget(100);
    const [a, b, c] = [holder(budget), holder(budget), holder(budget)];
    a.holding.take(90);
    b.holding.take(90);
    c.holding.take(10);
    b.holding.giveUp();
    expect([b.state.granted, c.state.granted]).toEqual([0, 1]);
  });

  it("is exact over random histories", () => {
    const seed = 11;
    const prng = new Prng(seed);
    const budget = new Budget(300);
    const reserve = 20;
    const all = Array.from({ length: 5 }, () => {
      const state = { held: [] as number[], wanted: 0 };
      const gauge = { heldBytes: 0, peakHeldBytes: 0 };
      const holding = new Holding(budget, gauge, { reserveBytes: reserve, limitBytes: 200 }, () => {
        state.held.push(state.wanted);
        state.wanted = 0;
      });
      return { holding, state, gauge };
    });
    for (let i = 0; i < 1500; i += 1) {
      const { holding, state } = prng.pick(all);
      if (state.held.length > 0 && prng.chance(0.55)) {
        const [cost] = state.held.splice(prng.below(state.held.length), 1);
        holding.release(cost!);
      } else if (state.wanted === 0) {
        const cost = prng.between(1, 150);
        state.wanted = cost;
        if (holding.take(cost)) {
          state.held.push(cost);
          state.wanted = 0;
        }
      }
      let shared = 0;
      for (const one of all) {
        const held = one.state.held.reduce((sum, cost) => sum + cost, 0);
        expect(one.holding.heldBytes, `seed ${seed} step ${i}`).toBe(held);
        expect(one.gauge.heldBytes).toBe(held);
        expect(held).toBeLessThanOrEqual(200);
        shared += Math.max(0, held - reserve);
      }
      expect(budget.heldBytes).toBe(shared);
      expect(shared).toBeLessThanOrEqual(300);
    }
    for (const { holding, state } of all)
      while (state.held.length > 0) holding.release(state.held.pop()!);
    // Grants during the loop above put costs back: drain until everybody is done.
    for (let round = 0; round < 10; round += 1)
      for (const { holding, state } of all)
        while (state.held.length > 0) holding.release(state.held.pop()!);
    expect(budget.heldBytes).toBe(0);
    expect(budget.waiting).toBe(0);
  });
});
