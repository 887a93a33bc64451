/**
 * Arrays handed over by the kernel in the middle of something (plan.ts): Holdfast goes on where the kernel has stopped, finishes, finds no
 * mismatch, writes, and the kernel takes them back. What background sync read and wrote is counted: not more than was left to do.
 *
 * `HOLDFAST_SEED=N npx vitest run test/kernel/hand-over/from-kernel.test.ts` replays a run.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { HoldfastError, toHoldfastError } from "../../../src/base/errors.ts";
import { alignDown } from "../../../src/base/units.ts";

import { peerDescribe } from "../../support/peers.ts";
import { seedOfRun } from "../../support/seed.ts";
import { stampRuns } from "../../support/stamp.ts";
import { carryOn } from "./from-kernel.ts";
import type { CarriedOn } from "./from-kernel.ts";
import { leftToResync } from "./holdfast-side.ts";
import type { Touched } from "./holdfast-side.ts";
import { FIRST, LATER, STAMPS, handOverJob, takeBackJob } from "./kernel-side.ts";
import { describeSubject, isDirty, planHandOvers, unusedEnd } from "./plan.ts";
import type { Subject } from "./plan.ts";
import { GUEST_PROGRAMS } from "../rootfs.ts";
import { runJobs, runJobsInTwo, saveImages } from "../slices.ts";
import type { DoneJob } from "../slices.ts";
import { lookAt } from "../taken-over.ts";

/** Steps of a resync of parity under way at a time, and what each has of every member at most (stripe-sync.ts). */
const RESYNC_WINDOW = 4;
const RESYNC_STEP_SECTORS = 1024;

const SEED = seedOfRun();
const FROM_KERNEL = planHandOvers(SEED, "k");

function titled(subjects: readonly Subject[]): (readonly [string, Subject])[] {
  return subjects.map((subject) => [describeSubject(subject), subject] as const);
}

function byName<T extends { readonly name: string }>(jobs: readonly T[]): Map<string, T> {
  return new Map(jobs.map((job) => [job.name, job]));
}

/** Background sync has touched what was left to do, and nothing else. */
function expectOnlyTheRest(subject: Subject, carried: CarriedOn): void {
  const { state, level, lost, slots } = subject;
  const { touched, checkpoint, dirty, componentSectors } = carried;
  const bitmap = level === "raid10" ? null : dirty;
  const outside = (one: Touched): boolean =>
    bitmap?.some((run) => run.from <= one.from && one.to <= run.to) === false;
  const writes = touched.filter(({ op }) => op === "write");
  switch (state) {
    case "degraded":
      expectAbout(sectorsOf(writes), componentSectors, unusedEnd(subject));
      break;
    case "half recovered":
    case "half replaced": {
      // With a bitmap it begins with a whole region, of which parity writes what is missing.
      const start = alignDown(checkpoint!, subject.bitmapChunkSectors ?? 1);
      expect(writes.filter(({ slot, from }) => slot !== lost || from < start)).toEqual([]);
      const less = checkpoint! - start + unusedEnd(subject);
      expectAbout(sectorsOf(writes), componentSectors - start, less);
      break;
    }
    case "half resynced":
      expect(checkpoint).toBeGreaterThan(0);
      expect(touched.filter(outside)).toEqual([]);
      if (dirty === null && level !== "raid10")
        expect(touched.filter(({ from }) => from < checkpoint!)).toEqual([]);
      expectReadOnce(subject, carried);
      break;
    case "re-added":
    case "dirty with bitmap":
      expect(touched.filter(outside)).toEqual([]);
      expect(sectorsOf(touched)).toBeGreaterThan(0);
      expect(sectorsOf(touched)).toBeLessThan(componentSectors);
      break;
    case "dirty without bitmap":
      expect(sectorsOf(touched)).toBeGreaterThanOrEqual(
        slots * (componentSectors - unusedEnd(subject)),
      );
      break;
  }
}

/**
 * What a resync of the rest has to read. A mirror's: of raid1 the first copy, of raid10 both, once. Parity's: each member once, and those steps again
 * that were compared as a whole before the first of them was found to differ, for it is done row by row then, and what begins later is so at once. That
 * is a window of steps at most.
 */
