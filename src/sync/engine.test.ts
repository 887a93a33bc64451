import { describe, expect, it } from "vitest";
import { VirtualTime } from "../../test/support/virtual-time.ts";
import { seedOfRun } from "../../test/support/seed.ts";
import { HoldfastError } from "../base/errors.ts";
import { Prng } from "../base/prng.ts";
import { SyncPass } from "./engine.ts";
import type { PassOptions, PassResult } from "./engine.ts";
import type { StepOutcome, SyncWork } from "./work.ts";

const DONE: StepOutcome = { kind: "done", mismatches: 0 };
const SKIPPED: StepOutcome = { kind: "skipped" };
const FAILED: StepOutcome = { kind: "failed", error: new HoldfastError("io", "gone") };

interface Started {
  readonly sector: number;
  readonly sectors: number;
  readonly end: (outcome: StepOutcome) => void;
}

/** Steps of 128 sectors that end when the test says so. */
class ManualWork implements SyncWork {
  readonly sectors: number;
  readonly window: number;
  underWay: Started[] = [];
  started = 0;

  constructor(sectors: number, window = 8) {
    this.sectors = sectors;
    this.window = window;
  }

  step(sector: number, limit: number, end: (outcome: StepOutcome) => void): number {
    const sectors = Math.min(128, limit - sector);
    this.underWay.push({ sector, sectors, end });
    this.started += 1;
    return sectors;
  }

  end(index: number, outcome: StepOutcome = DONE): Started {
    const [step] = this.underWay.splice(index, 1);
    step!.end(outcome);
    return step!;
  }

  /** Oldest first, until `count` have ended or none is left. */
  endSome(count: number, outcome: StepOutcome = DONE): void {
    for (let i = 0; i < count && this.underWay.length > 0; i += 1) this.end(0, outcome);
  }
}

interface Checkpoint {
  readonly position: number;
  readonly durable: () => void;
}

interface Harness {
  readonly time: VirtualTime;
  readonly pass: SyncPass;
  readonly checkpoints: Checkpoint[];
  readonly results: PassResult[];
  readonly foreground: { started: number; ended: number };
  readonly limits: { minKiBps: number; maxKiBps: number };
}

function harness(work: SyncWork, given: Partial<PassOptions> = {}): Harness {
  const time = new VirtualTime();
  const checkpoints: Checkpoint[] = [];
  const results: PassResult[] = [];
  const foreground = { started: 0, ended: 0 };
  const limits = { minKiBps: 1000, maxKiBps: 1e9 };
  const pass = new SyncPass({
    clock: time,
    timers: time,
    work,
    min: 0,
    max: work.sectors,
    hold: Infinity,
    limits,
    foreground,
    checkpointMs: 300_000,
    checkpoint: (position, durable) => checkpoints.push({ position, durable }),
    ended: (result) => results.push(result),
    ...given,
  });
  return { time, pass, checkpoints, results, foreground, limits };
}

