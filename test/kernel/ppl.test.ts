/**
 * raid5 arrays with a partial parity log that Holdfast was writing when the power failed, some without a member from then on: the kernel
 * must start them, need no resync where Holdfast needs none, find no mismatch, and read what Holdfast reads; and that must be what was
 * promised, with all else untouched. Some were made by Holdfast, some by a kernel that had crashed itself.
 *
 * `HOLDFAST_SEED=N npx vitest run test/kernel/ppl.test.ts` replays a run.
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

interface Plan {
  readonly name: string;
  readonly disks: number;
  readonly isGolden: boolean;
  /** Of disk 0, 1 ...; null: it is there after the crash. */
  readonly lost: number | null;
}

const PLANS: readonly Plan[] = [
  ...[3, 3, 4, 4, 5].flatMap((disks, i): Plan[] => [
    { name: `whole${i}`, disks, isGolden: false, lost: null },
    { name: `lost${i}`, disks, isGolden: false, lost: i % disks },
  ]),
  { name: "golden", disks: 3, isGolden: true, lost: null },
  { name: "goldenlost", disks: 3, isGolden: true, lost: 1 },
];

interface Made {
  readonly images: readonly Uint8Array[];
  /** What Holdfast reads. */
  readonly content: Uint8Array;
  /** By Holdfast's judgement no resync is due. */
  readonly isMended: boolean;
  readonly wrong: readonly string[];
}

function onDevices(images: readonly Uint8Array[]): ArrayDevice[] {
  return images.map((image, i) => {
    const device = new ArrayDevice(image.length / 512, {}, `d${i}`);
    device.bytes.set(image);
    return device;
  });
}

function madeByHoldfast(prng: Prng, disks: number): ArrayDevice[] {
  return createOnDisks(prng, disks, 8 * 2048, {
    level: "raid5",
    layout: prng.below(6),
    version: (["1.0", "1.1", "1.2"] as const)[prng.below(3)]!,
    chunkSectors: [8, 16, 64, 128, 512][prng.below(5)]!,
    consistencyPolicy: "ppl",
    bitmap: null,
    assumeClean: true,
  });
}

/** Filled with sectors of version 0, and stopped. */
async function firstImages(prng: Prng, { disks, isGolden }: Plan): Promise<Uint8Array[]> {
  const golden = goldenCase("ppl-raid5-3");
  const devices = isGolden
    ? onDevices(golden.members.map((_one, i) => unpackImage(golden, i)))
    : madeByHoldfast(prng, disks);
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

async function make(plan: Plan): Promise<Made> {
  const prng = new Prng(SEED + PLANS.indexOf(plan));
  const history = new History(await firstImages(prng, plan));
  await history.start(runArray);
  const stripeSectors = history.array.limits.optimalIoBytes / 512;
  await history.random(prng, 30, Math.max(60, 2 * stripeSectors));
  const all = cutOff(prng, history);
  const images = all.filter((_image, disk) => disk !== plan.lost);
  const array = await runArray(onDevices(images), new VirtualTime());
  const content = await readSectors(array, 0, array.sectors);
  const isMended = array.record.resyncOffsetSectors === Infinity;
  const wrong = history.wrongSectors(history.disks.log.length, content, () => plan.lost === null);
  return { images, content, isMended, wrong };
}

function jobOf({ name }: Plan, { images }: Made, folder: string): Job {
  const from = images.map((bytes, disk) => {
    const path = join(folder, `${name}-${disk}.img`);
    writeSparse(path, bytes);
    return path;
  });
  const nodes = images.map((_bytes, disk) => diskNode(name, disk)).join(" ");
  const speed = (kib: number): string =>
    `for end in min max; do echo ${kib} >/proc/sys/dev/raid/speed_limit_$end; done`;
  const script = [
    // A resync that is due must not be over before it is seen.
    speed(1),
    `mdadm -A --run /dev/md0 ${nodes}`,
    `echo "resync $(md_value md0 resync_start)"`,
    `echo "policy $(md_value md0 consistency_policy)"`,
    `look /dev/md0 ${name}`,
    speed(1_000_000),
    "md_wait md0",
    "echo check >/sys/block/md0/md/sync_action",
    "md_wait md0",
    `echo "mismatches $(md_value md0 mismatch_cnt)"`,
    "md_stop md0",
  ].join("\n");
  return { name, diskSectors: images.map((bytes) => bytes.length / 512), from, script };
}

peerDescribe(GUEST_PROGRAMS, `partial parity logs written by Holdfast, seed ${SEED}`, () => {
  let folder = "";
  const made = new Map<Plan, Made>();
  let done: readonly DoneJob[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "holdfast-ppl-"));
    for (const plan of PLANS) made.set(plan, await make(plan));
    const guest = join(folder, "guest");
    mkdirSync(guest);
    const jobs = PLANS.map((plan) => jobOf(plan, made.get(plan)!, folder));
    done = await runJobs(jobs, [], guest);
  }, 300_000);

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each(PLANS.map((plan) => [plan.name, plan] as const))("%s", (name, plan) => {
    const job = done.find((one) => one.name === name);
    const { content, isMended, wrong } = made.get(plan)!;
    expect(wrong.slice(0, 5)).toEqual([]);
    expect(job?.passed, job?.log).toBe(true);
    expect(job?.log).toContain("policy ppl");
    expect(job?.look(name), job?.log).toEqual({ bytes: content.length, sha256: sha256(content) });
    expect(job?.log).toContain("mismatches 0");
    // A resync that is due may have come some way already.
    expect(job?.log.includes("resync none"), job?.log).toBe(isMended || plan.lost !== null);
  });

  it("make a resync needless where the last log is not torn", () => {
    const mended = [...made.values()].filter((one) => one.isMended);
    expect(mended.length).toBeGreaterThan(PLANS.length / 4);
  });
});
