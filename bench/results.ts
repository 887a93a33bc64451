/**
 * What is kept of a run: bench/results/quick.json and full.json. A cell is one workload in one place, measured for several
 * variants in turns; ratios are only formed inside a cell. Cells may be measured one by one, so each carries its own date, commit
 * and load of the machine.
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
  /** Fingerprint of what was built, in machine.ts; older results have none. */
  readonly build?: string;
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
  /** What the parity kernels were built from. */
  readonly parityBuild?: string;
  /** Of resyncs after a crash. */
  readonly resyncs?: readonly ResyncResult[];
  /** Where time goes in cells that miss a goal. */
  readonly profiles?: readonly Profile[];
}

/** Functions of one server or program by their own time, as V8 samples it. */
export interface Profile {
  /** A cell's id. */
  readonly cell: string;
  readonly variant: string;
  readonly at: string;
  readonly commit: string;
  readonly functions: readonly ProfiledFunction[];
}

export interface ProfiledFunction {
  readonly name: string;
  /** Of the time that was not idle, 0 to 1. */
  readonly share: number;
}

export interface ResyncResult {
  readonly array: string;
  readonly sizeMiB: number;
  /** Of the bitmap's regions, 0 to 1. */
  readonly dirtyShare: number;
  /** Median. */
  readonly seconds: number;
  /** Of members. */
  readonly readBytes: number;
}

/** A case of the parity benchmark: the ratio of medians to ISA-L. */
export interface ParityResult {
  readonly name: string;
  readonly kind: "xor" | "pq";
  readonly place: "cache" | "memory";
  readonly ratioToIsal: number;
  /** The ratios of single turns. */
  readonly turns?: readonly number[];
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

export function saveResults(name: ResultsName, results: Results): void {
  const cells = results.cells.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  mkdirSync(dirname(pathOf(name)), { recursive: true });
  writeFileSync(pathOf(name), `${JSON.stringify({ ...results, cells }, null, 1)}\n`);
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

/** The ratios of single repetitions, which ran one after the other; empty when one variant lacks some. */
export function pairedRatios(
  cell: CellResult,
  metric: Metric,
  variant: string,
  peer: string,
): number[] {
  const theirs = valuesOf(cell, peer, metric);
  const mine = valuesOf(cell, variant, metric);
  return mine.length === theirs.length ? mine.map((value, index) => value / theirs[index]!) : [];
}

/** The peer that the ratios of a cell are formed to: the first of these that was measured. */
export function peerOf(cell: CellResult): string {
  const peers = [
    "qemu-nbd",
    "quorum",
    "nbdkit",
    "cmp",
    "cat",
    "dd",
    "bare",
    "raid1",
    "linear",
    "cp",
  ];
  return peers.find((name) => cell.variants[name]?.kind === "measured") ?? "holdfast";
}

/** What the work of a cell is counted in. */
export function mainMetric({ id }: Pick<CellResult, "id">): "iops" | "bytesPerSecond" {
  return /\/(?:(?:read|write)-1m|pass(?:-[a-z-]+)?)$/.test(id) ? "bytesPerSecond" : "iops";
}
