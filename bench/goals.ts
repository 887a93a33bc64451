/**
 * The goals, as data: ratios of medians inside one cell, never absolute figures. "node" goals are for the backend without
 * io_uring, which may be slower.
 */
import type { CellResult, Metric, ParityResult, Results } from "./results.ts";
import { ratioOf, valuesOf } from "./results.ts";
import { median } from "./stats.ts";

type Bound = { readonly atLeast: number } | { readonly atMost: number };

/** The arena for I/O that Holdfast's memory may grow by beyond twice an idle Node. */
const ARENA_MIB = 64;

interface CellGoal {
  readonly text: string;
  /** Cells that the goal is about: "array/place/workload". */
  readonly cells: RegExp;
  readonly metric: Metric;
  readonly of: string;
  readonly to: string;
  readonly bound: Bound;
  /** Of the backend "node", where it differs. */
  readonly nodeBound?: Bound;
}

export interface GoalRow {
  readonly text: string;
  /** Where it was measured. */
  readonly where: string;
  readonly bound: string;
  /** Null: not measured. */
  readonly ratio: number | null;
  readonly isMet: boolean;
}

const atLeast = (value: number): Bound => ({ atLeast: value });
const atMost = (value: number): Bound => ({ atMost: value });

function goal(
  text: string,
  cells: RegExp,
  metric: Metric,
  [of, to]: readonly [string, string],
  bound: Bound,
  nodeBound?: Bound,
): CellGoal {
  return { text, cells, metric, of, to, bound, ...(nodeBound === undefined ? {} : { nodeBound }) };
}

const QEMU = ["holdfast", "qemu-nbd"] as const;
const NBDKIT = ["holdfast", "nbdkit"] as const;
const QUORUM = ["holdfast", "quorum"] as const;
const LOST_ONE = ["holdfast-degraded", "qemu-nbd"] as const;

export const GOALS: readonly CellGoal[] = [
  goal(
    "linear, 4k random reads at depth 32, 1 and 4 connections, warm: IOPS / qemu-nbd",
    /^linear\/.*\/randread-4k-q32(-j4)?$/,
    "iops",
    QEMU,
    atLeast(2),
    atLeast(1.5),
  ),
  goal(
    "the same: server CPU per request / qemu-nbd",
    /^linear\/.*\/randread-4k-q32(-j4)?$/,
    "cpuUsPerRequest",
    QEMU,
    atMost(0.35),
  ),
  goal(
    "linear, 4k random reads and writes at depth 32: IOPS / nbdkit file",
    /^linear\/.*\/rand(read|write)-4k-q32$/,
    "iops",
    NBDKIT,
    atLeast(1.3),
  ),
  goal(
    "linear, 4k at depth 1: IOPS / qemu-nbd",
    /^linear\/.*\/rand(read|write)-4k-q1$/,
    "iops",
    QEMU,
    atLeast(1.3),
  ),
  goal(
    "linear, 4k random reads at depth 32, cold: IOPS / qemu-nbd",
    /^linear\/.*\/randread-4k-q32-cold$/,
    "iops",
    QEMU,
    atLeast(1.5),
  ),
  goal(
    "linear, 4k random writes at depth 32, a flush every 32: IOPS / qemu-nbd",
    /^linear\/.*\/randwrite-4k-q32-flush32$/,
    "iops",
    QEMU,
    atLeast(1.2),
  ),
  goal(
    "linear, 1 MiB sequential reads and writes: bytes / qemu-nbd",
    /^linear\/.*\/(read|write)-1m$/,
    "bytesPerSecond",
    QEMU,
    atLeast(1.5),
  ),
  goal(
    "raid1 of 2 and of 3, 4k random reads at depth 32: IOPS / quorum fifo",
    /^raid1-.*\/randread-4k-q32$/,
    "iops",
    QUORUM,
    atLeast(1.3),
  ),
  goal(
    "raid5 and raid6 of 4, 4k random reads at depth 32: IOPS / qemu-nbd on one plain file",
    /^raid[56]-4\/.*\/randread-4k-q32$/,
    "iops",
    QEMU,
    atLeast(2),
  ),
  goal(
    "the same, one member lost",
    /^raid[56]-4\/.*\/randread-4k-q32$/,
    "iops",
    LOST_ONE,
    atLeast(0.8),
  ),
  goal(
    "degraded raid5 and raid6, dump into /dev/null: bytes / cat of the same members",
    /^raid[56]-4\/.*\/pass-degraded$/,
    "bytesPerSecond",
    ["holdfast", "cat"],
    atLeast(0.5),
  ),
];

