/** Background sync: its life, and what its steps hold. */
import { ignore } from "../../base/nothing.ts";
import { Bio } from "../../block/bio.ts";
import type { BioEnd } from "../../block/bio.ts";
import type { Timers } from "../../env/env.ts";
import { RangeLock } from "../../block/range-lock.ts";
import type { RangeHold } from "../../block/range-lock.ts";
import type { ManagedArray } from "../../md/running/managed-array.ts";
import { makeLevel } from "../../md/running/levels/make.ts";
import type { ArrayParts } from "../../md/running/parts.ts";
import type { PassResult } from "../../sync/engine.ts";
import { LifeCycle } from "../../sync/life-cycle.ts";
import type { Job, Turn } from "../../sync/life-cycle.ts";
import type { SyncWork } from "../../sync/work.ts";
import type { Mutant } from "../mutant.ts";
import { standIn } from "../stand-in.ts";

/** Each job is changed before its life begins. */
function changedJobs(change: (job: Job<PassResult>) => Job<PassResult>): Partial<ArrayParts> {
  return {
    lifeCycle: (options) =>
      new LifeCycle({
        ...options,
        choose: () => {
          const job = options.choose();
          return job === null ? null : change(job);
        },
      }),
  };
}

/** The background sync of an array whose owner is away at times. */
class Negligent extends LifeCycle<PassResult> {
  isAway = (): boolean => false;

  protected override decide(): Turn {
    return this.isAway() ? "wait" : super.decide();
  }
}

class SkipsReadOnly extends LifeCycle<PassResult> {
  #isReadOnly = false;

  override becomeReadOnly(quiet?: () => void): void {
    this.#isReadOnly = true;
    super.becomeReadOnly(quiet);
  }

  override becomeWritable(): void {
    this.#isReadOnly = false;
    super.becomeWritable();
  }

  protected override decide(): Turn {
    return this.#isReadOnly ? "wait" : super.decide();
  }
}

function skipsSuspended(): Pick<Mutant, "parts" | "started"> {
  let cycle: Negligent | null = null;
  return {
    parts: () => ({ lifeCycle: (options) => (cycle = new Negligent(options)) }),
    started: ({ array }: ManagedArray): void => {
      let isSuspended = false;
      cycle!.isAway = () => isSuspended;
      const suspend = array.suspendWrites.bind(array);
      array.suspendWrites = (range) => {
        isSuspended = range.sectors > 0;
        return suspend(range);
      };
    },
  };
}

function stopWaitsForWrites(): Pick<Mutant, "parts" | "started"> {
  let underWay = 0;
  let timers: Timers | null = null;
  return {
    started: ({ array }) => {
      timers = array.timers;
      underWay = 0;
      const submit = array.submit.bind(array);
      array.submit = ({ op, sector, sectors, data, flags, end }) => {
        underWay += 1;
        const ended: BioEnd = (error) => {
          underWay -= 1;
          end(error);
        };
        submit(new Bio(op, sector, sectors, data, flags, ended));
      };
    },
    parts: () =>
      changedJobs((job) =>
        standIn(job, {
          interrupt: () => {
            const wait = (): void => {
              if (underWay === 0) job.interrupt();
              else timers!.set(10, wait);
            };
            wait();
          },
        }),
      ),
  };
}

/** Others are kept out until its owner has been told that it has the range. */
class ReleasedEarly extends RangeLock {
  override lock(
    start: number,
    count: number,
    _mode: "shared" | "exclusive",
    granted: (hold: RangeHold) => void,
  ): void {
    super.lock(start, count, "shared", granted);
  }
}

/** Two levels, each with locks of its own: for clients, and for background sync. */
function withoutBarrier(): Partial<ArrayParts> {
  return {
    level: (core, geometry, shape, log) => {
      const apart = makeLevel(standIn(core, { locks: new RangeLock() }), geometry, shape, null);
      return standIn(makeLevel(core, geometry, shape, log), {
        syncWork: (action) => apart.syncWork(action),
      });
    },
  };
}

