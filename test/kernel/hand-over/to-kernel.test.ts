/**
 * Arrays that Holdfast has brought into the middle of something (plan.ts), and left: the kernel finds the same bytes and the same place, goes on from there,
 * and then no mismatch. What its members read and wrote meanwhile is counted: not more than was left to do.
 *
 * `HOLDFAST_SEED=N npx vitest run test/kernel/hand-over/to-kernel.test.ts` replays a run.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { HoldfastError, toHoldfastError } from "../../../src/base/errors.ts";
import { parseLayout } from "../../../src/formats/md/layout-names.ts";
import { RowTable } from "../../../src/md/geometry/stripe-layouts.ts";
import { sameBytes } from "../../support/bytes.ts";
import { sha256 } from "../../support/golden.ts";
import { peerDescribe } from "../../support/peers.ts";
import { seedOfRun } from "../../support/seed.ts";
import { GUEST_PROGRAMS } from "../rootfs.ts";
import { runJobsInTwo, saveImages } from "../slices.ts";
import type { DoneJob } from "../slices.ts";
import { loadDisks, lookAt } from "../taken-over.ts";
import { RunningSubject, leftToResync } from "./holdfast-side.ts";
import type { Runs } from "./holdfast-side.ts";
import { carryOnJob } from "./kernel-side.ts";
import { describeSubject, planHandOvers, unusedEnd } from "./plan.ts";
import type { Subject } from "./plan.ts";
import { leave } from "./to-kernel.ts";
import type { Left } from "./to-kernel.ts";

const SEED = seedOfRun();
const SUBJECTS = planHandOvers(SEED, "h");
const TITLED = SUBJECTS.map((subject) => [describeSubject(subject), subject] as const);

/** Superblocks, bitmap, and whatever mdadm looks at. */
const BESIDES = 1500;

/** The kernel's stripe, in which it counts mismatches. */
const STRIPE_SECTORS = 8;

/** Between two `md_io`, sectors. */
function ioOf(log: string): { readonly read: number; readonly written: number } {
  const [before, after] = ["before", "after"].map((label) => {
    const match = new RegExp(`^${label} read (\\d+) written (\\d+)$`, "m").exec(log);
    return { read: Number(match?.[1]), written: Number(match?.[2]) };
  });
  return { read: after!.read - before!.read, written: after!.written - before!.written };
}

/** The kernel's own word for the place that it found. */
function foundPlace({ state }: Subject, log: string): number {
  const pattern = state === "half resynced" ? /^resync from (\d+)$/m : /recovery_start:(\d+)$/m;
  return Number(pattern.exec(log)?.[1]);
}

function sectorsIn(runs: Runs): number {
  return runs.reduce((sum, { from, to }) => sum + to - from, 0);
}

/**
 * Sectors of stripes whose parity the kernel replaces by zeros (docs/kernel/raid456.md, 4): of a dirty array with a replacement half-way, from its
 * checkpoint on, where the member replaced has P. Without a bitmap it mends them afterwards.
 */
function spoiltByKernel(subject: Subject, { checkpoint, componentSectors }: Left, log: string) {
  const { state, level, layout, slots, chunkSectors, lost, bitmapChunkSectors } = subject;
  if (state !== "half replaced" || bitmapChunkSectors === null) return 0;
  if ((level !== "raid4" && level !== "raid5") || !/^resync from 0$/m.test(log)) return 0;
  const rows = new RowTable(level, layout === null ? 0 : parseLayout(level, layout)!, slots);
  let spoilt = 0;
  for (let at = checkpoint!; at < componentSectors; at += STRIPE_SECTORS)
    if (rows.row(Math.floor(at / chunkSectors)).p === lost) spoilt += STRIPE_SECTORS;
  return spoilt;
}

function mismatchesIn(log: string): number {
  return Number(/^mismatches (\d+)$/m.exec(log)?.[1]);
}

