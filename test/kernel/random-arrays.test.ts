/**
 * The kernel makes sixty random arrays; Holdfast must read from their members, given in any order and with any members
 * left out that the level can do without, what the kernel wrote. Where too many are left out it must say so. Then it takes the
 * arrays over, writes, and the kernel takes them back: half of them in order, the others like after a power failure.
 *
 * The seed is printed and part of every test's name: `HOLDFAST_SEED=N npx vitest run test/kernel/random-arrays.test.ts` replays a run.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Prng } from "../../src/base/prng.ts";
import { sha256 } from "../support/golden.ts";
import { readSets, refusalsOf } from "../support/open.ts";
import { peerDescribe } from "../support/peers.ts";
import { stampRuns } from "../support/stamp.ts";
import { expectedContent, makeArrays } from "./array-jobs.ts";
import type { MadeArray } from "./array-jobs.ts";
import { describePlan, hasRedundancy, lostSlots, planArrays, survives } from "./array-plan.ts";
import type { ArrayPlan } from "./array-plan.ts";
import { seedOfRun } from "../support/seed.ts";
import { GUEST_PROGRAMS } from "./rootfs.ts";
import { runJobsInTwo } from "./slices.ts";
import type { DoneJob } from "./slices.ts";
import { takeOver } from "./taken-over.ts";
import type { TakenOver } from "./taken-over.ts";

/** Ways to open each array besides the one with all members. */
const REOPENINGS = 3;
const SEED = seedOfRun();
const PLANS = planArrays(SEED);
const TITLED = PLANS.map((plan) => [describePlan(plan), plan] as const);

let folder = "";
const made = new Map<string, MadeArray>();

function arrayOf(plan: ArrayPlan): MadeArray {
  const found = made.get(plan.name);
  if (found === undefined) throw new Error(`${plan.name} was not made`);
  return found;
}

/** The member images but for some slots, in random order; some absent ones are said to be missing, others just not there. */
function pathsWithout(prng: Prng, array: MadeArray, leftOut: ReadonlySet<number>): string[] {
  const paths = array.images.flatMap((path, slot) => {
    if (path !== null && !leftOut.has(slot)) return [path];
    return prng.chance(0.3) ? ["missing"] : [];
  });
  if (array.spareImage !== null && prng.chance(0.5)) paths.push(array.spareImage);
  return prng.shuffle(paths);
}

/** Random sets of slots to leave out; at least one device remains. */
function leaveOuts(prng: Prng, plan: ArrayPlan): Set<number>[] {
  const disks = plan.memberSectors.length;
  const present = plan.memberSectors.flatMap((_, slot) => (slot === plan.absent ? [] : [slot]));
  return Array.from({ length: REOPENINGS }, () => {
    const most = Math.min(disks - 1, plan.level === "raid1" || plan.level === "raid10" ? disks : 3);
    return new Set(prng.shuffle(present).slice(0, prng.between(1, Math.max(1, most))));
  }).filter((set) => set.size < present.length);
}

async function expectRead(array: MadeArray, paths: readonly string[], what: string): Promise<void> {
  const sets = await readSets(paths);
  const context = `${what}\n${paths.join(" ")}\n${refusalsOf(sets)}`;
  expect(sets.volumes, context).toHaveLength(1);
  const volume = sets.volumes[0];
  expect(volume?.bytes, context).toBe(array.look?.bytes);
  if (volume?.sha256 !== array.look?.sha256) {
    const expected = stampRuns(expectedContent(array.plan, array.look?.bytes ?? 0));
    expect(volume?.map, context).toEqual(expected);
  }
  expect(volume?.sha256, context).toBe(array.look?.sha256);
}

/** Whether the members would be enough if the one that failed earlier, and is given, still counted. */
function staleWouldDo(plan: ArrayPlan, leftOut: ReadonlySet<number>): boolean {
  const gone = plan.absent === null ? leftOut : new Set([...leftOut, plan.absent]);
  return plan.fails !== null && !leftOut.has(plan.fails) && survives(plan, gone);
}

