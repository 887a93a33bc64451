/**
 * The goals, as data: ratios of medians inside one cell, never absolute figures. Each has an id, which is also the anchor
 * "goal-ID" in docs/PERFORMANCE.md where it says what keeps it from being met. judge.ts compares them with results.
 */
import type { Metric, ParityResult } from "./results.ts";

export type Bound = { readonly atLeast: number } | { readonly atMost: number };

export interface CellGoal {
  readonly id: string;
  readonly text: string;
  /** Cells that the goal is about: "array/place/workload". */
  readonly cells: RegExp;
  readonly metric: Metric;
  /** Variants: this one over that one. */
  readonly of: string;
  readonly to: string;
  readonly bound: Bound;
  /** The goal of one backend only; without it, of the one that the machine lets us have. */
  readonly backend: "ring" | "node" | null;
}

const atLeast = (value: number): Bound => ({ atLeast: value });
const atMost = (value: number): Bound => ({ atMost: value });

const QEMU = ["holdfast", "qemu-nbd"] as const;
const NODE = ["holdfast-node", "qemu-nbd"] as const;
const NBDKIT = ["holdfast", "nbdkit"] as const;
const QUORUM = ["holdfast", "quorum"] as const;
const LOST_ONE = ["holdfast-degraded", "qemu-nbd"] as const;
const CAT = ["holdfast", "cat"] as const;

function goal(
  id: string,
  text: string,
  cells: RegExp,
  metric: Metric,
  [of, to]: readonly [string, string],
  bound: Bound,
  backend: CellGoal["backend"] = null,
): CellGoal {
  return { id, text, cells, metric, of, to, bound, backend };
}

const LINEAR_READS = /^linear\/.*\/randread-4k-q32(-j4)?$/;
const MAPPED_LOADS = /^dm-linear\/.*\/rand(read|write)-4k-q32$/;
const PARITY_READS = /^raid[56]-4\/.*\/randread-4k-q32$/;

