/** Scripts in files: what was found once, kept to be played again. */
import { HoldfastError } from "../base/errors.ts";
import type { ArrayScript, MappedScript } from "./script.ts";

/** @param found what it found: a sentence */
export type KeptScript = (ArrayScript | MappedScript) & { readonly found: string };

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
  const {
    found = "",
    scenario,
    seed,
    shape,
    stack,
    steps,
  } = (parsed ?? {}) as Partial<ArrayScript & MappedScript & { readonly found: string }>;
  if (typeof found !== "string") throw no("'found' is no text");
  if (typeof scenario !== "string") throw no("it names no scenario");
  if (!Number.isSafeInteger(seed)) throw no("its seed is no whole number");
  const isArray = typeof shape?.level === "string" && Number.isSafeInteger(shape.disks);
  if (!isArray && typeof stack?.target !== "string")
    throw no("it has neither the shape of an array nor a stack of mapped devices");
  if (!Array.isArray(steps)) throw no("it has no list of steps");
  const wrong = steps.findIndex(
    (step) => typeof step?.action?.do !== "string" || !Number.isSafeInteger(step.events),
  );
  if (wrong >= 0) throw no(`step ${wrong + 1} has no action, or no number of events`);
  const named = { found, scenario, seed: seed! };
  return isArray ? { ...named, shape, steps } : { ...named, stack: stack!, steps };
}
