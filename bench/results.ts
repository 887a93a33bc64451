/**
 * What is kept of a run: bench/results/quick.json and full.json. A cell is one workload in one place, measured for several
 * variants in turns; ratios are only formed inside a cell. A cell that is measured anew takes the place of the old one, so each
 * carries its own date, commit and load of the machine.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { ROOT } from "../scripts/setup.mjs";
import { median } from "./stats.ts";

export const METRICS = {
  iops: "IOPS",
  bytesPerSecond: "MB/s",
  p99Us: "p99 µs",
  cpuUsPerRequest: "CPU µs/request",
  rssMiB: "RSS MiB",
} as const;
export type Metric = keyof typeof METRICS;

/** One repetition. What does not apply is left out. */
export type Run = Readonly<Partial<Record<Metric, number>>>;

export type Variant =
  | { readonly kind: "measured"; readonly runs: readonly Run[] }
  | { readonly kind: "skipped"; readonly reason: string };

export interface CellResult {
  /** "linear/tmpfs/randread-4k-q32". */
  readonly id: string;
  readonly at: string;
  readonly commit: string;
  /** Seconds a repetition lasts. */
  readonly seconds: number;
  /** Load average of one minute before the cell; what is above 0 is other work, or the cell before. */
  readonly load: number;
  readonly variants: Readonly<Record<string, Variant>>;
}

export interface Results {
  readonly machine: Readonly<Record<string, string>>;
  /** How Holdfast reaches files and sockets: "node" or "ring". */
  readonly backend: string;
  readonly idleNodeRssMiB: number;
  readonly cells: readonly CellResult[];
  /** Empty: not measured. */
  readonly parity: readonly ParityResult[];
}

/** A case of the parity benchmark: the ratio of medians to ISA-L. */
export interface ParityResult {
  readonly name: string;
  readonly kind: "xor" | "pq";
  readonly place: "cache" | "memory";
  readonly ratioToIsal: number;
}

export type ResultsName = "quick" | "full";

function pathOf(name: ResultsName): string {
  return join(ROOT, "bench", "results", `${name}.json`);
}

/** Null: not measured yet. */
export function loadResults(name: ResultsName): Results | null {
  const path = pathOf(name);
  return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as Results) : null;
}

/** Keeps old cells that were not measured this time. */
export function saveResults(name: ResultsName, results: Results): void {
  const fresh = new Set(results.cells.map(({ id }) => id));
  const old = loadResults(name);
  const kept = (old?.cells ?? []).filter(({ id }) => !fresh.has(id));
  const merged: Results = {
    ...results,
    cells: [...kept, ...results.cells].toSorted((a, b) => (a.id < b.id ? -1 : 1)),
    parity: results.parity.length > 0 ? results.parity : (old?.parity ?? []),
  };
  mkdirSync(dirname(pathOf(name)), { recursive: true });
  writeFileSync(pathOf(name), `${JSON.stringify(merged, null, 1)}\n`);
}

/** One metric of all repetitions; empty when it was skipped or does not apply. */
export function valuesOf(cell: CellResult, variant: string, metric: Metric): number[] {
  const result = cell.variants[variant];
  if (result?.kind !== "measured") return [];
  return result.runs.flatMap((run) => run[metric] ?? []);
}

/** Median over median; null when one is missing. */
export function ratioOf(
  cell: CellResult,
  metric: Metric,
  variant: string,
  peer: string,
): number | null {
  const mine = valuesOf(cell, variant, metric);
  const theirs = valuesOf(cell, peer, metric);
  if (mine.length === 0 || theirs.length === 0) return null;
  return median(mine) / median(theirs);
}
