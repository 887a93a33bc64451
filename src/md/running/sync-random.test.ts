/** An array's background sync with everything at random: members come and go, words are written, steps end in any order. */
import { describe, expect, it } from "vitest";
import { inSync, memberOf, SPARE, STEP, SyncArray } from "../../../test/support/sync-array.ts";
import { seedOfRun } from "../../../test/support/seed.ts";
import { Prng } from "../../base/prng.ts";
import type { SyncAction } from "./core.ts";
import { recovering } from "./sync-slots.ts";

describe("at random", () => {
  const seed = seedOfRun();

  /** Which steps were done, for each member that was not whole and for the array as a whole. */
  class Done {
    readonly #array: SyncArray;
    readonly #members = new Map<number, Set<number>>();
    readonly #resynced = new Set<number>();

    constructor(array: SyncArray) {
      this.#array = array;
      const known = Math.min(array.core.record.resyncOffsetSectors, array.sectors);
      for (let sector = 0; sector < known; sector += STEP) this.#resynced.add(sector);
    }

    stepEnds(sector: number, action: SyncAction): void {
      if (action === "resync") this.#resynced.add(sector);
      if (action !== "recover") return;
      for (const { number } of recovering(this.#array.members)) {
        const done = this.#members.get(number) ?? new Set();
        this.#members.set(number, done.add(sector));
      }
    }

    /** Who is said to be better than he is; null: nobody. */
    liar(): string | null {
      const { core, members } = this.#array;
      if (core.record.resyncOffsetSectors > this.#upTo(this.#resynced)) return "the array";
      const liar = members.attached.find(({ standing, number }) => {
        const done = this.#upTo(this.#members.get(number) ?? new Set());
        if (standing.kind === "recovering") return standing.recoveredSectors > done;
        return standing.kind === "in-sync" && number !== 0 && number !== 2 && done < Infinity;
      });
      return liar?.label ?? null;
    }

    /** All of the first steps; Infinity if that is all there is. */
    #upTo(done: ReadonlySet<number>): number {
      let sector = 0;
      while (done.has(sector)) sector += STEP;
      return sector >= this.#array.sectors ? Infinity : sector;
    }
  }

  /** Members come and go, words are written, steps end in any order: nobody is said to be better than he is. */
  function checkOne(chance: Prng): void {
    const array = new SyncArray([inSync(0), SPARE, inSync(2), SPARE], {
      resyncOffsetSectors: chance.pick([0, 1280, Infinity]),
      bitmapMs: chance.pick([null, 5000]),
    });
    const { control } = array;
    const done = new Done(array);
    array.stepEnds = (sector, action) => done.stepEnds(sector, action);
    control.changed();
    let number = 4;
    for (let event = 0; event < 200; event += 1) {
      switch (chance.below(12)) {
        case 0:
          if (chance.chance(0.3))
            control
              .setAction(chance.pick(["idle", "frozen", "check", "repair", "resync"]))
              .catch(() => {});
          break;
        case 1: {
          const victims = array.members.attached.filter(({ slot }) => slot !== null && slot !== 0);
          if (victims.length > 0 && chance.chance(0.3)) array.fail(chance.pick(victims).number);
          break;
        }
        case 2:
          if (chance.chance(0.3) && number < 20) {
            array.members.attach(memberOf(SPARE, number));
            number += 1;
            control.changed();
          }
          break;
        case 3:
          if (chance.chance(0.3)) control.becomeReadOnly(() => {});
          break;
        case 4:
          control.becomeWritable();
          break;
        case 5:
        case 6:
          array.commitAll();
          break;
        case 7:
          array.time.pass(chance.below(3000));
          break;
        default:
          array.endStep(chance.below(4));
      }
      const { state } = control;
      if (state.kind === "running")
        expect(state.completed).toBeLessThanOrEqual(state.figures.sectors);
      expect(done.liar()).toBeNull();
    }
    // The faults stop: then all becomes well.
    control.becomeWritable();
    control.setAction("idle").catch(() => {});
    for (let more = 0; more < 3; more += 1) {
      array.members.attach(memberOf(SPARE, number + more));
      control.changed();
    }
    array.settle();
    expect(done.liar()).toBeNull();
    expect(array.core.record.resyncOffsetSectors).toBe(Infinity);
    expect(array.members.degraded).toBe(0);
    let isStopped = false;
    control.stop(() => (isStopped = true));
    array.settle();
    expect(isStopped).toBe(true);
  }

  it(`all becomes well in the end (seed ${seed})`, () => {
    const chance = new Prng(seed);
    for (let run = 0; run < 100; run += 1) checkOne(chance);
  });
});
