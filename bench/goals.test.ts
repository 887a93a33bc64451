import { expect, it } from "vitest";
import { CELLS } from "./cells.ts";
import { GOALS, judgeGoals } from "./goals.ts";
import type { CellResult, Results } from "./results.ts";

function cell(id: string, iops: Readonly<Record<string, readonly number[]>>): CellResult {
  const variants = Object.fromEntries(
    Object.entries(iops).map(([name, values]) => [
      name,
      { kind: "measured" as const, runs: values.map((value) => ({ iops: value, rssMiB: 150 })) },
    ]),
  );
  return { id, at: "", commit: "", seconds: 1, load: 0, variants };
}

function results(cells: readonly CellResult[], backend = "ring"): Results {
  return { machine: {}, backend, idleNodeRssMiB: 40, cells, parity: [] };
}

const RANDOM_READS = "linear/tmpfs/randread-4k-q32";
const firstGoal = (of: Results) => judgeGoals(of)[0];

it("judges the ratio of medians", () => {
  const fast = cell(RANDOM_READS, { holdfast: [1, 200, 210], "qemu-nbd": [100, 100, 900] });
  expect(firstGoal(results([fast]))).toMatchObject({ ratio: 2, isMet: true, bound: "≥ 2" });
  const slow = cell(RANDOM_READS, { holdfast: [190], "qemu-nbd": [100] });
  expect(firstGoal(results([slow]))).toMatchObject({ ratio: 1.9, isMet: false });
});

it("asks less of the backend without io_uring", () => {
  const fast = cell(RANDOM_READS, { holdfast: [160], "qemu-nbd": [100] });
  expect(firstGoal(results([fast], "node"))).toMatchObject({ isMet: true, bound: "≥ 1.5" });
});

it("takes what was not measured or skipped for not met", () => {
  expect(firstGoal(results([]))).toMatchObject({ ratio: null, isMet: false });
  const alone = cell(RANDOM_READS, { holdfast: [160] });
  expect(firstGoal(results([alone]))).toMatchObject({ ratio: null, isMet: false });
});

it("allows the arena beside twice an idle Node", () => {
  const big = cell(RANDOM_READS, { holdfast: [1] });
  expect(judgeGoals(results([big])).at(-1)).toMatchObject({ ratio: 3.75, isMet: false });
  const small = { ...results([big]), idleNodeRssMiB: 50 };
  expect(judgeGoals(small).at(-1)).toMatchObject({ ratio: 3, isMet: true });
});

it.each(GOALS.map((goal) => [goal.text, goal] as const))("has cells for: %s", (_text, goal) => {
  const cells = CELLS.filter(({ id }) => goal.cells.test(id));
  expect(cells.some(({ isQuick }) => isQuick)).toBe(true);
  for (const each of cells) {
    if (each.kind === "load") expect(Object.keys(each.variants)).toContain(goal.of);
    if (each.kind === "load") expect(Object.keys(each.variants)).toContain(goal.to);
  }
});
