/**
 * Bounded exploration, as far as each run of the tests goes: a part of the sequences of one and two operations, with some crash points of each, and
 * some longer ones; others with each commit. `HOLDFAST_SIM_MINUTES=N`: every crash point, until so much time is over.
 */
import { expect, it } from "vitest";
import { nodeClock } from "../src/env/node/clock.ts";
import { explore } from "../src/sim/explore.ts";
import { MOST_OPERATIONS } from "../src/sim/operations.ts";
import { seedOfRun } from "./support/seed.ts";

const MINUTES = Number(process.env["HOLDFAST_SIM_MINUTES"] ?? 0);
const MOST_CUTS = MINUTES > 0 ? Infinity : 2;
const FOR_MS = MINUTES > 0 ? MINUTES * 60_000 : Infinity;
const HANG_MS = 600_000 + MINUTES * 60_000;
/** Of the sequences of three and four. */
const LONG = MINUTES > 0 ? { oneOf: 1, mostRuns: Infinity } : { oneOf: 211, mostRuns: 1200 };

const PARTS = [
  ["one and two", [1, 2], { oneOf: MINUTES > 0 ? 1 : 7, mostRuns: Infinity }],
  ["three and four", [3, MOST_OPERATIONS], LONG],
] as const;

it.each(PARTS)(
  `sequences of %s operations, seed ${seedOfRun()}`,
  async (_name, depths, bounds) => {
    const explored = await explore(
      {
        ...bounds,
        depths,
        mutant: null,
        shard: [1, 1],
        seed: seedOfRun(),
        mostCuts: MOST_CUTS,
        forMs: FOR_MS,
        keepsGoing: false,
      },
      nodeClock,
    );
    const [broken] = explored.failures;
    expect(broken?.what ?? [], JSON.stringify(broken?.script)).toEqual([]);
    expect(explored.runs).toBeGreaterThan(500);
  },
  HANG_MS,
);
