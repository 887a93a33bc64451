/** Sets of device-mapper's raid target for the tests with the kernel: their tables there and here, jobs for a guest, and how Holdfast takes one over. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { Prng } from "../../src/base/prng.ts";
import { readSectors } from "../../src/block/promises.ts";
import { DmCutWorld } from "../support/dm-cut-world.ts";
import { sha256 } from "../support/golden.ts";
import { diskNode, runJobs, saveImages } from "./slices.ts";
import type { DoneJob, Job } from "./slices.ts";

const META_SECTORS = 2048;
export const DATA_SECTORS = 4096;
const JOURNAL_SECTORS = 8192;

export interface RaidKind {
  /** A shell word. */
  readonly name: string;
  readonly words: string;
  readonly devices: number;
  /** Array sectors for each sector of a device. */
  readonly width: number;
  /** May be left out. */
  readonly missing: number;
  readonly hasJournal?: boolean;
}

const PARITY = [
  ["raid4", 3, 1],
  ["raid5_n", 3, 1],
  ["raid5_ls", 3, 1],
  ["raid5_rs", 4, 1],
  ["raid5_la", 3, 1],
  ["raid5_ra", 4, 1],
  ["raid6_zr", 5, 2],
  ["raid6_nr", 5, 2],
  ["raid6_nc", 5, 2],
  ["raid6_n_6", 5, 2],
  ["raid6_ls_6", 5, 2],
] as const;

export const RAID_KINDS: readonly RaidKind[] = [
  { name: "raid1", words: "raid1 3 0 region_size 64", devices: 2, width: 1, missing: 0 },
  ...PARITY.map(([type, devices, parity]) => ({
    name: type,
    words: `${type} 3 32 region_size 64`,
    devices,
    width: devices - parity,
    missing: 1,
  })),
  ...["near", "far", "offset"].map((format) => ({
    name: `raid10_${format}`,
    words: `raid10 7 32 region_size 64 raid10_copies 2 raid10_format ${format}`,
    devices: 4,
    width: 2,
    missing: 2,
  })),
];

/** Every second of them, the others with the next seed. */
export function halfOf<T>(all: readonly T[], seed: number): T[] {
  return all.filter((_one, index) => (index + seed) % 2 === 0);
}

export const JOURNAL_KINDS: readonly RaidKind[] = ["raid4", "raid5_ls", "raid6_zr"].map((type) => {
  const like = RAID_KINDS.find(({ name }) => name === type)!;
  return { ...like, words: `${type} 3 32 journal_dev`, hasJournal: true };
});

/** @param disk names one of them: metadata and data devices in turn, the journal last */
function tableOf(
  kind: RaidKind,
  disk: (index: number) => string,
  { missing = -1, sectors = DATA_SECTORS }: TableOptions = {},
): string {
  const { words, devices, width } = kind;
  const pairs = Array.from({ length: devices }, (_unused, index) =>
    index === missing ? "- -" : `${disk(index * 2)} ${disk(index * 2 + 1)}`,
  );
  const journal = kind.hasJournal === true ? ` ${disk(devices * 2)}` : "";
  return `0 ${sectors * width} raid ${words}${journal} ${devices} ${pairs.join(" ")}`;
}

export interface TableOptions {
  readonly missing?: number;
  /** Of each device. */
  readonly sectors?: number;
}

export function kernelTable(job: string, kind: RaidKind, options?: TableOptions): string {
  return tableOf(kind, (index) => diskNode(job, index), options);
}

export function ourTable(kind: RaidKind, options?: TableOptions): string {
  return tableOf(kind, (index) => `./${index}`, options);
}

export function diskSizes({ devices, hasJournal }: RaidKind): number[] {
  const pairs = Array.from({ length: devices }, () => [META_SECTORS, DATA_SECTORS]).flat();
  return hasJournal === true ? [...pairs, JOURNAL_SECTORS] : pairs;
}