/** The least ratio of all cases of a kind and place counts. */
const PARITY_GOALS: readonly (Pick<ParityResult, "kind" | "place"> & {
  text: string;
  least: number;
})[] = [
  { kind: "xor", place: "cache", text: "xor, 64 to 256 KiB, in cache / ISA-L", least: 0.5 },
  { kind: "xor", place: "memory", text: "xor, 64 to 256 KiB, out of cache / ISA-L", least: 0.6 },
  { kind: "pq", place: "cache", text: "P+Q, 64 to 256 KiB, in cache / ISA-L", least: 0.3 },
  { kind: "pq", place: "memory", text: "P+Q, 64 to 256 KiB, out of cache / ISA-L", least: 0.6 },
];

function isWithin(ratio: number, bound: Bound): boolean {
  return "atLeast" in bound ? ratio >= bound.atLeast : ratio <= bound.atMost;
}

function boundText(bound: Bound): string {
  return "atLeast" in bound ? `≥ ${bound.atLeast}` : `≤ ${bound.atMost}`;
}

function cellRows(each: CellGoal, { cells, backend }: Results): GoalRow[] {
  const bound = backend === "node" ? (each.nodeBound ?? each.bound) : each.bound;
  const rows = cells
    .filter(({ id }) => each.cells.test(id))
    .map((cell) => {
      const ratio = ratioOf(cell, each.metric, each.of, each.to);
      const isMet = ratio !== null && isWithin(ratio, bound);
      return { text: each.text, where: cell.id, bound: boundText(bound), ratio, isMet };
    });
  if (rows.length > 0) return rows;
  return [{ text: each.text, where: "", bound: boundText(bound), ratio: null, isMet: false }];
}

function parityRows({ parity }: Results): GoalRow[] {
  return PARITY_GOALS.map(({ kind, place, text, least }) => {
    const cases = parity.filter((each) => each.kind === kind && each.place === place);
    const worst = cases.toSorted((a, b) => a.ratioToIsal - b.ratioToIsal)[0];
    const ratio = worst?.ratioToIsal ?? null;
    const isMet = ratio !== null && ratio >= least;
    return { text, where: worst?.name ?? "", bound: `≥ ${least}`, ratio, isMet };
  });
}

function memoryRow({ cells, idleNodeRssMiB }: Results): GoalRow {
  const text = "resident memory under load / idle Node";
  const bound = `≤ 2, and ${ARENA_MIB} MiB`;
  const loaded = cells
    .filter(({ id }) => /\/randread-4k-q32(-j4)?$/.test(id))
    .map((cell) => ({ where: cell.id, values: valuesOf(cell, "holdfast", "rssMiB") }))
    .filter(({ values }) => values.length > 0)
    .map(({ where, values }) => ({ where, rss: median(values) }))
    .toSorted((a, b) => b.rss - a.rss)[0];
  if (loaded === undefined) return { text, where: "", bound, ratio: null, isMet: false };
  const { where, rss } = loaded;
  const isMet = rss <= 2 * idleNodeRssMiB + ARENA_MIB;
  return { text, where, bound, ratio: rss / idleNodeRssMiB, isMet };
}

/** All goals with what was measured. */
export function judgeGoals(results: Results): GoalRow[] {
  return [
    ...GOALS.flatMap((each) => cellRows(each, results)),
    ...parityRows(results),
    memoryRow(results),
  ];
}

/** Does a goal look at this variant of the cell? */
export function needsVariant(cell: string, variant: string): boolean {
  return GOALS.some(({ cells, of, to }) => cells.test(cell) && (of === variant || to === variant));
}

/** The peer that the ratios of a cell are formed to: the first of these that is there. */
export function peerOf(cell: CellResult): string {
  const peers = ["qemu-nbd", "quorum", "nbdkit", "cat"];
  return peers.find((name) => name in cell.variants) ?? "holdfast";
}
