/**
 * Arrays that Holdfast has made and written: the kernel must take their members for its own, read the same bytes, and find no
 * mismatch. Half of them are stopped in order, the others end like a machine whose power fails after a flush.
 *
 * `HOLDFAST_SEED=N npx vitest run test/kernel/written.test.ts` replays a run.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Prng } from "../../src/base/prng.ts";
import { writeSparse } from "../../scripts/sparse.mjs";
import type { CreateRequest } from "../../src/md/create/request.ts";
import { sha256 } from "../support/golden.ts";
import { peerDescribe } from "../support/peers.ts";
import { seedOfRun } from "../support/seed.ts";
import { VirtualTime } from "../support/virtual-time.ts";
import { createOnDisks, runDisks, writeAllOver } from "../support/written-array.ts";
import { GUEST_PROGRAMS } from "./rootfs.ts";
import { diskNode, runJobs } from "./slices.ts";
import type { DoneJob } from "./slices.ts";

const DISK_SECTORS = 8 * 2048;
const WRITES = 120;
const SEED = seedOfRun();

const STRIPES = [0, 1, 2, 3, 4, 5];
const RAID6_LAYOUTS = [...STRIPES, 8, 9, 10, 16, 17, 18, 19, 20];

interface Written {
  readonly name: string;
  readonly disks: number;
  readonly isStopped: boolean;
  readonly request: Partial<CreateRequest>;
}

/** Every level, twice each at least. */
function plans(prng: Prng): Written[] {
  const shapes = [
    { level: "raid0", least: 2, layouts: [null] },
    { level: "raid1", least: 2, layouts: [null] },
    { level: "raid1", least: 2, layouts: [null] },
    { level: "raid10", least: 3, layouts: [0x102, 0x201, 0x10201] },
    { level: "raid10", least: 3, layouts: [0x102, 0x103, 0x201] },
    { level: "raid4", least: 3, layouts: [null] },
    { level: "raid5", least: 3, layouts: STRIPES },
    { level: "raid5", least: 3, layouts: STRIPES },
    { level: "raid6", least: 4, layouts: RAID6_LAYOUTS },
    { level: "raid6", least: 4, layouts: RAID6_LAYOUTS },
  ] as const;
  return [true, false].flatMap((isStopped) =>
    shapes.map(({ level, least, layouts }, i): Written => {
      const isRedundant = level !== "raid0";
      const layout = layouts[prng.below(layouts.length)] ?? null;
      const disks = least + prng.below(3);
      const version = (["0.90", "1.0", "1.1", "1.2"] as const)[prng.below(4)]!;
      const chunkSectors = level === "raid1" ? null : [16, 64, 128, 256][prng.below(4)]!;
      const hasBitmap = isRedundant && prng.chance(0.5);
      const bitmap = hasBitmap ? { chunkSectors: 128, delaySeconds: 5, writeBehind: 0 } : null;
      const request = { level, layout, version, chunkSectors, bitmap, assumeClean: true };
      return { name: `${isStopped ? "stopped" : "cut"}${i}`, disks, isStopped, request };
    }),
  );
}

const PLANS = plans(new Prng(SEED));

function describePlan({ name, disks, request }: Written): string {
  const { level, layout, version, chunkSectors, bitmap } = request;
  const shape = `${level} of ${disks}, ${version}, layout ${layout}, chunk ${chunkSectors}`;
  return `${name}: ${shape}${bitmap === null ? "" : ", bitmap"} (seed ${SEED})`;
}

interface Made {
  readonly images: readonly string[];
  readonly content: Uint8Array;
}

async function make(plan: Written, folder: string): Promise<Made> {
  const prng = new Prng(SEED + PLANS.indexOf(plan));
  const devices = createOnDisks(prng, plan.disks, DISK_SECTORS, plan.request);
  const time = new VirtualTime();
  const managed = await runDisks(devices, time);
  const content = await writeAllOver(prng, managed.array, WRITES);
  if (plan.isStopped) await time.until(managed.close());
  const images = devices.map(({ bytes }, disk) => {
    const path = join(folder, `${plan.name}-${disk}.img`);
    writeSparse(path, bytes);
    return path;
  });
  return { images, content };
}

function scriptOf({ name, disks, request }: Written): string {
  const nodes = Array.from({ length: disks }, (_unused, disk) => diskNode(name, disk)).join(" ");
  const check = [
    "md_wait md0",
    "echo check >/sys/block/md0/md/sync_action",
    "md_wait md0",
    `echo "mismatches $(md_value md0 mismatch_cnt)"`,
  ];
  return [
    `mdadm -A /dev/md0 ${nodes}`,
    `echo "state $(md_value md0 array_state) resync $(md_value md0 resync_start)"`,
    `look /dev/md0 ${name}`,
    ...(request.level === "raid0" ? [] : check),
    `look /dev/md0 ${name}-after`,
    "md_stop md0",
  ].join("\n");
}

peerDescribe(GUEST_PROGRAMS, `arrays made and written by Holdfast, seed ${SEED}`, () => {
  let folder = "";
  const made = new Map<string, Made>();
  let done: readonly DoneJob[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "holdfast-written-"));
    for (const plan of PLANS) made.set(plan.name, await make(plan, folder));
    const jobs = PLANS.map((plan) => ({
      name: plan.name,
      diskSectors: Array.from({ length: plan.disks }, () => DISK_SECTORS),
      from: made.get(plan.name)!.images,
      script: scriptOf(plan),
    }));
    const guest = join(folder, "guest");
    mkdirSync(guest);
    done = await runJobs(jobs, [], guest);
  }, 300_000);

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each(PLANS.map((plan) => [describePlan(plan), plan] as const))("%s", (_what, plan) => {
    const job = done.find(({ name }) => name === plan.name);
    expect(job?.passed, job?.log).toBe(true);
    const { content } = made.get(plan.name)!;
    const wanted = { bytes: content.length, sha256: sha256(content) };
    expect(job?.look(plan.name), job?.log).toEqual(wanted);
    expect(job?.look(`${plan.name}-after`), job?.log).toEqual(wanted);
    if (plan.request.level !== "raid0") expect(job?.log).toContain("mismatches 0");
  });
});