/** What scripts of jobs begin with; in them "@" is the job's name, @v its device. Before a resync begins the kernel is idle for a moment. */
const RAID_HELP = `
  mods dm-raid
  raid_idle() { dmsetup status $1 | grep -q ' \\([0-9]*\\)/\\1 idle '; }
  raid_wait() { usleep 300000; until_true 60 raid_idle $1; }
  mk() { dmsetup create $1 --table "$2" && dmsetup mknodes; }
  swap() { dmsetup load $1 --table "$2" && dmsetup resume $1 && dmsetup mknodes; }
  gone() { dmsetup remove $1; }
  check() { dmsetup message $1 0 check; raid_wait $1; echo "checked $(dmsetup status $1)"; }`;

const STAMPS = ["a", "b", "c"].map((seed) => ({ seed, sectors: 4 * DATA_SECTORS }));

/** Jobs of one guest, for all tests of a suite. */
export class RaidJobs {
  readonly #folder = mkdtempSync(join(tmpdir(), "holdfast-raid-"));
  readonly #jobs: Job[] = [];
  #done: readonly DoneJob[] = [];

  /** @param world whose disks it is to find; without one they are empty */
  add(name: string, kind: RaidKind, script: string, world?: DmCutWorld): void {
    const disks = world?.disks.cut().map((bytes) => ({ bytes }));
    const from = disks === undefined ? {} : { from: saveImages(name, disks, this.#folder) };
    this.#jobs.push({
      name,
      diskSectors: diskSizes(kind),
      ...from,
      script: `${RAID_HELP}\n${script.replaceAll("@", name)}`,
    });
  }

  async run(ending?: "power-off" | "cut"): Promise<void> {
    const folder = join(this.#folder, "guest");
    mkdirSync(folder);
    this.#done = await runJobs(this.#jobs, STAMPS, folder, ending);
  }

  /** One that went well. */
  get(name: string): DoneJob {
    const job = this.#done.find((one) => one.name === name)!;
    if (!job.passed) throw new Error(`the job ${name} failed:\n${job.log}`);
    return job;
  }

  sum(job: string, label: string): string | undefined {
    return this.get(job).look(`${job}${label}`)?.sha256;
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** The status line that the job's check ended with. */
export function checkedBy(job: DoneJob): string {
  return /^checked (.*)$/m.exec(job.log)?.[1] ?? "";
}

export function worldOf(files: readonly string[]): DmCutWorld {
  return new DmCutWorld(
    new Prng(1),
    files.map((file) => new Uint8Array(readFileSync(file))),
  );
}

/** Data devices full of rubbish: what nobody made alike differs. */
export function rubbishWorld(prng: Prng, kind: RaidKind): DmCutWorld {
  const images = diskSizes(kind).map((sectors, disk) => {
    const bytes = new Uint8Array(sectors * 512);
    if (sectors === DATA_SECTORS && disk % 2 === 1) prng.fill(bytes);
    return bytes;
  });
  return new DmCutWorld(prng, images);
}

/** What is read with all devices, in sync, and then without one. @returns the sum of both */
export async function taken(
  world: DmCutWorld,
  kind: RaidKind,
  sectors = DATA_SECTORS,
): Promise<string> {
  const device = await world.make("v", ourTable(kind, { sectors }));
  await world.untilStatus(device, /(\d+)\/\1 idle 0/);
  const arraySectors = sectors * kind.width;
  const use = world.open(device);
  const whole = sha256(await world.until(readSectors(use, 0, arraySectors)));
  await world.until(use.close());
  await world.until(world.mapped.message(device, 0, ["check"]));
  expect(await world.untilStatus(device, / idle /)).toMatch(/ idle 0 0 [-A]$/);
  await world.until(world.mapped.remove(device, { deferred: false }));
  const without = await world.make("v", ourTable(kind, { sectors, missing: kind.missing }));
  const degraded = world.open(without);
  expect(sha256(await world.until(readSectors(degraded, 0, arraySectors)))).toBe(whole);
  await world.until(degraded.close());
  await world.until(world.mapped.remove(without, { deferred: false }));
  return whole;
}