describe("a pass", () => {
  it("keeps a window of steps under way, and counts what has ended without a gap", () => {
    const work = new ManualWork(128 * 20, 4);
    const { pass, checkpoints, results } = harness(work);
    pass.start();
    expect(work.underWay.map(({ sector }) => sector)).toEqual([0, 128, 256, 384]);
    work.end(2);
    work.end(2);
    expect(work.underWay).toHaveLength(4);
    expect(checkpoints).toEqual([]);
    work.end(0);
    work.end(0);
    // 512 of 2560 are more than a sixteenth.
    expect(checkpoints[0]?.position).toBe(512);
    expect(pass.completed).toBe(0);
    checkpoints[0]?.durable();
    expect(pass.completed).toBe(512);
    while (work.underWay.length > 0) work.end(work.underWay.length - 1);
    expect(results).toEqual([{ kind: "finished", position: 2560, error: null }]);
  });

  it("does not go far past a step that does not end", () => {
    const work = new ManualWork(128 * 1000, 4);
    const { pass } = harness(work);
    pass.start();
    while (work.underWay.length > 1) work.end(1);
    expect(work.started).toBe(8);
  });

  it("has no more to say of a range that is empty", () => {
    const { pass, results } = harness(new ManualWork(1000), { min: 1000 });
    pass.start();
    expect(results).toEqual([{ kind: "finished", position: 1000, error: null }]);
  });

  it("checkpoints after five minutes, and every so often where it is told to", () => {
    for (const checkpointMs of [300_000, 5000]) {
      const work = new ManualWork(128 * 100_000, 1);
      const { pass, time, checkpoints } = harness(work, { checkpointMs });
      pass.start();
      work.end(0);
      time.pass(checkpointMs - 1);
      work.end(0);
      expect(checkpoints).toEqual([]);
      time.pass(1);
      work.end(0);
      expect(checkpoints.map(({ position }) => position)).toEqual([384]);
      time.pass(checkpointMs);
      work.end(0);
      // One at a time: the first is not durable yet.
      expect(checkpoints).toHaveLength(1);
      checkpoints[0]?.durable();
      expect(checkpoints.map(({ position }) => position)).toEqual([384, 512]);
    }
  });

  it("stops at a hold, records all up to it, and goes on when it is moved", () => {
    // Far less than a sixteenth of it all.
    const work = new ManualWork(128 * 1000, 4);
    const { pass, checkpoints, results, time } = harness(work, { hold: 1000 });
    pass.start();
    const recordAll = (): void => {
      for (const one of checkpoints.splice(0)) one.durable();
    };
    while (work.underWay.length > 0) {
      work.end(work.underWay.length - 1);
      recordAll();
    }
    recordAll();
    expect(pass.completed).toBe(1000);
    expect(pass.figures.sectors).toBe(1000);
    expect(results).toEqual([]);
    expect(time.pending).toBe(0);
    pass.hold = Infinity;
    expect(work.underWay[0]?.sector).toBe(1000);
    while (work.underWay.length > 0) work.end(0);
    expect(results[0]?.kind).toBe("finished");
  });

  it("is interrupted at a hold at once", () => {
    const work = new ManualWork(128 * 100, 4);
    const { pass, results } = harness(work, { hold: 128 });
    pass.start();
    work.end(0);
    expect(results).toEqual([]);
    pass.interrupt();
    expect(results).toEqual([{ kind: "interrupted", position: 128, error: null }]);
  });

  it("lets its steps end when it is interrupted, and waits for no checkpoint", () => {
    const work = new ManualWork(128 * 64, 4);
    const { pass, results, checkpoints } = harness(work);
    pass.start();
    work.endSome(5);
    expect(checkpoints).toHaveLength(1);
    pass.interrupt();
    pass.interrupt();
    expect(results).toEqual([]);
    expect(work.underWay).toHaveLength(4);
    work.end(3);
    work.end(1);
    work.end(0);
    expect(results).toEqual([]);
    work.end(0);
    expect(results).toEqual([{ kind: "interrupted", position: 128 * 9, error: null }]);
    checkpoints[0]?.durable();
    expect(results).toHaveLength(1);
    expect(work.underWay).toEqual([]);
  });

  it("does not get past a step that failed", () => {
    const work = new ManualWork(128 * 64, 4);
    const { pass, results } = harness(work);
    pass.start();
    work.end(0);
    work.end(1, FAILED);
    expect(work.underWay.map(({ sector }) => sector)).toEqual([128, 384, 512]);
    work.endSome(3);
    expect(results).toMatchObject([{ kind: "failed", position: 256, error: { code: "io" } }]);
  });

  it("adds up what differed", () => {
    const work = new ManualWork(128 * 64, 4);
    const { pass } = harness(work);
    pass.start();
    work.end(0, { kind: "done", mismatches: 128 });
    work.end(0, { kind: "done", mismatches: 8 });
    expect(pass.mismatches).toBe(136);
  });

  it("lets others have their turn while it skips, and does not count that as work", () => {
    let steps = 0;
    const work: SyncWork = {
      sectors: 128 * 10_000,
      window: 4,
      step: (_sector, _limit, end) => {
        steps += 1;
        end(SKIPPED);
        return 128;
      },
    };
    const { pass, time, results, limits } = harness(work);
    limits.maxKiBps = 1;
    pass.start();
    expect(steps).toBe(256);
    time.pass(0);
    expect(steps).toBe(10_000);
    expect(results[0]?.kind).toBe("finished");
    expect(pass.figures.kibPerSecond).toBe(0);
  });
});