async function expectRefused(
  plan: ArrayPlan,
  leftOut: ReadonlySet<number>,
  paths: readonly string[],
  what: string,
): Promise<void> {
  const sets = await readSets(paths);
  expect(sets.volumes, what).toHaveLength(0);
  expect(sets.refused, what).toHaveLength(1);
  // Like mdadm, --force would take the stale one back in.
  const kind = staleWouldDo(plan, leftOut) ? "needs-force" : "cannot-start";
  expect(sets.refused[0]?.verdict.kind, what).toBe(kind);
}

peerDescribe(GUEST_PROGRAMS, `random arrays of the kernel, seed ${SEED}`, () => {
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "holdfast-arrays-"));
    for (const array of await makeArrays(PLANS, folder)) made.set(array.plan.name, array);
  }, 600_000);

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each(TITLED)("%s", async (text, plan) => {
    const array = arrayOf(plan);
    expect(array.look, array.log).not.toBeNull();
    // The kernel itself read what was written, else there is nothing to compare with.
    expect(array.look?.sha256).toBe(sha256(expectedContent(plan, array.look?.bytes ?? 0)));

    const prng = new Prng(SEED ^ Number(plan.name.slice(1)));
    const before = array.images.map((path) => (path === null ? null : sha256(readFileSync(path))));
    await expectRead(array, pathsWithout(prng, array, new Set()), text);
    for (const leftOut of leaveOuts(prng, plan)) {
      const what = `${text}, without slots ${[...leftOut].join(" ")}`;
      const paths = pathsWithout(prng, array, leftOut);
      if (survives(plan, new Set([...leftOut, ...lostSlots(plan)])))
        await expectRead(array, paths, what);
      else if (onlyStale(plan, leftOut)) continue;
      else await expectRefused(plan, leftOut, paths, what);
    }
    const after = array.images.map((path) => (path === null ? null : sha256(readFileSync(path))));
    expect(after).toEqual(before);
  });

  describe("taken over by Holdfast and taken back", () => {
    const taken = new Map<string, TakenOver>();
    let back: readonly DoneJob[] = [];

    beforeAll(async () => {
      const own = join(folder, "back");
      mkdirSync(own);
      for (const [i, plan] of PLANS.entries()) {
        const prng = new Prng(SEED ^ (i * 7919));
        const isStopped = i % 2 === 0 || mustStop(plan);
        taken.set(plan.name, await takeOver(prng, arrayOf(plan), own, isStopped));
      }
      const jobs = [...taken.values()].map(({ job }) => job);
      back = await runJobsInTwo(jobs, [], own);
    }, 600_000);

    it.each(TITLED)("%s", (_text, plan) => {
      const { before, mismatches, after, job } = taken.get(plan.name)!;
      expect(before).toEqual(arrayOf(plan).look);
      expect(mismatches).toBe(0);
      const done = back.find(({ name }) => name === job.name);
      expect(done?.passed, done?.log).toBe(true);
      expect(done?.look(job.name), done?.log).toEqual(after);
      if (!hasRedundancy(plan.level)) return;
      expect(done?.look(`${job.name}-after`), done?.log).toEqual(after);
      expect(done?.log).toContain("mismatches 0\n");
    });
  });
});

/** With parity and without a member a dirty array starts only by force. */
function mustStop(plan: ArrayPlan): boolean {
  return lostSlots(plan).size > 0 && plan.level !== "raid1" && plan.level !== "raid10";
}

/** Stale members alone are a set of their own, of an earlier time: the kernel starts them too. */
function onlyStale(plan: ArrayPlan, leftOut: ReadonlySet<number>): boolean {
  const left = plan.memberSectors.flatMap((_, slot) =>
    slot === plan.absent || leftOut.has(slot) ? [] : [slot],
  );
  return left.every((slot) => slot === plan.fails);
}
