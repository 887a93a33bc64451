/**
 * Bounded exploration: no luck but the disks', all short stories instead. Every sequence of up to so many operations on every small array,
 * one right after the other or with time between; and each again with a power cut, or a kill, after every event that follows its last operation.
 * What follows earlier ones was cut already, in the sequence that ends there: both are the same up to the cut.
 */
import type { Clock } from "../env/env.ts";
import { Life } from "./life.ts";
import { BEFORE_ALL, ENDS, EXPLORATION, OPERATIONS, deed } from "./operations.ts";
import type { End, Failing, Operation, Situation } from "./operations.ts";
import type { Mutant } from "./mutant.ts";
import { newTally, runOne } from "./runner.ts";
import type { Tally } from "./runner.ts";
import type { Action, ArrayScript, Step } from "./script.ts";
import type { Shape } from "./shape.ts";

/** Between two operations: nothing, some of what the first makes happen, and all of it. */
const PACES = ["at once", "under way", "over"] as const;
type Pace = (typeof PACES)[number];

const EVENTS_UNDER_WAY = 5;
/** What happens by itself (a bitmap is cleared, an array becomes clean) does within that. */
const AFTERMATH_MS = 12_000;

const TINY: Omit<Shape, "level" | "disks" | "layout" | "consistency"> = {
  spares: 0,
  chunkSectors: 8,
  componentSectors: 128,
  writeBehind: 0,
  badBlockLog: false,
  assumeClean: true,
  sharesBuffers: false,
};

const RAID1 = { ...TINY, level: "raid1", layout: null, disks: 2, chunkSectors: 0 } as const;
const RAID5 = { ...TINY, level: "raid5", layout: 2, disks: 3 } as const;

const ARRAYS: readonly Shape[] = [
  ...(["resync", "bitmap"] as const).flatMap((consistency): Shape[] => [
    { ...RAID1, consistency },
    { ...RAID5, consistency },
    { ...TINY, consistency, level: "raid10", layout: 0x102, disks: 2 },
    { ...TINY, consistency, level: "raid10", layout: 0x102, disks: 3 },
    { ...TINY, consistency, level: "raid6", layout: 2, disks: 4 },
    { ...RAID1, consistency, spares: 1 },
    { ...RAID5, consistency, spares: 1 },
    { ...RAID1, consistency, assumeClean: false },
    { ...RAID5, consistency, assumeClean: false },
  ]),
  { ...RAID5, consistency: "ppl" },
  { ...RAID5, consistency: "journal" },
];

export interface Sequence {
  readonly shape: Shape;
  /** What its crashes are, and those that are tried after it. */
  readonly end: End;
  readonly operations: readonly Operation[];
  readonly steps: readonly Step[];
}

/** All of that length, each on every array. */
export function* sequences(length: number): Iterable<Sequence> {
  for (const end of ENDS)
    for (const failing of ["told", "found"] as const)
      for (const pace of length > 1 ? PACES : PACES.slice(0, 1))
        for (const shape of ARRAYS) {
          const bounds = { length, failing, pace, end };
          yield* longer({ shape, end, operations: [], steps: [] }, BEFORE_ALL, bounds);
        }
}

interface Bounds {
  readonly length: number;
  readonly failing: Failing;
  readonly pace: Pace;
  readonly end: End;
}

function* longer(
  sequence: Sequence,
  situation: Situation,
  bounds: Bounds,
): Generator<Sequence, void> {
  const { shape, end, operations, steps } = sequence;
  if (operations.length === bounds.length) {
    // How members fail makes no difference where none does.
    if (bounds.failing === "told" || situation.failures > 0) yield sequence;
    return;
  }
  for (const operation of OPERATIONS) {
    const done = deed(operation, situation, shape, bounds);
    if (done === null) continue;
    const next = {
      shape,
      end,
      operations: [...operations, operation],
      steps: [...paced(steps, bounds.pace), { action: done.action, events: 0 }],
    };
    yield* longer(next, done.after, bounds);
  }
}