describe("throttling", () => {
  /** Every step takes a millisecond; the KiB that were done in each second. */
  function perSecond(
    made: Harness,
    work: ManualWork,
    seconds: number,
    eachMs: () => void,
  ): number[] {
    const kib: number[] = [];
    made.pass.start();
    for (let second = 0; second < seconds; second += 1) {
      let sectors = 0;
      for (let ms = 0; ms < 1000; ms += 1) {
        eachMs();
        made.time.pass(1);
        for (const step of work.underWay.splice(0)) {
          sectors += step.sectors;
          step.end(DONE);
        }
        for (const one of made.checkpoints.splice(0)) one.durable();
      }
      kib.push(sectors / 2);
    }
    return kib;
  }

  const BIG = 2 ** 40;

  it("keeps the average at the upper limit, also when nobody else is there", () => {
    const work = new ManualWork(BIG, 8);
    const made = harness(work);
    made.limits.maxKiBps = 20_000;
    const kib = perSecond(made, work, 60, () => {});
    const last = kib.slice(30).reduce((sum, each) => sum + each, 0);
    expect(last / 30).toBeGreaterThan(19_000);
    expect(last / 30).toBeLessThan(21_500);
    expect(made.pass.figures.kibPerSecond).toBeGreaterThan(19_000);
    expect(made.pass.figures.kibPerSecond).toBeLessThan(21_500);
    // It sleeps ten milliseconds at least.
    expect(made.time.timersSet).toBeGreaterThan(60);
    expect(made.time.timersSet).toBeLessThanOrEqual(6000);
  });

  it("takes a whole window while nobody else is there, and one batch while somebody is", () => {
    const idle = new ManualWork(BIG, 32);
    const [idleKib] = perSecond(harness(idle), idle, 1, () => {});
    const busy = new ManualWork(BIG, 32);
    const made = harness(busy);
    const [, , , busyKib] = perSecond(made, busy, 4, () => {
      if (made.time.monotonicMs() % 50 !== 0) return;
      made.foreground.started += 1;
      made.foreground.ended += 1;
    });
    expect(idleKib).toBe(1000 * 32 * 64);
    // Two steps of 64 KiB at a time, and one when they have ended.
    expect(busyKib).toBeLessThanOrEqual(1000 * 3 * 64);
    expect(busyKib).toBeGreaterThanOrEqual(1000 * 64);
  });

  it("goes on at the lower limit at any rate", () => {
    const work = new ManualWork(BIG, 32);
    const made = harness(work);
    made.limits.minKiBps = 500_000;
    made.foreground.started = 1;
    const [kib] = perSecond(made, work, 1, () => {});
    expect(kib).toBeGreaterThanOrEqual(500_000);
  });

  it("hears of a raised limit within half a second", () => {
    const work = new ManualWork(BIG, 8);
    const made = harness(work);
    made.limits.minKiBps = 1;
    made.limits.maxKiBps = 1;
    perSecond(made, work, 5, () => {});
    const before = work.started;
    made.limits.maxKiBps = 1e9;
    made.time.pass(500);
    expect(work.started).toBeGreaterThan(before);
  });
});

