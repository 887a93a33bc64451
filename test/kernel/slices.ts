/**
 * Many small disks out of one: members are slices (dm-linear) of one big sparse disk, so that one boot makes dozens of sets,
 * each in a job of its own; afterwards every slice is copied out into an image.
 */
import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { emptyDisk } from "../support/temp.ts";
import { nonZeroBlocks, writeSparse } from "../../scripts/sparse.mjs";
import { writeStampFile } from "../support/stamp.ts";
import { bootGuest, looksOf } from "./guest.ts";
import type { Look } from "./guest.ts";

/** Slices begin at whole pages. */
const SLICE_UNIT_SECTORS = 8;

export interface Job {
  /** A shell word. */
  readonly name: string;
  /** Sectors of each of its disks. */
  readonly diskSectors: readonly number[];
  /** Images that its disks start as copies of; without them they are empty. */
  readonly from?: readonly string[];
  /** Run with `set -e`; it stops what it started. `look DEV NAME` notes what it read. */
  readonly script: string;
}

export interface DoneJob {
  readonly name: string;
  readonly passed: boolean;
  /** What the kernel read under a label, or null. */
  look(label: string): Look | null;
  readonly log: string;
  /** Paths of the images, in the order of `diskSectors`. */
  readonly images: readonly string[];
}

export interface StampFile {
  readonly seed: string;
  readonly sectors: number;
}

/** The node of a job's disk in the guest. */
export function diskNode(job: string, disk: number): string {
  return `/dev/mapper/${job}m${disk}`;
}

/** Disks in memory as images of a job; their paths. */
export function saveImages(
  job: string,
  disks: readonly { readonly bytes: Uint8Array }[],
  folder: string,
): string[] {
  return disks.map(({ bytes }, disk) => {
    const path = join(folder, `${job}-${disk}.img`);
    writeSparse(path, bytes);
    return path;
  });
}

interface Slice {
  readonly job: string;
  readonly disk: number;
  readonly start: number;
  readonly sectors: number;
}

function slicesOf(jobs: readonly Job[]): Slice[] {
  let start = 0;
  return jobs.flatMap((job) =>
    job.diskSectors.map((sectors, disk) => {
      const slice = { job: job.name, disk, start, sectors };
      start += Math.ceil(sectors / SLICE_UNIT_SECTORS) * SLICE_UNIT_SECTORS;
      return slice;
    }),
  );
}

function copyOut(bigDisk: number, slice: Slice, folder: string): string {
  const data = new Uint8Array(slice.sectors * 512);
  readSync(bigDisk, data, 0, data.length, slice.start * 512);
  const path = join(folder, `${slice.job}m${slice.disk}.img`);
  writeSparse(path, data);
  return path;
}

function copyIn(bigDisk: string, jobs: readonly Job[], slices: readonly Slice[]): void {
  const file = openSync(bigDisk, "r+");
  try {
    for (const slice of slices) {
      const image = jobs.find((job) => job.name === slice.job)?.from?.[slice.disk];
      if (image === undefined) continue;
      for (const { start, block } of nonZeroBlocks(readFileSync(image))) {
        writeSync(file, block, 0, block.length, slice.start * 512 + start);
      }
    }
  } finally {
    closeSync(file);
  }
}

/** How the guest ends when all jobs have been run: with `cut` it is killed some seconds later, and what jobs have left behind with it. */
type Ending = "power-off" | "cut";

function script(jobs: readonly Job[], slices: readonly Slice[], ending: Ending): string {
  const table = slices.map((each) => `${each.job}m${each.disk}:${each.start}:${each.sectors}`);
  return `set -e
    mods dm-mod dm-delay linear raid0 raid1 raid10 raid456
    echo 1000000 >/proc/sys/dev/raid/speed_limit_min
    slices $d0 ${table.join(" ")}
    jobs_of ${jobs.map((job) => job.name).join(" ")}
    ${ending === "cut" ? "sleep 2; ready" : ""}`;
}

/** Runs the jobs in one guest, one after the other. `folder` gets the images, and must be empty. */
export async function runJobs(
  jobs: readonly Job[],
  stamps: readonly StampFile[],
  folder: string,
  ending: Ending = "power-off",
): Promise<DoneJob[]> {
  const share = join(folder, "share");
  mkdirSync(share, { recursive: true });
  for (const { seed, sectors } of stamps)
    writeStampFile(join(share, `stamp-${seed}`), seed, sectors);
  for (const job of jobs) writeFileSync(join(share, `${job.name}.job`), `${job.script}\n`);
  const slices = slicesOf(jobs);
  const end = slices.reduce((most, each) => Math.max(most, each.start + each.sectors), 0);
  const disk = emptyDisk(join(folder, "disk.img"), (end + SLICE_UNIT_SECTORS) * 512);
  copyIn(disk, jobs, slices);
  const run = await bootGuest({
    disks: [disk],
    shareDir: share,
    // On a busy machine a job takes many times the second that it needs.
    timeoutMs: 60_000 + jobs.length * 8000,
    script: script(jobs, slices, ending),
    ...(ending === "cut" ? { killAfterReadyMs: 0 } : {}),
  });
  const looks = looksOf(run);
  const passed = new Set(run.text("jobs").split("\n"));
  const file = openSync(disk, "r");
  try {
    return jobs.map((job) => ({
      name: job.name,
      passed: passed.has(`${job.name} 0`),
      look: (label) => looks.get(label) ?? null,
      log: run.text(`${job.name}.log`),
      images: slices
        .filter((each) => each.job === job.name)
        .map((each) => copyOut(file, each, folder)),
    }));
  } finally {
    closeSync(file);
  }
}

/** The same in two guests at a time, half of the jobs in each. */
export async function runJobsInTwo(
  jobs: readonly Job[],
  stamps: readonly StampFile[],
  folder: string,
): Promise<DoneJob[]> {
  const halves = [0, 1].map((half) => {
    const own = join(folder, `guest${half}`);
    mkdirSync(own, { recursive: true });
    return runJobs(
      jobs.filter((_, i) => i % 2 === half),
      stamps,
      own,
    );
  });
  return (await Promise.all(halves)).flat();
}
