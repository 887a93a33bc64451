import { expect, it } from "vitest";
import { estimate, groupsOf, planOf, Progress, withoutDone } from "./plan.ts";
import type { CellResult, Results } from "./results.ts";

function secondsOf(args: readonly string[]): number {
  return [...estimate(planOf(args)).values()].reduce((sum, seconds) => sum + seconds, 0);
}

it("is meant to take an hour or so in full, and six minutes when it is to be quick", () => {
  expect(secondsOf([]) / 60).toBeLessThan(90);
  expect(planOf([]).repetitions).toBeGreaterThanOrEqual(5);
  expect(secondsOf(["--quick"]) / 60).toBeLessThan(6);
});

it("measures all small requests on a linear array, at both depths, over one and four connections", () => {
  const ids = planOf([]).cells.map(({ id }) => id);
  for (const place of ["tmpfs", "disk"]) {
    for (const rw of ["randread", "randwrite", "randrw"]) {
      for (const shape of ["q1", "q1-j4", "q32", "q32-j4"]) {
        expect(ids).toContain(`linear/${place}/${rw}-4k-${shape}`);
      }
    }
  }
});

it("estimates every cell, in the order in which they run", () => {
  const plan = planOf([]);
  const inOrder = groupsOf(plan.cells).flatMap(({ cells }) => cells.map(({ id }) => id));
  expect([...estimate(plan).keys()]).toEqual([...inOrder, "resync", "parity"]);
});

it("measures in quick runs only what goals look at", () => {
  const cell = planOf(["--quick"]).cells.find(({ id }) => id === "linear/tmpfs/randread-4k-q1");
  expect(cell?.kind === "load" && Object.keys(cell.variants)).toEqual(["holdfast", "qemu-nbd"]);
});

it("refuses what makes no sense", () => {
  expect(() => planOf(["--seconds", "none"])).toThrow("--seconds none");
  expect(() => planOf(["--only", "raid99"])).toThrow("raid99 fits no cell");
});

it("goes on with the cells that the same build has no results of", () => {
  const plan = planOf(["--quick", "--resume", "--only", "^raid1-./tmpfs/randread"]);
  const [first, second] = plan.cells;
  const runs = Array.from({ length: plan.repetitions }, () => ({ iops: 1 }));
  const result = (id: string, build: string, count = plan.repetitions): CellResult => ({
    id,
    build,
    at: "",
    commit: "",
    seconds: plan.seconds,
    load: 0,
    variants: {
      holdfast: { kind: "measured", runs: runs.slice(0, count) },
      quorum: { kind: "skipped", reason: "not installed" },
    },
  });
  const left = (cells: readonly CellResult[]): string[] => {
    const old: Results = { machine: {}, backend: "", idleNodeRssMiB: 0, cells, parity: [] };
    return withoutDone(plan, old, "new").cells.map(({ id }) => id);
  };
  expect(left([])).toEqual([first?.id, second?.id]);
  expect(left([result(first!.id, "new")])).toEqual([second?.id]);
  expect(left([result(first!.id, "old")])).toHaveLength(2);
  expect(left([result(first!.id, "new", 1)])).toHaveLength(2);
});

it("tells how much is left by how true the estimate was", () => {
  const costs = new Map([
    ["a", 10],
    ["b", 30],
  ]);
  expect(new Progress(costs).done("a", 20)).toBe("1/2, 60 s left");
});