function expectReadOnce({ level, slots, bitmapChunkSectors }: Subject, carried: CarriedOn): void {
  const { touched, componentSectors, arraySectors } = carried;
  const end = level === "raid10" ? arraySectors : componentSectors;
  const due = leftToResync(carried, bitmapChunkSectors, end);
  const reads = touched.filter(({ op }) => op === "read");
  if (level === "raid1" || level === "raid10") {
    expect(sectorsOf(reads)).toBe(level === "raid1" ? due : 2 * due);
    return;
  }
  const twice = Math.min(due, RESYNC_WINDOW * RESYNC_STEP_SECTORS);
  for (let slot = 0; slot < slots; slot += 1)
    expectAbout(sectorsOf(reads.filter((one) => one.slot === slot)), due + twice, twice);
}

function expectAbout(sectors: number, most: number, less: number): void {
  expect(sectors).toBeLessThanOrEqual(most);
  expect(sectors).toBeGreaterThanOrEqual(most - less);
}

function sectorsOf(touched: readonly Touched[]): number {
  return touched.reduce((sum, { from, to }) => sum + to - from, 0);
}

peerDescribe(GUEST_PROGRAMS, `handed over by the kernel, seed ${SEED}`, () => {
  let folder = "";
  let made = new Map<string, DoneJob>();
  /** Or why it could not: for the test that it belongs to. */
  const carried = new Map<string, CarriedOn | HoldfastError>();
  let back = new Map<string, DoneJob>();

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "holdfast-hand-over-"));
    const [cut, own] = ["cut", "back"].map((name) => join(folder, name)) as [string, string];
    for (const each of [cut, own]) mkdirSync(each);
    const calm = FROM_KERNEL.filter((subject) => !subject.isCut);
    // Those last that keep the guest busy.
    const cutOff = FROM_KERNEL.filter(({ isCut }) => isCut).toSorted(
      (a, b) => Number(isDirty(a)) - Number(isDirty(b)),
    );
    const jobs = await Promise.all([
      runJobsInTwo(
        calm.map((subject) => handOverJob(subject, 0)),
        STAMPS,
        folder,
      ),
      runJobs(cutOff.map(handOverJob), STAMPS, cut, "cut"),
    ]);
    made = byName(jobs.flat());
    const backs = [];
    for (const subject of FROM_KERNEL) {
      const done = made.get(subject.name)!;
      if (!done.passed) continue;
      const result = await carryOn(subject, done.images).catch(toHoldfastError);
      carried.set(subject.name, result);
      if (result instanceof HoldfastError) continue;
      backs.push(takeBackJob(subject, saveImages(`${subject.name}back`, result.disks, own)));
    }
    back = byName(await runJobsInTwo(backs, [], own));
  }, 600_000);

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each(titled(FROM_KERNEL))("%s", (_what, subject) => {
    const done = made.get(subject.name)!;
    expect(done.passed, done.log).toBe(true);
    const result = carried.get(subject.name)!;
    if (result instanceof HoldfastError) throw result;
    const { synced, degraded, mismatches, content, after } = result;
    const isRecovered = ["degraded", "re-added", "half recovered", "half replaced"].includes(
      subject.state,
    );
    expect(synced).toBe(isRecovered ? "recovery" : "resync");
    expect(degraded).toBe(0);
    if (isDirty(subject)) {
      const kinds = new Set(stampRuns(content).map((run) => run.split(" ").slice(2).join(" ")));
      const allowed = [FIRST, ...LATER].map((seed) => `stamp ${seed}`);
      expect([...kinds].filter((kind) => !allowed.includes(kind))).toEqual([]);
    } else expect(lookAt(content), done.log).toEqual(done.look(subject.name));
    expect(mismatches).toBe(0);
    expectOnlyTheRest(subject, result);
    const taken = back.get(subject.name)!;
    expect(taken.passed, taken.log).toBe(true);
    expect(taken.look(subject.name), taken.log).toEqual(after);
    expect(taken.log).toContain("mismatches 0\n");
  });
});