function paced(steps: readonly Step[], pace: Pace): readonly Step[] {
  const last = steps.at(-1);
  if (last === undefined) return steps;
  switch (pace) {
    case "at once":
      return steps;
    case "under way":
      return [...steps.slice(0, -1), { ...last, events: EVENTS_UNDER_WAY }];
    case "over":
      return [...steps, { action: { do: "wait", ms: AFTERMATH_MS }, events: 0 }];
  }
}

export interface Exploration {
  readonly mutant: Mutant | null;
  /** Of all chance that is left: how long disks take, and what they lose. */
  readonly seed: number;
  /** Operations, at least and at most. */
  readonly depths: readonly [least: number, most: number];
  /** Of each sequence no more than these, spread evenly; which ones depends on the seed. Infinity: all. */
  readonly mostCuts: number;
  /** One sequence of so many only; which ones depends on the seed. 1: all. */
  readonly oneOf: number;
  /** Of those the share number K of N, for N of these to be run side by side. */
  readonly shard: readonly [k: number, n: number];
  readonly mostRuns: number;
  /** For how long sequences are begun. */
  readonly forMs: number;
  /** Goes on after a run that is broken. */
  readonly keepsGoing: boolean;
}

export interface Explored extends Tally {
  sequences: number;
  /** Power cuts between two events, besides those that are operations. */
  cuts: number;
  /** Not: time or runs were over before. */
  isComplete: boolean;
}

/** @param told after each sequence; false: that is enough */
export async function explore(
  exploration: Exploration,
  clock: Clock,
  told: (explored: Explored, sequence: Sequence) => boolean = () => true,
): Promise<Explored> {
  const { depths, seed, oneOf, shard, mostRuns, forMs, keepsGoing } = exploration;
  const explored: Explored = { ...newTally(), sequences: 0, cuts: 0, isComplete: false };
  const endMs = clock.monotonicMs() + forMs;
  let index = seed % oneOf;
  for (let length = depths[0]; length <= depths[1]; length += 1)
    for (const sequence of sequences(length)) {
      index += 1;
      if (index % oneOf !== 0 || (index / oneOf) % shard[1] !== shard[0] - 1) continue;
      if (explored.runs >= mostRuns || clock.monotonicMs() >= endMs) return explored;
      await exploreSequence(exploration, sequence, explored);
      const isEnough = explored.failures.length > 0 && !keepsGoing;
      if (!told(explored, sequence) || isEnough) return explored;
    }
  explored.isComplete = true;
  return explored;
}

async function exploreSequence(
  { seed, mostCuts, mutant, keepsGoing }: Exploration,
  { shape, end, steps }: Sequence,
  explored: Explored,
): Promise<void> {
  const uncut: ArrayScript = { scenario: EXPLORATION, seed, shape, steps };
  explored.sequences += 1;
  const isClean = await runOne(uncut, mutant, explored);
  // What breaks it without a cut would break it with each.
  if (!isClean) return;
  const events = await countEvents(uncut, mutant);
  const stride = Math.max(1, Math.ceil(events / mostCuts));
  const first = (seed + explored.sequences) % stride;
  for (let at = first; at < events; at += stride) {
    explored.cuts += 1;
    const isWhole = await runOne({ ...uncut, steps: withEnd(steps, end, at) }, mutant, explored);
    if (!isWhole && !keepsGoing) return;
  }
}

/** A crash so many events after the last operation began; a second one, if it is a crash itself. */
function withEnd(steps: readonly Step[], end: End, events: number): Step[] {
  const { action } = steps.at(-1)!;
  const before = steps.slice(0, -1);
  if (action.do === "cut" || action.do === "kill")
    return [...before, { action: { ...action, again: events }, events: 0 }];
  const crash: Action = end === "cut" ? { do: "cut", away: [] } : { do: "kill" };
  return [...before, { action, events }, { action: crash, events: 0 }];
}

/** Those that follow from the last operation, starting again included. */
async function countEvents(
  { steps, ...script }: ArrayScript,
  mutant: Mutant | null,
): Promise<number> {
  const life = await Life.begin({ ...script, steps }, mutant);
  const { world } = life;
  let before = 0;
  for (const { action, events } of steps) {
    before = world.events;
    await life.act(action);
    await world.steps(events);
  }
  await world.pass(AFTERMATH_MS * 1000);
  return world.events - before;
}
