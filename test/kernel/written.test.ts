/**
 * Arrays that Holdfast has made and written, an ext4 on each: the kernel must take their members for its own, read the same bytes, find no
 * mismatch once it has synced what was never synced or cut off, and e2fsck must have nothing to say. Half of
 * them are stopped in order, the others end like a machine whose power fails after a flush.
 *
 * `HOLDFAST_SEED=N npx vitest run test/kernel/written.test.ts` replays a run.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Prng } from "../../src/base/prng.ts";
import { ArrayDevice } from "../support/array-device.ts";
import { filledExt4 } from "../support/ext4-image.ts";
import { sha256 } from "../support/golden.ts";
import { peerDescribe } from "../support/peers.ts";
import { seedOfRun } from "../support/seed.ts";
import { VirtualTime } from "../support/virtual-time.ts";
import { createOn, runDisks, writeAllOver, writeInPieces } from "../support/written-array.ts";
import { describeHoldfastPlan, hasRedundancy, planHoldfastArrays } from "./holdfast-plan.ts";
import type { HoldfastPlan } from "./holdfast-plan.ts";
import { GUEST_PROGRAMS } from "./rootfs.ts";
import { diskNode, runJobsInTwo, saveImages } from "./slices.ts";
import type { DoneJob, Job } from "./slices.ts";

/** Of those after the array was filled and before the file system is written over it. */
const WRITES = 40;
const SEED = seedOfRun();
const PLANS = planHoldfastArrays(SEED);

interface Made {
  readonly job: Job;
  readonly bytes: number;
  readonly sha256: string;
}

async function make(plan: HoldfastPlan, folder: string): Promise<Made> {
  const prng = new Prng(SEED + PLANS.indexOf(plan));
  const disks = plan.disks.map((sectors, slot) =>
    sectors === null ? null : new ArrayDevice(sectors, {}, `d${slot}`),
  );
  const devices = disks.filter((disk) => disk !== null);
  if (plan.hasJunk) for (const { bytes } of devices) prng.fill(bytes);
  createOn(prng, disks, plan.request, plan.devices);
  const time = new VirtualTime();
  const managed = await runDisks(devices, time);
  const { array } = managed;
  // Of those that are cut off, the first sync is left to the kernel: without time nothing begins.
  const inTime = <T>(work: Promise<T>): Promise<T> => (plan.isStopped ? time.until(work) : work);
  const content = await inTime(writeAllOver(prng, array, WRITES));
  const fileSystem = filledExt4(prng, content.length, folder);
  content.set(fileSystem);
  await inTime(writeInPieces(prng, array, fileSystem));
  if (plan.isStopped) await time.until(managed.close());
  const job = {
    name: plan.name,
    diskSectors: devices.map(({ sectors }) => sectors),
    from: saveImages(plan.name, devices, folder),
    script: scriptOf(plan, devices.length),
  };
  return { job, bytes: content.length, sha256: sha256(content) };
}

function scriptOf(plan: HoldfastPlan, disks: number): string {
  const { name } = plan;
  const nodes = Array.from({ length: disks }, (_unused, disk) => diskNode(name, disk)).join(" ");
  return [
    `mdadm -A /dev/md0 ${nodes}`,
    `echo "state $(md_value md0 array_state) resync $(md_value md0 resync_start)"`,
    `look /dev/md0 ${name}`,
    ...(hasRedundancy(plan) ? ["md_wait md0", "md_check md0", `look /dev/md0 ${name}-after`] : []),
    "e2fsck -fn /dev/md0",
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
    const jobs = [...made.values()].map(({ job }) => job);
    done = await runJobsInTwo(jobs, [], folder);
  }, 600_000);

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each(PLANS.map((plan) => [describeHoldfastPlan(plan), plan] as const))("%s", (_what, plan) => {
    const job = done.find(({ name }) => name === plan.name);
    expect(job?.passed, job?.log).toBe(true);
    const { bytes, sha256: digest } = made.get(plan.name)!;
    const wanted = { bytes, sha256: digest };
    expect(job?.look(plan.name), job?.log).toEqual(wanted);
    if (!hasRedundancy(plan)) return;
    expect(job?.look(`${plan.name}-after`), job?.log).toEqual(wanted);
    expect(job?.log).toContain("mismatches 0\n");
  });
});
