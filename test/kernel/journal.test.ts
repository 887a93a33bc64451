/**
 * Arrays with a write journal that Holdfast was writing when the power failed, some without a member from then on: the kernel must replay
 * the journal, read what Holdfast reads after it has replayed it, and find no mismatch; and that must be what was promised.
 *
 * `HOLDFAST_SEED=N npx vitest run test/kernel/journal.test.ts` replays a run.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Prng } from "../../src/base/prng.ts";
import { readSectors, writeSectors } from "../../src/block/promises.ts";
import { writeSparse } from "../../scripts/sparse.mjs";
import { ArrayDevice } from "../support/array-device.ts";
import { contentsOf, History } from "../support/cut-history.ts";
import { goldenCase, sha256, unpackImage } from "../support/golden.ts";
import { peerDescribe } from "../support/peers.ts";
import { seedOfRun } from "../support/seed.ts";
import { VirtualTime } from "../support/virtual-time.ts";
import { createOnDisks, runArray } from "../support/written-array.ts";
import { GUEST_PROGRAMS } from "./rootfs.ts";
import { diskNode, runJobs } from "./slices.ts";
import type { DoneJob, Job } from "./slices.ts";

const SEED = seedOfRun();
const DISK_SECTORS = 6 * 2048;

interface Plan {
  readonly name: string;
  readonly level: "raid4" | "raid5" | "raid6";
  /** Members; the journal is one more. */
  readonly disks: number;
  /** As Holdfast makes it, or as a kernel did that had crashed itself. */
  readonly from: "new" | "journal-raid5-3-writethrough" | "journal-raid5-3-writeback";
  /** The array was stopped in order. */
  readonly isStopped: boolean;
  /** These are gone after the crash. */
  readonly lost: readonly number[];
}

const SHAPES = [
  { level: "raid5", disks: 3, lost: [2] },
  { level: "raid5", disks: 4, lost: [0] },
  { level: "raid4", disks: 4, lost: [3] },
  { level: "raid6", disks: 4, lost: [1, 2] },
  { level: "raid6", disks: 5, lost: [3] },
] as const;

const GOLDEN = ["journal-raid5-3-writethrough", "journal-raid5-3-writeback"] as const;

const PLANS: readonly Plan[] = [
  ...SHAPES.flatMap(({ level, disks, lost }, i): Plan[] => {
    const shape = { level, disks, from: "new" } as const;
    return [
      { name: `whole${i}`, ...shape, isStopped: false, lost: [] },
      { name: `again${i}`, ...shape, isStopped: false, lost: [] },
      { name: `lost${i}`, ...shape, isStopped: false, lost },
      { name: `stopped${i}`, ...shape, isStopped: true, lost: [] },
    ];
  }),
  ...GOLDEN.flatMap((from, i): Plan[] => {
    const shape = { level: "raid5", disks: 3, from, isStopped: false } as const;
    return [
      { name: `golden${i}`, ...shape, lost: [] },
      { name: `goldenlost${i}`, ...shape, lost: [1] },
    ];
  }),
];

interface Made {
  /** Without those that are lost. */
  readonly images: readonly Uint8Array[];
  /** What Holdfast reads. */
  readonly content: Uint8Array;
  readonly wrong: readonly string[];
}

function onDevices(images: readonly Uint8Array[]): ArrayDevice[] {
  return images.map((image, i) => {
    const device = new ArrayDevice(image.length / 512, {}, `d${i}`);
    device.bytes.set(image);
    return device;
  });
}

function newDevices(prng: Prng, { level, disks }: Plan): ArrayDevice[] {
  const layouts = level === "raid6" ? [0, 1, 2, 3, 4, 5, 8, 9, 10, 16, 18] : [0, 1, 2, 3, 4, 5];
  const version = (["1.0", "1.1", "1.2"] as const)[prng.below(3)]!;
  const request = {
    level,
    version,
    layout: level === "raid4" ? null : layouts[prng.below(layouts.length)]!,
    chunkSectors: [8, 16, 64, 128, 512][prng.below(5)]!,
    bitmap: null,
    assumeClean: true,
  };
  // Journals that go round, and some that do not.
  const journalSectors =
    version === "1.0" ? DISK_SECTORS : 2048 + [512, 1024, 8192][prng.below(3)]!;
  return createOnDisks(prng, disks, DISK_SECTORS, request, journalSectors);
}

