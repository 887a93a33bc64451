/** One run of a script, from a new array to the judgement of what is left of it. */
import { HoldfastError } from "../base/errors.ts";
import { checkAtRest, checkContent } from "./checks.ts";
import { Life } from "./life.ts";
import type { Mutant } from "./mutant.ts";
import { Strays } from "./pump.ts";
import { dismiss } from "./serving.ts";
import type { Script } from "./script.ts";
import { beginSlabs } from "./slab.ts";
import { World } from "./world.ts";

/** What a run has come to. */
export interface Outcome {
  /** Broken: a law was, or it never ended. */
  readonly kind: "clean" | "broken";
  /** What is wrong, a line each; the first tells most. */
  readonly what: readonly string[];
  readonly world: World;
  /** How often the power failed or the process died. */
  readonly crashes: number;
}

const MOST_LINES = 10;

/** Plays a script. One at a time in a thread: errors that nobody waits for are the run's that is played. */
export async function play(script: Script, mutant: Mutant | null = null): Promise<Outcome> {
  beginSlabs();
  const strays = new Strays();
  let life: Life | null = null;
  const wrong: string[] = [];
  try {
    life = await Life.begin(script, mutant);
    await live(life, script);
    wrong.push(...life.machine.wrong);
    if (wrong.length === 0) wrong.push(...(await checkContent(life)), ...(await checkAtRest(life)));
  } catch (error) {
    wrong.push(textOf(error));
  }
  strays.forget();
  wrong.push(...(life?.clients.wrong ?? []), ...strays.errors.map(textOf));
  return {
    kind: wrong.length === 0 ? "clean" : "broken",
    what: wrong.slice(0, MOST_LINES),
    world: life?.world ?? new World(script.seed),
    crashes: life?.crashes ?? 0,
  };
}

async function live(life: Life, { steps }: Script): Promise<void> {
  for (const { action, events } of steps) {
    await life.act(action);
    await life.world.steps(events);
    if (life.machine.wrong.length > 0) return;
  }
  await life.rest();
  await dismiss(life);
}

/** With its stack where it is a mistake in the code; what is told to users says it all by itself. */
function textOf(error: unknown): string {
  if (error instanceof HoldfastError) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
