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
import { peerDescribe } from "../../support/peers.ts";
import { seedOfRun } from "../../support/seed.ts";
import { stampRuns } from "../../support/stamp.ts";
import { carryOn } from "./from-kernel.ts";
import type { CarriedOn } from "./from-kernel.ts";
import type { Touched } from "./holdfast-side.ts";
import { FIRST, LATER, STAMPS, handOverJob, takeBackJob } from "./kernel-side.ts";
import { describeSubject, isDirty, planHandOvers, unusedEnd } from "./plan.ts";
import type { Subject } from "./plan.ts";
import { GUEST_PROGRAMS } from "../rootfs.ts";
import { runJobs, runJobsInTwo, saveImages } from "../slices.ts";
import type { DoneJob } from "../slices.ts";
import { lookAt } from "../taken-over.ts";

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
    case "half replaced":
      expect(writes.filter(({ slot, from }) => slot !== lost || from < checkpoint!)).toEqual([]);
      expectAbout(sectorsOf(writes), componentSectors - checkpoint!, unusedEnd(subject));
      break;
    case "half resynced": {
      expect(checkpoint).toBeGreaterThan(0);
      const all = level === "raid10" ? (componentSectors * slots) / 2 : componentSectors;
      const most = slots * componentSectors * (1 - checkpoint! / all);
      const reads = touched.filter(({ op }) => op === "read");
      // By whole stripes and regions: a step has up to 1024 sectors of each member, and begins with a region.
      expect(sectorsOf(reads)).toBeLessThanOrEqual(most + slots * (1024 + 256));
      if (level !== "raid10") expect(touched.filter(({ to }) => to < checkpoint!)).toEqual([]);
      break;
    }
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
    const calm = FROM_KERNEL.filter((subject) => !isDirty(subject));
    const dirty = FROM_KERNEL.filter(isDirty);
    const jobs = await Promise.all([
      runJobsInTwo(
        calm.map((subject) => handOverJob(subject, 0)),
        STAMPS,
        folder,
      ),
      runJobs(dirty.map(handOverJob), STAMPS, cut, "cut"),
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