/** Filled with sectors of version 0, and stopped. */
async function firstImages(prng: Prng, plan: Plan): Promise<Uint8Array[]> {
  const { from } = plan;
  const golden = from === "new" ? null : goldenCase(from);
  const devices =
    golden === null
      ? newDevices(prng, plan)
      : onDevices(golden.members.map((_one, i) => unpackImage(golden, i)));
  const array = await runArray(devices, new VirtualTime());
  await writeSectors(array, 0, contentsOf(0, array.sectors, 0));
  await array.close();
  return devices.map(({ bytes }) => bytes);
}

/** Some of the writes under way are there, some not. */
function cutOff(prng: Prng, { disks }: History): Uint8Array[] {
  const cut = disks.log.length;
  const { certain, possible } = disks.at(cut);
  const there = new Set<unknown>(possible.filter(() => prng.chance(0.5)));
  return disks.imagesWith(cut, (write) => certain.has(write) || there.has(write));
}

async function stop({ array, disks }: History): Promise<void> {
  let isStopped = false;
  const stopped = array.close().finally(() => (isStopped = true));
  while (!isStopped) await disks.pump();
  await stopped;
}

async function make(plan: Plan): Promise<Made> {
  const prng = new Prng(SEED + PLANS.indexOf(plan));
  const history = new History(await firstImages(prng, plan));
  await history.start(runArray);
  const stripeSectors = history.array.limits.optimalIoBytes / 512;
  await history.random(prng, 30, Math.max(60, 2 * stripeSectors));
  if (plan.isStopped) await stop(history);
  const all = cutOff(prng, history);
  const images = all.filter((_image, disk) => !plan.lost.includes(disk));
  const array = await runArray(onDevices(images), new VirtualTime());
  const content = await readSectors(array, 0, array.sectors);
  const wrong = history.wrongSectors(history.disks.log.length, content, () => true);
  return { images, content, wrong };
}

function jobOf({ name }: Plan, { images }: Made, folder: string): Job {
  const from = images.map((bytes, disk) => {
    const path = join(folder, `${name}-${disk}.img`);
    writeSparse(path, bytes);
    return path;
  });
  const nodes = images.map((_bytes, disk) => diskNode(name, disk)).join(" ");
  const script = [
    `mdadm -A --run /dev/md0 ${nodes}`,
    `echo "resync $(md_value md0 resync_start)"`,
    `echo "mode $(md_value md0 journal_mode)"`,
    `look /dev/md0 ${name}`,
    "md_wait md0",
    "echo check >/sys/block/md0/md/sync_action",
    "md_wait md0",
    `echo "mismatches $(md_value md0 mismatch_cnt)"`,
    `look /dev/md0 ${name}-after`,
    "md_stop md0",
  ].join("\n");
  return { name, diskSectors: images.map((bytes) => bytes.length / 512), from, script };
}

peerDescribe(GUEST_PROGRAMS, `write journals written by Holdfast, seed ${SEED}`, () => {
  let folder = "";
  const made = new Map<Plan, Made>();
  let done: readonly DoneJob[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "holdfast-journal-"));
    for (const plan of PLANS) made.set(plan, await make(plan));
    const guest = join(folder, "guest");
    mkdirSync(guest);
    const jobs = PLANS.map((plan) => jobOf(plan, made.get(plan)!, folder));
    done = await runJobs(jobs, [], guest);
  }, 300_000);

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each(PLANS.map((plan) => [plan.name, plan] as const))("%s", (name, plan) => {
    const job = done.find((one) => one.name === name);
    const { content, wrong } = made.get(plan)!;
    expect(wrong.slice(0, 5)).toEqual([]);
    expect(job?.passed, job?.log).toBe(true);
    expect(job?.log).toContain("mode [write-through] write-back");
    expect(job?.log).toContain("resync none");
    const wanted = { bytes: content.length, sha256: sha256(content) };
    expect(job?.look(name), job?.log).toEqual(wanted);
    expect(job?.log).toContain("mismatches 0");
    expect(job?.look(`${name}-after`), job?.log).toEqual(wanted);
  });
});
