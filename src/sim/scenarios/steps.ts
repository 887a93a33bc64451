/** Steps that many scenarios are made of. */
import type { Prng } from "../../base/prng.ts";
import type { Action, Step } from "../script.ts";
import { randomShape } from "../shape.ts";
import type { Shape } from "../shape.ts";

/** Places are cut down to the array's size when their turn comes. */
export const ANYWHERE = 4096;

export function step(action: Action, events = 0): Step {
  return { action, events };
}

export interface WriteOptions {
  /** Below this sector; everywhere unless given. */
  readonly within?: number;
  /** Between two writes, at most. */
  readonly events?: number;
  readonly fua?: number;
  readonly flush?: number;
}

/** So many writes, between them perhaps flushes. */
export function writes(prng: Prng, count: number, options: WriteOptions = {}): Step[] {
  const { within = ANYWHERE, events = 6, fua = 0, flush = 0 } = options;
  const steps: Step[] = [];
  for (let left = count; left > 0; left -= 1) {
    const isDurable = prng.chance(fua);
    const sectors = prng.chance(0.1) ? prng.between(9, 40) : prng.between(1, 8);
    const where = { sector: prng.below(within), sectors };
    steps.push(
      step(
        { do: "write", ...where, ...(isDurable ? { fua: true as const } : {}) },
        prng.below(events + 1),
      ),
    );
    if (prng.chance(flush)) steps.push(step({ do: "flush" }, prng.below(events + 1)));
  }
  return steps;
}

/** As `writes`, with time between them instead of events: so many ms at most. */
export function slowly(
  prng: Prng,
  count: number,
  mostMs: number,
  options: WriteOptions = {},
): Step[] {
  return writes(prng, count, { events: 1, ...options }).flatMap((one) => [
    one,
    wait(prng, 0, mostMs),
  ]);
}

export function cut(away: readonly number[] = []): Step {
  return step({ do: "cut", away });
}

export function wait(prng: Prng, least: number, most: number): Step {
  return step({ do: "wait", ms: prng.between(least, most) });
}

/** A disk that belongs to the array, none of its spares. */
export function anyDisk(prng: Prng, { disks }: Shape): number {
  return prng.below(disks);
}

export function rounds(prng: Prng, most: number, round: () => readonly Step[]): Step[] {
  return Array.from({ length: prng.between(1, most) }, round).flat();
}

/** One of the levels that are named. */
export function shapeOf(
  prng: Prng,
  levels: readonly Shape["level"][],
  only: Partial<Shape> = {},
): Shape {
  return randomShape(prng, { spares: 0, ...only, level: prng.pick(levels) });
}
