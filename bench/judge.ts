/** Which goals are met, by what was measured in one run. */
import { GOALS, MEMORY_GOAL, PARITY_GOALS } from "./goals.ts";
import type { Bound, CellGoal, ParityGoal } from "./goals.ts";
import { pairedRatios, ratioOf, valuesOf } from "./results.ts";
import type { CellResult, Results } from "./results.ts";
import { median, summarize } from "./stats.ts";
import type { Summary } from "./stats.ts";

/** "no io_uring": the goal is that of a backend which this machine does not let us have. */
export type Verdict = "met" | "not met" | "not measured" | "no io_uring";

export interface GoalRow {
  readonly id: string;
  readonly text: string;
  /** The cell or case, measured or not. */
  readonly where: string;
  /** The variant that the goal is about. */
  readonly of: string;
  readonly bound: string;
  /** 1: just met; more is better. Null: not measured. */
  readonly reached: number | null;
  /** Median over median. */
  readonly ratio: number | null;
  /** Of the ratios of single repetitions. */
  readonly spread: Summary | null;
  readonly verdict: Verdict;
}

function boundText(bound: Bound): string {
  return "atLeast" in bound ? `≥ ${bound.atLeast}` : `≤ ${bound.atMost}`;
}

function reachedOf(ratio: number, bound: Bound): number {
  return "atLeast" in bound ? ratio / bound.atLeast : bound.atMost / ratio;
}

/** Where the chosen backend is "node", the variant that asks for it is left out, being the same. */
function variantOf(goal: CellGoal, { backend }: Results): string {
  return goal.backend === "node" && backend === "node" ? "holdfast" : goal.of;
}

function judgeCell(goal: CellGoal, id: string, results: Results): GoalRow {
  const of = variantOf(goal, results);
  const about = { id: goal.id, text: goal.text, where: id, of, bound: boundText(goal.bound) };
  const nothing = { ...about, reached: null, ratio: null, spread: null };
  if (goal.backend === "ring" && results.backend !== "ring") {
    return { ...nothing, verdict: "no io_uring" };
  }
  const cell = results.cells.find((each) => each.id === id);
  const ratio = cell === undefined ? null : ratioOf(cell, goal.metric, of, goal.to);
  if (cell === undefined || ratio === null) return { ...nothing, verdict: "not measured" };
  const reached = reachedOf(ratio, goal.bound);
  const ratios = pairedRatios(cell, goal.metric, of, goal.to);
  const spread = ratios.length === 0 ? null : summarize(ratios);
  return { ...about, reached, ratio, spread, verdict: reached >= 1 ? "met" : "not met" };
}

function cellRows(goal: CellGoal, results: Results, wanted: readonly string[]): GoalRow[] {
  const ids = [...new Set([...wanted, ...results.cells.map(({ id }) => id)])];
  return ids.filter((id) => goal.cells.test(id)).map((id) => judgeCell(goal, id, results));
}

function parityRow({ id, kind, place, text, least }: ParityGoal, { parity }: Results): GoalRow {
  const about = { id, text: `${text}, 64 to 256 KiB`, of: "holdfast", bound: `≥ ${least}` };
  const cases = parity.filter((each) => each.kind === kind && each.place === place);
  const worst = cases.toSorted((a, b) => a.ratioToIsal - b.ratioToIsal)[0];
  if (worst === undefined) {
    const where = "bench/parity.mjs";
    return { ...about, where, reached: null, ratio: null, spread: null, verdict: "not measured" };
  }
  const ratio = worst.ratioToIsal;
  const spread = worst.turns === undefined ? null : summarize(worst.turns);
  const verdict = ratio >= least ? "met" : "not met";
  return { ...about, where: worst.name, reached: ratio / least, ratio, spread, verdict };
}

/** Holdfast's variants in all cells, the largest median first. */
function memoryUsed(cells: readonly CellResult[]): { where: string; of: string; mib: number[] }[] {
  return cells
    .flatMap((cell) =>
      Object.keys(cell.variants)
        .filter((variant) => variant.startsWith("holdfast"))
        .map((of) => ({ where: cell.id, of, mib: valuesOf(cell, of, "rssMiB") })),
    )
    .filter(({ mib }) => mib.length > 0)
    .toSorted((a, b) => median(b.mib) - median(a.mib));
}

function memoryRow({ cells, idleNodeRssMiB: idle }: Results): GoalRow {
  const { id, text, timesIdle, arenaMiB } = MEMORY_GOAL;
  const bound = `≤ ${timesIdle} + ${arenaMiB} MiB`;
  const worst = memoryUsed(cells)[0];
  if (worst === undefined) {
    const about = { id, text, where: "all cells", of: "holdfast", bound };
    return { ...about, reached: null, ratio: null, spread: null, verdict: "not measured" };
  }
  const { where, of, mib } = worst;
  const reached = (timesIdle * idle + arenaMiB) / median(mib);
  const spread = summarize(mib.map((each) => each / idle));
  const verdict = reached >= 1 ? "met" : "not met";
  return { id, text, where, of, bound, reached, ratio: median(mib) / idle, spread, verdict };
}

/**
 * All goals with what was measured.
 * @param wanted ids of all cells of this kind of run, so that what is missing is seen
 */
export function judgeGoals(results: Results, wanted: readonly string[]): GoalRow[] {
  return [
    ...GOALS.flatMap((goal) => cellRows(goal, results, wanted)),
    ...PARITY_GOALS.map((goal) => parityRow(goal, results)),
    memoryRow(results),
  ];
}

/** "21 of 24 met, 2 not met, 1 not measured". */
export function countVerdicts(rows: readonly GoalRow[]): string {
  const counts = (["not met", "not measured", "no io_uring"] as const).flatMap((verdict) => {
    const count = rows.filter((row) => row.verdict === verdict).length;
    return count === 0 ? [] : [`${count} ${verdict}`];
  });
  const met = rows.filter(({ verdict }) => verdict === "met").length;
  return [`${met} of ${rows.length} met`, ...counts].join(", ");
}