export const GOALS: readonly CellGoal[] = [
  goal(
    "linear-random-reads",
    "linear, 4k random reads at depth 32, 1 and 4 connections, warm: IOPS / qemu-nbd",
    LINEAR_READS,
    "iops",
    QEMU,
    atLeast(2),
    "ring",
  ),
  goal(
    "linear-random-reads-node",
    "linear, the same reads with the backend `node`: IOPS / qemu-nbd",
    LINEAR_READS,
    "iops",
    NODE,
    atLeast(1.5),
    "node",
  ),
  goal(
    "linear-random-reads-cpu",
    "linear, the same reads: server CPU per request / qemu-nbd",
    LINEAR_READS,
    "cpuUsPerRequest",
    QEMU,
    atMost(0.35),
  ),
  goal(
    "linear-nbdkit",
    "linear, 4k random reads and writes at depth 32: IOPS / nbdkit file",
    /^linear\/.*\/rand(read|write)-4k-q32$/,
    "iops",
    NBDKIT,
    atLeast(1.3),
  ),
  goal(
    "linear-depth-1",
    "linear, 4k at depth 1: IOPS / qemu-nbd",
    /^linear\/.*\/rand(read|write|rw)-4k-q1$/,
    "iops",
    QEMU,
    atLeast(1.3),
  ),
  goal(
    "linear-cold",
    "linear, 4k random reads at depth 32, cold: IOPS / qemu-nbd",
    /^linear\/.*\/randread-4k-q32-cold$/,
    "iops",
    QEMU,
    atLeast(1.5),
  ),
  goal(
    "linear-flushes",
    "linear, 4k random writes at depth 32, a flush every 32: IOPS / qemu-nbd",
    /^linear\/.*\/randwrite-4k-q32-flush32$/,
    "iops",
    QEMU,
    atLeast(1.2),
  ),
  goal(
    "linear-sequential",
    "linear, 1 MiB sequential reads and writes: bytes / qemu-nbd",
    /^linear\/.*\/(read|write)-1m$/,
    "bytesPerSecond",
    QEMU,
    atLeast(1.5),
  ),
  goal(
    "raid1-random-reads",
    "raid1 of 2 and of 3, 4k random reads at depth 32: IOPS / quorum fifo",
    /^raid1-.*\/randread-4k-q32$/,
    "iops",
    QUORUM,
    atLeast(1.3),
  ),
  goal(
    "parity-random-reads",
    "raid5 and raid6 of 4, 4k random reads at depth 32: IOPS / qemu-nbd on one plain file",
    PARITY_READS,
    "iops",
    QEMU,
    atLeast(2),
  ),
  goal(
    "parity-random-reads-degraded",
    "raid5 and raid6 of 4 without one member, the same reads: IOPS / qemu-nbd on one plain file",
    PARITY_READS,
    "iops",
    LOST_ONE,
    atLeast(0.8),
  ),
  goal(
    "dump-degraded",
    "degraded raid5 and raid6, dump into /dev/null: bytes / cat of the same members",
    /^raid[56]-4\/.*\/pass-(degraded|two-lost)$/,
    "bytesPerSecond",
    CAT,
    atLeast(0.5),
  ),
  goal(
    "raid1-random-writes",
    "raid1 of 2, 4k random writes at depth 32: IOPS / quorum",
    /^raid1-2\/.*\/randwrite-4k-q32$/,
    "iops",
    QUORUM,
    atLeast(1.5),
  ),
  goal(
    "raid1-3-random-writes",
    "raid1 of 3, the same: IOPS / quorum",
    /^raid1-3\/.*\/randwrite-4k-q32$/,
    "iops",
    QUORUM,
    atLeast(1.4),
  ),
  goal(
    "raid5-random-writes",
    "raid5 of 4 with a bitmap, 4k random writes at depth 32: IOPS / qemu-nbd on one plain file",
    /^raid5-4\/.*\/randwrite-4k-q32$/,
    "iops",
    QEMU,
    atLeast(0.8),
  ),
  goal(
    "raid5-depth-1-writes",
    "raid5 of 4 with a bitmap, 4k random writes at depth 1: IOPS / qemu-nbd on one plain file",
    /^raid5-4\/.*\/randwrite-4k-q1$/,
    "iops",
    QEMU,
    atLeast(1.2),
  ),
  goal(
    "raid6-random-writes",
    "raid6 of 4 with a bitmap, 4k random writes at depth 32: IOPS / qemu-nbd on one plain file",
    /^raid6-4\/.*\/randwrite-4k-q32$/,
    "iops",
    QEMU,
    atLeast(0.7),
  ),
  goal(
    "raid5-fill",
    "raid5 of 4, whole stripes written in order, without NBD: bytes / dd of data and parity to the members",
    /^raid5-4\/.*\/pass-fill$/,
    "bytesPerSecond",
    ["holdfast-direct", "dd"],
    atLeast(0.45),
  ),
  goal(
    "raid1-check",
    "raid1 of 2, check: bytes / cmp of the same members",
    /^raid1-2\/.*\/pass-check$/,
    "bytesPerSecond",
    ["holdfast", "cmp"],
    atLeast(1),
  ),
  goal(
    "raid6-check",
    "raid6 of 4, check: bytes / cat of the same members",
    /^raid6-4\/.*\/pass-check$/,
    "bytesPerSecond",
    CAT,
    atLeast(0.6),
  ),
  goal(
    "mapped-linear",
    "a linear mapped device, 4k random reads and writes at depth 32: IOPS / the same file as it is",
    MAPPED_LOADS,
    "iops",
    ["linear", "bare"],
    atLeast(0.95),
  ),
  goal(
    "mapped-striped",
    "a striped mapped device, the same: IOPS / the same file as it is",
    MAPPED_LOADS,
    "iops",
    ["striped", "bare"],
    atLeast(0.95),
  ),
  goal(
    "mapped-mirror",
    "a device-mapper mirror of 2, the same: IOPS / md raid1",
    /^dm-mirror\/.*\/rand(read|write)-4k-q32$/,
    "iops",
    ["mirror", "raid1"],
    atLeast(0.85),
  ),
  goal(
    "mapped-thin",
    "a thin device, 4k random writes to mapped blocks at depth 32: IOPS / linear",
    /^dm-thin\/.*\/randwrite-4k-q32$/,
    "iops",
    ["thin", "linear"],
    atLeast(0.7),
  ),
  goal(
    "mapped-clone",
    "a clone, hydration of all its regions: bytes / cp and sync of the same file",
    /^dm-clone\/.*\/pass-hydrate$/,
    "bytesPerSecond",
    ["clone", "cp"],
    atLeast(0.8),
  ),
];

export interface ParityGoal {
  readonly id: string;
  readonly text: string;
  readonly kind: ParityResult["kind"];
  readonly place: ParityResult["place"];
  /** The least ratio of all cases of the kind and place counts. */
  readonly least: number;
}

export const PARITY_GOALS: readonly ParityGoal[] = [
  { id: "xor-cache", kind: "xor", place: "cache", least: 0.5, text: "xor, in cache / ISA-L" },
  { id: "xor-memory", kind: "xor", place: "memory", least: 0.6, text: "xor, out of cache / ISA-L" },
  { id: "pq-cache", kind: "pq", place: "cache", least: 0.3, text: "P+Q, in cache / ISA-L" },
  { id: "pq-memory", kind: "pq", place: "memory", least: 0.6, text: "P+Q, out of cache / ISA-L" },
];

/** Of the server under load, the worst of all cells: so many times an idle Node, and the arena for I/O besides. */
export const MEMORY_GOAL = {
  id: "memory",
  text: "resident memory under load / idle Node",
  timesIdle: 2,
  arenaMiB: 64,
} as const;

export const GOAL_IDS: readonly string[] = [
  ...GOALS.map(({ id }) => id),
  ...PARITY_GOALS.map(({ id }) => id),
  MEMORY_GOAL.id,
];

/** Does a goal look at this variant of the cell? */
export function needsVariant(cell: string, variant: string): boolean {
  return GOALS.some(({ cells, of, to }) => cells.test(cell) && (of === variant || to === variant));
}
