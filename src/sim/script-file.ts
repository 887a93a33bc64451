/** Scripts in files: what was found once, kept to be played again. */
import { HoldfastError } from "../base/errors.ts";
import type { Script } from "./script.ts";

export interface KeptScript extends Script {
  /** What it found: a sentence. */
  readonly found: string;
}

/** @throws HoldfastError `usage` where it is no script; what is in its steps is only known when they are played */
export function parseScript(text: string, from: string): KeptScript {
  const no = (why: string): HoldfastError =>
    new HoldfastError("usage", `${from} is no script of the simulator: ${why}.`);
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw no(`it is no JSON (${(error as Error).message})`);
  }
  const { found = "", scenario, seed, shape, steps } = (parsed ?? {}) as Partial<KeptScript>;
  if (typeof found !== "string") throw no("'found' is no text");
  if (typeof scenario !== "string") throw no("it names no scenario");
  if (!Number.isSafeInteger(seed)) throw no("its seed is no whole number");
  if (typeof shape?.level !== "string" || !Number.isSafeInteger(shape.disks))
    throw no("its shape is not one of an array");
  if (!Array.isArray(steps)) throw no("it has no list of steps");
  const wrong = steps.findIndex(
    (step) => typeof step?.action?.do !== "string" || !Number.isSafeInteger(step.events),
  );
  if (wrong >= 0) throw no(`step ${wrong + 1} has no action, or no number of events`);
  return { found, scenario, seed: seed!, shape, steps };
}