function expectOnlyTheRest(subject: Subject, left: Left, log: string): void {
  const { state, level, slots } = subject;
  const { checkpoint, completed, dirty, componentSectors } = left;
  const { read, written } = ioOf(log);
  const copies = level === "raid10" ? 2 : 1;
  const dirtySectors = sectorsIn(dirty ?? []) * copies;
  switch (state) {
    case "degraded":
      expect(written).toBeGreaterThanOrEqual(componentSectors);
      break;
    case "half recovered":
    case "half replaced":
      expect(foundPlace(subject, log)).toBe(checkpoint);
      expect(checkpoint).toBeGreaterThanOrEqual(completed);
      expect(written).toBeGreaterThanOrEqual(componentSectors - checkpoint! - unusedEnd(subject));
      // What was being written is resynced besides.
      if (left.underWay.size === 0)
        expect(written).toBeLessThan(componentSectors - checkpoint! + BESIDES);
      break;
    case "half resynced": {
      expect(foundPlace(subject, log)).toBe(checkpoint);
      expect(checkpoint).toBeGreaterThanOrEqual(completed);
      const all = level === "raid10" ? (componentSectors * slots) / 2 : componentSectors;
      const due = leftToResync(left, subject.bitmapChunkSectors, all);
      const readers = level === "raid1" ? 1 : slots;
      const most = due * (level === "raid10" ? copies : readers);
      expect(read).toBeGreaterThan(most / 2);
      expect(read).toBeLessThan(most + BESIDES);
      break;
    }
    case "re-added":
      expect(written).toBeGreaterThan(0);
      expect(written).toBeLessThan(dirtySectors + BESIDES);
      expect(dirtySectors).toBeLessThan(componentSectors);
      break;
    case "dirty with bitmap":
      expect(read).toBeGreaterThan(0);
      expect(read).toBeLessThan(dirtySectors * slots + BESIDES);
      break;
    case "dirty without bitmap":
      expect(read).toBeGreaterThanOrEqual(componentSectors);
      break;
  }
}

/** Each sector that was being written when the power failed is as before or as it was to be, all others are as they were. */
function expectOldOrNew(left: Left, now: Uint8Array): void {
  const expected = left.content.slice();
  for (const [sector, wanted] of left.underWay) {
    const found = now.subarray(sector * 512, (sector + 1) * 512);
    if (sameBytes(found, wanted)) expected.set(wanted, sector * 512);
  }
  expect(sha256(now)).toBe(sha256(expected));
}

peerDescribe(GUEST_PROGRAMS, `handed over by Holdfast, seed ${SEED}`, () => {
  let folder = "";
  /** Or why it could not: for the test that it belongs to. */
  const lefts = new Map<string, Left | HoldfastError>();
  let done: readonly DoneJob[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "holdfast-to-kernel-"));
    const jobs = [];
    for (const subject of SUBJECTS) {
      const left = await leave(subject).catch(toHoldfastError);
      if (left instanceof HoldfastError) lefts.set(subject.name, left);
      else {
        const { disks, ...rest } = left;
        lefts.set(subject.name, rest);
        jobs.push(carryOnJob(subject, saveImages(subject.name, disks, folder)));
      }
    }
    done = await runJobsInTwo(jobs, [], folder);
  }, 900_000);

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each(TITLED)("%s", async (_what, subject) => {
    const { name } = subject;
    const left = lefts.get(name)!;
    if (left instanceof HoldfastError) throw left;
    const job = done.find((one) => one.name === name)!;
    expect(job.passed, job.log).toBe(true);
    const after = job.look(`${name}-after`);
    if (left.underWay.size > 0) {
      const whole = await new RunningSubject(loadDisks(job.images)).start();
      const now = await whole.content();
      expect(after, job.log).toEqual(lookAt(now));
      expectOldOrNew(left, now);
    } else {
      expect(job.look(name), job.log).toEqual(lookAt(left.content));
      expect(after, job.log).toEqual(lookAt(left.content));
    }
    expect(job.log).toContain("degraded 0\n");
    expect(mismatchesIn(job.log), job.log).toBeLessThanOrEqual(
      spoiltByKernel(subject, left, job.log),
    );
    expectOnlyTheRest(subject, left, job.log);
  });
});
