/**
 * The kernel stops two dozen sets in the middle of a recovery, a resync, a replacement or a reshape; Holdfast must read
 * the whole volume from them as it stands, also with members missing.
 *
 * Replay with `HOLDFAST_SEED=N npx vitest run test/kernel/held-states.test.ts`.
 */
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Prng } from "../../src/base/prng.ts";
import { sha256 } from "../support/golden.ts";
import { readSets, refusalsOf } from "../support/open.ts";
import { peerDescribe } from "../support/peers.ts";
import { stampedSectors } from "../support/stamp.ts";
import { bootGuest, looksOf } from "./guest.ts";
import { HELD_SEED, HELD_STAMP_SECTORS, JUNK_SEED, planHeld } from "./held-plan.ts";
import type { HeldPlan } from "./held-plan.ts";
import { GUEST_PROGRAMS } from "./rootfs.ts";
import { seedOfRun } from "../support/seed.ts";
import { runJobsInTwo } from "./slices.ts";
import type { DoneJob } from "./slices.ts";

const SEED = seedOfRun();
const PLANS = planHeld(SEED);
const STAMPS = [HELD_SEED, JUNK_SEED].map((seed) => ({ seed, sectors: HELD_STAMP_SECTORS }));

let folder = "";
const done = new Map<string, DoneJob>();

function doneJob(plan: HeldPlan): DoneJob {
  const found = done.get(plan.job.name);
  if (found === undefined) throw new Error(`${plan.job.name} was not run`);
  expect(found.passed, found.log).toBe(true);
  return found;
}

function bytesOf(plan: HeldPlan, job: DoneJob): number {
  return plan.unreadableBytes ?? job.look(job.name)?.bytes ?? 0;
}

async function expectStamps(paths: readonly string[], bytes: number, what: string): Promise<void> {
  const sets = await readSets(paths);
  const context = `${what}\n${refusalsOf(sets)}`;
  expect(sets.volumes, context).toHaveLength(1);
  expect(sets.volumes[0]?.bytes, context).toBe(bytes);
  expect(sets.volumes[0]?.map, context).toEqual([`0 ${bytes / 512} stamp ${HELD_SEED}`]);
}

function withoutDisks(images: readonly string[], leftOut: readonly number[]): string[] {
  return images.filter((_, disk) => !leftOut.includes(disk));
}

peerDescribe(GUEST_PROGRAMS, `sets stopped half-way by the kernel, seed ${SEED}`, () => {
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "holdfast-held-"));
    const jobs = PLANS.map((plan) => plan.job);
    for (const job of await runJobsInTwo(jobs, STAMPS, folder)) done.set(job.name, job);
  }, 600_000);

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each(PLANS.map((plan) => [plan.title, plan] as const))("%s", async (title, plan) => {
    const job = doneJob(plan);
    const bytes = bytesOf(plan, job);
    expect(bytes).toBeGreaterThan(0);
    if (plan.unreadableBytes === null) {
      // The kernel itself read what was written, else there is nothing to compare with.
      const expected = sha256(stampedSectors(HELD_SEED, 0, bytes / 512));
      expect(job.look(job.name)?.sha256, job.log).toBe(expected);
    }
    const prng = new Prng(SEED);
    const before = job.images.map((path) => sha256(readFileSync(path)));
    for (const leftOut of [[], ...plan.readableWithout]) {
      const paths = prng.shuffle(withoutDisks(job.images, leftOut));
      await expectStamps(paths, bytes, `${title} without disks [${leftOut.join(" ")}]`);
    }
    for (const leftOut of plan.lostWithout) {
      const sets = await readSets(withoutDisks(job.images, leftOut));
      expect(sets.volumes, `${title} without disks [${leftOut.join(" ")}]`).toHaveLength(0);
      expect(sets.refused[0]?.verdict.kind).not.toBe("can-start");
    }
    expect(job.images.map((path) => sha256(readFileSync(path)))).toEqual(before);
  });

  it("those that the kernel cannot read half-way are whole once it has finished them", async () => {
    const plans = PLANS.filter((plan) => plan.unreadableBytes !== null);
    const share = join(folder, "finish");
    mkdirSync(share);
    const disks: string[] = [];
    const script = ["set -e", "mods raid456"];
    for (const plan of plans) {
      const nodes = doneJob(plan).images.map((image, disk) => {
        const copy = join(share, `${plan.job.name}m${disk}`);
        copyFileSync(image, copy);
        disks.push(copy);
        return `$d${disks.length - 1}`;
      });
      script.push(`mdadm -A /dev/md0 ${nodes.join(" ")}`, "md_wait md0");
      script.push(`look /dev/md0 ${plan.job.name}`, "md_stop md0");
    }
    const run = await bootGuest({ disks, shareDir: share, script: script.join("\n") });
    for (const plan of plans) {
      const bytes = plan.unreadableBytes ?? 0;
      const expected = { bytes, sha256: sha256(stampedSectors(HELD_SEED, 0, bytes / 512)) };
      expect(looksOf(run).get(plan.job.name), plan.title).toEqual(expected);
    }
  }, 300_000);
});