/** While two members are missing, what is written at the moment is not recovered. */
function skipsWritten(): Partial<ArrayParts> {
  return {
    level: (core, ...rest) => {
      const level = makeLevel(core, ...rest);
      let writes = 0;
      const run: typeof level.run = (bio, end) => {
        const count = bio.op === "write" ? 1 : 0;
        writes += count;
        level.run(bio, (error) => {
          writes -= count;
          end(error);
        });
      };
      const syncWork: typeof level.syncWork = (action) => {
        const work = level.syncWork(action);
        if (work === null || action !== "recover") return work;
        return standIn(work, {
          step: (sector, limit, end) => {
            if (writes === 0 || core.members.degraded < 2) return work.step(sector, limit, end);
            end({ kind: "done", mismatches: 0 });
            return Math.min(limit - sector, 8);
          },
        });
      };
      return standIn(level, { run, syncWork });
    },
  };
}

function changedSteps(change: (work: SyncWork) => SyncWork): Partial<ArrayParts> {
  return {
    level: (...options) => {
      const level = makeLevel(...options);
      return standIn(level, {
        syncWork: (action) => {
          const work = level.syncWork(action);
          return work === null ? null : change(work);
        },
      });
    },
  };
}

export const SYNC_MUTANTS: readonly Mutant[] = [
  {
    name: "interrupted-never-done",
    about: "a pass that is interrupted never says that it has ended",
    law: 4,
    origin: "dm-devel: regressions of the sync thread in 6.7; 82ec0ae59d02",
    scenario: "sync-life",
    parts: () =>
      changedJobs((job) =>
        standIn(job, {
          start: (running, ended) =>
            job.start(running, (result) => {
              if (result.kind !== "interrupted") ended(result);
            }),
        }),
      ),
  },
  {
    name: "reaped-from-the-side",
    about: "whoever interrupts a pass reaps it at once, as if it had finished",
    law: 4,
    origin: "dm-devel: regressions of the sync thread in 6.7",
    scenario: "recovery",
    parts: () =>
      changedJobs((job) =>
        standIn(job, {
          interrupt: () => {
            job.interrupt();
            job.reap({ kind: "finished", position: Infinity, error: null }, ignore);
          },
        }),
      ),
  },
  {
    name: "suspended-skipped",
    about: "background sync of an array whose writes are suspended is not looked after",
    law: 4,
    origin: "dm-devel: regressions of the sync thread in 6.7; 1baae052cccd",
    scenario: "sync-life",
    ...skipsSuspended(),
  },
  {
    name: "read-only-skipped",
    about: "background sync of an array that becomes read-only is not looked after",
    law: 4,
    origin: "dm-devel: regressions of the sync thread in 6.7; 55a48ad2db64",
    scenario: "sync-life",
    parts: () => ({ lifeCycle: (options) => new SkipsReadOnly(options) }),
  },
  {
    name: "stop-waits-for-writes",
    about: "stopping a pass waits for writes that are held back",
    law: 4,
    origin: "dm-devel: regressions of the sync thread in 6.7; cc27b0c78c79",
    scenario: "sync-life",
    ...stopWaitsForWrites(),
  },
  {
    name: "released-early",
    about: "a range that is being written or synced is not kept from others",
    law: 2,
    origin: null,
    scenario: "busy-sync",
    parts: () => ({ locks: () => new ReleasedEarly() }),
  },
  {
    name: "no-barrier",
    about: "background sync and writes of the same range are not kept apart",
    law: 2,
    origin: null,
    scenario: "busy-sync",
    parts: () => withoutBarrier(),
  },
  {
    name: "checkpoint-of-failed",
    about: "a pass that fails is recorded as if it had come to its end",
    law: 1,
    origin: null,
    scenario: "two-recoveries",
    parts: () =>
      changedJobs((job) =>
        standIn(job, {
          reap: (result, reaped) =>
            job.reap(
              result.kind === "failed"
                ? { kind: "finished", position: Infinity, error: null }
                : result,
              reaped,
            ),
        }),
      ),
  },
  {
    name: "written-is-recovered",
    about: "while two members are missing, what is being written is not recovered",
    law: 3,
    origin: "md/raid6: corruption during recovery of double-degraded raid6",
    scenario: "two-recoveries",
    parts: () => skipsWritten(),
  },
  {
    name: "step-ends-early",
    about: "a step of sync counts as done when it was begun",
    law: 1,
    origin: null,
    scenario: "recovery",
    parts: () =>
      changedSteps((work) =>
        standIn(work, {
          step: (sector, limit, end) => {
            const sectors = work.step(sector, limit, ignore);
            end({ kind: "done", mismatches: 0 });
            return sectors;
          },
        }),
      ),
  },
];
