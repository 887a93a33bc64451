import { describe, expect, it } from "vitest";
import { NO_FLUSH } from "../../test/support/no-flush.ts";
import { nodeClock } from "../env/node/clock.ts";
import { explore, sequences } from "./explore.ts";
import type { Exploration } from "./explore.ts";
import { play } from "./play.ts";
import type { Operation } from "./operations.ts";

const LITTLE: Exploration = {
  mutant: null,
  seed: 1,
  depths: [1, 1],
  mostCuts: 3,
  oneOf: 1,
  shard: [1, 1],
  mostRuns: Infinity,
  forMs: Infinity,
  keepsGoing: false,
};

function ofLength(length: number): (readonly Operation[])[] {
  const words = new Set([...sequences(length)].map(({ operations }) => operations.join()));
  return [...words].map((text) => text.split(",") as Operation[]);
}

describe("sequences", () => {
  it("begin with what can be done to a new array", () => {
    expect(ofLength(1).flat()).toEqual(["write", "fail", "check", "freeze", "suspend"]);
  });

  it("have no operation that comes to nothing", () => {
    const all = ofLength(3);
    expect(all).toContainEqual(["fail", "write", "re-add"]);
    expect(all).toContainEqual(["fail", "re-add", "fail"]);
    expect(all).toContainEqual(["write", "flush", "crash"]);
    expect(all).not.toContainEqual(["write", "re-add", "crash"]);
    expect(all).not.toContainEqual(["check", "flush", "write"]);
    expect(all).not.toContainEqual(["write", "crash", "crash"]);
  });

  it("fail two members where two may fail", () => {
    const levels = [...sequences(2)]
      .filter(({ operations }) => operations.join() === "fail,fail")
      .map(({ shape }) => shape.level);
    expect(new Set(levels)).toEqual(new Set(["raid6"]));
  });

  it("try members that fail in both ways, and other sequences once", () => {
    const all = [...sequences(1)];
    const first = all.filter(({ shape, end }) => shape === all[0]!.shape && end === "cut");
    const dos = first.flatMap(({ steps }) => steps.map(({ action }) => action.do));
    expect(dos.toSorted()).toEqual([
      "ail",
      "fail-member",
      "suspend",
      "sync-action",
      "sync-action",
      "write",
    ]);
  });

  it("crash in both ways, and take every kind of array", () => {
    const all = [...sequences(2)];
    const crashes = all.flatMap(({ steps }) => steps.map(({ action }) => action.do));
    expect(crashes).toEqual(expect.arrayContaining(["cut", "kill"]));
    const shapes = all.map(({ shape }) => shape);
    for (const consistency of ["ppl", "journal", "bitmap", "resync"])
      expect(shapes).toContainEqual(expect.objectContaining({ level: "raid5", consistency }));
    expect(shapes).toContainEqual(expect.objectContaining({ spares: 1 }));
    expect(shapes).toContainEqual(expect.objectContaining({ assumeClean: false }));
  });
});

describe("exploring", () => {
  it("is divided into shares that have each sequence once", async () => {
    const played = async (shard: readonly [number, number]): Promise<string[]> => {
      const told: string[] = [];
      await explore(
        { ...LITTLE, mostCuts: 0, shard },
        nodeClock,
        (_explored, { shape, end, steps }) => {
          told.push(JSON.stringify({ shape, end, steps }));
          return true;
        },
      );
      return told;
    };
    const all = await played([1, 1]);
    const shares = [...(await played([1, 2])), ...(await played([2, 2]))];
    expect(shares.toSorted()).toEqual(all.toSorted());
  });

  it("plays each sequence, and again with cuts", async () => {
    const told: string[] = [];
    const explored = await explore(LITTLE, nodeClock, (_explored, { operations }) => {
      told.push(operations.join());
      return true;
    });
    expect(explored).toMatchObject({ failures: [], isComplete: true });
    expect(told).toHaveLength(explored.sequences);
    expect(explored.runs).toBe(explored.sequences + explored.cuts);
    expect(explored.cuts).toBeGreaterThan(2 * explored.sequences);
  });

  it("does the same again", async () => {
    const options = { ...LITTLE, depths: [2, 2], oneOf: 97 } as const;
    const first = await explore(options, nodeClock);
    expect(await explore(options, nodeClock)).toEqual(first);
    const other = await explore({ ...options, seed: 2 }, nodeClock);
    expect(other.events).not.toBe(first.events);
  });

  it("ends when it was told to", async () => {
    const few = await explore({ ...LITTLE, mostRuns: 10 }, nodeClock);
    expect(few).toMatchObject({ isComplete: false });
    expect(few.runs).toBeLessThan(10 + 1 + LITTLE.mostCuts);
    const none = await explore({ ...LITTLE, forMs: 0 }, nodeClock);
    expect(none).toMatchObject({ runs: 0, isComplete: false });
  });

  it("finds flushes that flush nothing, and tells a script that plays them again", async () => {
    const options = { ...LITTLE, depths: [2, 2], mutant: NO_FLUSH, mostCuts: Infinity } as const;
    const { failures } = await explore(options, nodeClock);
    const [{ script, what }] = failures as [(typeof failures)[0]];
    expect(script.steps[0]!.action.do).toBe("write");
    expect(script.steps.at(-1)!.action.do).toBe("cut");
    expect((await play(script, NO_FLUSH)).what).toEqual(what);
    expect((await play(script)).what).toEqual([]);
  });
});

describe("power that fails again", () => {
  it("does so in the middle of a start", async () => {
    const { shape } = [...sequences(1)][0]!;
    const cut = { do: "cut", away: [], again: 3 } as const;
    const write = { do: "write", sector: 0, sectors: 8, fua: true } as const;
    const steps = [
      { action: write, events: 40 },
      { action: cut, events: 0 },
    ];
    const { what, world } = await play({ scenario: "explore", seed: 3, shape, steps });
    expect(what).toEqual([]);
    const cuts = world.log.filter(({ text }) => text.startsWith("power cut"));
    expect(cuts.map(({ text }) => text)).toEqual([expect.any(String), "power cut again"]);
  });
});
