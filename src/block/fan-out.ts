/**
 * One completion out of many parts: counted once, the first error wins and is reported after the last part
 * has ended, so whoever owns the buffers may reuse them then.
 */
import { assert } from "../base/assert.ts";
import type { HoldfastError } from "../base/errors.ts";
import type { BioEnd } from "./bio.ts";

/** Gives the end that each of `parts` parts calls once; `end` follows the last of them. */
export function fanOut(parts: number, end: BioEnd): BioEnd {
  assert(parts > 0, "a fan-out has at least one part");
  let left = parts;
  let first: HoldfastError | null = null;
  return (error) => {
    assert(left > 0, "each part of a fan-out ends once");
    first ??= error;
    left -= 1;
    if (left === 0) end(first);
  };
}

/**
 * Runs `step(0)`, `step(1)`, ... up to `steps`, each when the one before has ended; stops at the first error.
 * Steps that end at once do not deepen the stack.
 */
export function inSequence(
  steps: number,
  step: (index: number, end: BioEnd) => void,
  end: BioEnd,
): void {
  let index = 0;
  let looping = false;
  let ended = true;
  const next: BioEnd = (error) => {
    assert(!ended, "each step ends once");
    ended = true;
    if (error !== null) {
      index = steps + 1;
      end(error);
      return;
    }
    index += 1;
    if (!looping) loop();
  };
  const loop = (): void => {
    looping = true;
    while (ended && index < steps) {
      ended = false;
      step(index, next);
    }
    looping = false;
    if (ended && index === steps) end(null);
  };
  loop();
}

/**
 * Works through `total` units in runs, each started when the one before has ended; stops at the first error.
 * `step(at, end)` starts at unit `at` and returns how many units it does (at least one). Runs that end at once do not
 * deepen the stack, however many there are.
 */
export function inRuns(
  total: number,
  step: (at: number, end: BioEnd) => number,
  end: BioEnd,
): void {
  let at = 0;
  let looping = false;
  let ended = true;
  let failed: HoldfastError | null = null;
  const loop = (): void => {
    looping = true;
    while (ended && failed === null && at < total) {
      ended = false;
      const units = step(at, done);
      assert(units > 0 && at + units <= total, "a run lies inside what is left");
      at += units;
    }
    looping = false;
    if (ended) end(failed);
  };
  const done: BioEnd = (error) => {
    assert(!ended, "each run ends once");
    ended = true;
    failed = error;
    if (!looping) loop();
  };
  loop();
}
