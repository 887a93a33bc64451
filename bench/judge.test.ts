import { expect, it } from "vitest";
import { countVerdicts, judgeGoals } from "./judge.ts";
import type { GoalRow } from "./judge.ts";
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

function rowOf(of: Results, id: string, wanted: readonly string[] = []): GoalRow | undefined {
  return judgeGoals(of, wanted).find((row) => row.id === id);
}

it("judges the ratio of medians, and shows how single repetitions spread", () => {
  const fast = cell(RANDOM_READS, { holdfast: [100, 200, 210], "qemu-nbd": [100, 100, 70] });
  expect(rowOf(results([fast]), "linear-random-reads")).toMatchObject({
    ratio: 2,
    reached: 1,
    verdict: "met",
    bound: "≥ 2",
    spread: { min: 1, median: 2, max: 3, mad: 1 },
  });
  const slow = cell(RANDOM_READS, { holdfast: [190], "qemu-nbd": [100] });
  expect(rowOf(results([slow]), "linear-random-reads")?.verdict).toBe("not met");
});

it("judges both backends in the same run, each by its own goal", () => {
  const runs = { holdfast: [300], "holdfast-node": [160], "qemu-nbd": [100] };
  const both = results([cell(RANDOM_READS, runs)]);
  expect(rowOf(both, "linear-random-reads")).toMatchObject({ ratio: 3, of: "holdfast" });
  const node = { ratio: 1.6, of: "holdfast-node", bound: "≥ 1.5", verdict: "met" };
  expect(rowOf(both, "linear-random-reads-node")).toMatchObject(node);
});

it("judges what there is where io_uring is not", () => {
  const runs = { holdfast: [160], "qemu-nbd": [100] };
  const without = results([cell(RANDOM_READS, runs)], "node");
  expect(rowOf(without, "linear-random-reads")?.verdict).toBe("no io_uring");
  const node = { ratio: 1.6, of: "holdfast", verdict: "met" };
  expect(rowOf(without, "linear-random-reads-node")).toMatchObject(node);
});

it("takes what was not measured or left out for neither met nor missed", () => {
  expect(rowOf(results([]), "linear-random-reads")).toBeUndefined();
  const missing = rowOf(results([]), "linear-random-reads", [RANDOM_READS]);
  expect(missing).toMatchObject({ where: RANDOM_READS, ratio: null, verdict: "not measured" });
  const alone = results([cell(RANDOM_READS, { holdfast: [160] })]);
  expect(rowOf(alone, "linear-random-reads")?.verdict).toBe("not measured");
});

it("allows the arena beside twice an idle Node, for the largest of Holdfast's servers", () => {
  const cells = [cell(RANDOM_READS, { holdfast: [1], "qemu-nbd": [1] })];
  const row = rowOf(results(cells), "memory");
  expect(row).toMatchObject({ ratio: 3.75, verdict: "not met", where: RANDOM_READS });
  const roomy = { ...results(cells), idleNodeRssMiB: 50 };
  expect(rowOf(roomy, "memory")).toMatchObject({ ratio: 3, verdict: "met" });
});

it("takes the worst case of the parity kernels", () => {
  const about = { kind: "xor", place: "cache" } as const;
  const parity = [
    { name: "a", ...about, ratioToIsal: 0.8, turns: [0.7, 0.9] },
    { name: "b", ...about, ratioToIsal: 0.4, turns: [0.4, 0.6, 0.2] },
  ];
  const row = rowOf({ ...results([]), parity }, "xor-cache");
  expect(row).toMatchObject({ where: "b", ratio: 0.4, verdict: "not met", spread: { max: 0.6 } });
});

it("counts", () => {
  const runs = { holdfast: [300], "holdfast-node": [100], "qemu-nbd": [100] };
  const rows = judgeGoals(results([cell(RANDOM_READS, runs)]), []).slice(0, 3);
  expect(countVerdicts(rows)).toBe("1 of 3 met, 1 not met, 1 not measured");
});