it("figures are those of mdstat", () => {
  const work = new ManualWork(2 * 1024 * 1024, 1);
  const made = harness(work);
  made.pass.start();
  expect(made.pass.figures).toEqual({
    sectors: 0,
    max: 2_097_152,
    kibPerSecond: 0,
    secondsLeft: 65536,
  });
  for (let second = 0; second < 60; second += 1) {
    made.time.pass(1000);
    work.endSome(16);
    for (const one of made.checkpoints.splice(0)) one.durable();
  }
  // 1024 KiB a second; 60 of 1024 MiB are done.
  const { sectors, kibPerSecond, secondsLeft } = made.pass.figures;
  expect(sectors).toBe(60 * 2048);
  expect(kibPerSecond).toBeGreaterThan(1000);
  expect(kibPerSecond).toBeLessThan(1100);
  expect(secondsLeft).toBeGreaterThan(880);
  expect(secondsLeft).toBeLessThan(1000);
});

describe("at random", () => {
  const seed = seedOfRun();

  /** One pass with steps that end in any order, checkpoints that become durable late, holds that move, an interruption or a failure. */
  function checkOne(chance: Prng): void {
    const sectors = 1 + chance.below(20_000);
    const ended = new Set<number>();
    const underWay: Started[] = [];
    const min = chance.below(sectors + 1);
    /** All below has ended. */
    const isEndedUpTo = (position: number): boolean => {
      for (let sector = min; sector < position; sector += 1) if (!ended.has(sector)) return false;
      return true;
    };
    const work: SyncWork = {
      sectors,
      window: chance.between(1, 9),
      step: (sector, limit, end) => {
        expect(underWay.length).toBeLessThan(work.window);
        const length = chance.between(1, Math.min(limit - sector, 500));
        const finish = (outcome: StepOutcome): void => {
          if (outcome.kind !== "failed") for (let i = 0; i < length; i += 1) ended.add(sector + i);
          end(outcome);
        };
        if (chance.chance(0.3)) finish(chance.pick([DONE, SKIPPED]));
        else underWay.push({ sector, sectors: length, end: finish });
        return length;
      },
    };
    const recorded: Checkpoint[] = [];
    let durable = min;
    const made = harness(work, {
      min,
      checkpointMs: 10,
      hold: chance.chance(0.5) ? chance.between(min, sectors) : Infinity,
      checkpoint: (position, done) => {
        expect(recorded).toEqual([]);
        expect(isEndedUpTo(position)).toBe(true);
        recorded.push({ position, durable: done });
      },
    });
    made.limits.maxKiBps = chance.pick([100, 1e9]);
    made.pass.start();
    const endsEarly = chance.pick(["interrupted", "failed", "finished"] as const);
    for (let turn = 0; made.results.length === 0; turn += 1) {
      expect(turn).toBeLessThan(100_000);
      made.time.pass(chance.below(20));
      const what = chance.below(10);
      if (what === 0 && recorded.length > 0) {
        const [one] = recorded.splice(0);
        durable = one!.position;
        one!.durable();
      } else if (what === 1) {
        made.pass.hold = chance.chance(0.5) ? Infinity : chance.between(min, sectors);
      } else if (what === 2 && turn > 30 && endsEarly === "interrupted") {
        made.pass.interrupt();
      } else if (underWay.length > 0) {
        const [step] = underWay.splice(chance.below(underWay.length), 1);
        step!.end(endsEarly === "failed" && turn > 30 ? FAILED : DONE);
      }
      expect(made.pass.completed).toBe(durable);
    }
    const [result] = made.results;
    expect(underWay).toEqual([]);
    expect(made.time.pending).toBe(0);
    expect(isEndedUpTo(result!.position)).toBe(true);
    expect(ended.has(result!.position)).toBe(false);
    if (result!.kind === "finished") expect(result!.position).toBe(sectors);
    if (endsEarly === "finished") expect(result!.kind).toBe("finished");
  }

  it(`nothing is recorded before it is done (seed ${seed})`, () => {
    const chance = new Prng(seed);
    for (let run = 0; run < 300; run += 1) checkOne(chance);
  });
});
