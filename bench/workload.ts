/** What clients do, as fio with its nbd engine does it, and what fio says of it. */
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { runChecked } from "./processes.ts";
import type { Run } from "./results.ts";

export interface Workload {
  readonly name: string;
  readonly rw: "randread" | "randwrite" | "randrw" | "read" | "write";
  readonly blockBytes: number;
  readonly depth: number;
  /** Connections, each with the full depth. */
  readonly jobs: number;
  /** A flush after every so many writes; 0: none. */
  readonly flushEvery: number;
  /** Pages of the files are dropped from the cache first, and no block is read twice. */
  readonly isCold: boolean;
}

function small(rw: Workload["rw"], depth: number, jobs: number): Workload {
  const name = `${rw}-4k-q${depth}${jobs === 1 ? "" : `-j${jobs}`}`;
  return { name, rw, blockBytes: 4096, depth, jobs, flushEvery: 0, isCold: false };
}

const large = { blockBytes: 1024 * 1024, depth: 4, jobs: 1, flushEvery: 0, isCold: false } as const;

export const WORKLOADS: readonly Workload[] = [
  ...(["randread", "randwrite", "randrw"] as const).flatMap((rw) =>
    [1, 32].flatMap((depth) => [1, 4].map((jobs) => small(rw, depth, jobs))),
  ),
  { ...small("randread", 32, 1), name: "randread-4k-q32-cold", isCold: true },
  { ...small("randwrite", 32, 1), name: "randwrite-4k-q32-flush32", flushEvery: 32 },
  { ...large, name: "read-1m", rw: "read" },
  { ...large, name: "write-1m", rw: "write" },
];

export function isWriting({ rw }: Workload): boolean {
  return rw !== "randread" && rw !== "read";
}

export interface Load {
  readonly uri: string;
  readonly seconds: number;
  /** Equal seeds give equal offsets. */
  readonly seed: number;
  /** For fio's report; of this load alone meanwhile. */
  readonly folder: string;
}

/** Requests of a cold run, which ends with them: a second look at a block would find it in the cache. */
const COLD_BYTES_PER_SECOND = 48 * 1024 * 1024;

/** @param report the file for its figures */
export function fioArgs(
  workload: Workload,
  { uri, seconds, seed }: Omit<Load, "folder">,
  report: string,
): string[] {
  const coldBytes = Math.round(COLD_BYTES_PER_SECOND * seconds);
  return [
    "--name=load",
    "--output-format=json",
    `--output=${report}`,
    "--ioengine=nbd",
    `--uri=${uri}`,
    `--rw=${workload.rw}`,
    ...(workload.rw === "randrw" ? ["--rwmixread=70"] : []),
    `--bs=${workload.blockBytes}`,
    `--iodepth=${workload.depth}`,
    `--numjobs=${workload.jobs}`,
    "--group_reporting",
    // fio takes whole seconds, and 0.8 for 0, which is no limit.
    `--runtime=${Math.round(seconds * 1000) * (workload.isCold ? 4 : 1)}ms`,
    workload.isCold ? `--io_size=${coldBytes}` : "--time_based",
    `--randseed=${seed}`,
    ...(workload.flushEvery === 0 ? [] : [`--fsync=${workload.flushEvery}`]),
  ];
}

/** The parts of fio's JSON that are used. */
interface FioSide {
  readonly iops: number;
  readonly bw_bytes: number;
  readonly total_ios: number;
  readonly clat_ns: { readonly percentile?: Readonly<Record<string, number>> };
}
interface FioReport {
  readonly jobs: readonly { readonly read: FioSide; readonly write: FioSide }[];
}

export interface LoadResult {
  readonly requests: number;
  readonly run: Run;
}

/** @param text fio's JSON of one group */
export function parseFio(text: string): LoadResult {
  // fio puts what it has to say otherwise in front.
  const report = JSON.parse(text.slice(text.indexOf("{"))) as FioReport;
  const job = report.jobs[0];
  if (job === undefined) throw new Error("fio reports no job");
  const sides = [job.read, job.write].filter(({ total_ios }) => total_ios > 0);
  if (sides.length === 0) throw new Error("fio did no request");
  const sum = (pick: (side: FioSide) => number): number =>
    sides.reduce((total, side) => total + pick(side), 0);
  const p99Ns = Math.max(...sides.map(({ clat_ns }) => clat_ns.percentile?.["99.000000"] ?? 0));
  return {
    requests: sum(({ total_ios }) => total_ios),
    run: {
      iops: sum(({ iops }) => iops),
      bytesPerSecond: sum(({ bw_bytes }) => bw_bytes),
      p99Us: p99Ns / 1000,
    },
  };
}

/** Throws when fio fails, or has not come to an end long after its time. */
export async function runLoad(workload: Workload, load: Load): Promise<LoadResult> {
  const report = join(load.folder, "fio.json");
  const limitSeconds = load.seconds * 4 + 20;
  try {
    await runChecked("fio", fioArgs(workload, load, report), limitSeconds, { cwd: load.folder });
    return parseFio(await readFile(report, "utf8"));
  } finally {
    await rm(report, { force: true });
  }
}
