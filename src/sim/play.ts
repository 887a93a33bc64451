/** One run of a script, from a new array, or new mapped devices, to the judgement of what is left of it. */
import { HoldfastError } from "../base/errors.ts";
import { checkAtRest, checkContent } from "./checks.ts";
import { Life } from "./life.ts";
import type { Mutant } from "./mutant.ts";
import { Strays } from "./pump.ts";
import { dismiss } from "./serving.ts";
import { checkMapped } from "./mapped/checks.ts";
import { MappedLife } from "./mapped/life.ts";
import { isMapped } from "./script.ts";
import type { ArrayScript, MappedScript, Script } from "./script.ts";
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

/** A run as it is lived, whatever it is of. */
interface Run {
  readonly world: World;
  readonly crashes: number;
  /** What clients were told that was wrong. */
  readonly complaints: readonly string[];
}

/** Plays a script. One at a time in a thread: errors that nobody waits for are the run's that is played. */
export async function play(script: Script, mutant: Mutant | null = null): Promise<Outcome> {
  beginSlabs();
  const strays = new Strays();
  let run: Run | null = null;
  const wrong: string[] = [];
  const begun = (one: Run): void => {
    run = one;
  };
  try {
    const living = isMapped(script)
      ? playMapped(script, mutant, begun)
      : playArray(script, mutant, begun);
    wrong.push(...(await living));
  } catch (error) {
    wrong.push(textOf(error));
  }
  strays.forget();
  const { world, crashes, complaints } = (run as Run | null) ?? nothing(script);
  wrong.push(...complaints, ...strays.errors.map(textOf));
  return {
    kind: wrong.length === 0 ? "clean" : "broken",
    what: wrong.slice(0, MOST_LINES),
    world,
    crashes,
  };
}

function nothing({ seed }: Script): Run {
  return { world: new World(seed), crashes: 0, complaints: [] };
}

/** @returns what is wrong */
async function playArray(
  script: ArrayScript,
  mutant: Mutant | null,
  begun: (run: Run) => void,
): Promise<string[]> {
  const life = await Life.begin(script, mutant);
  begun(life);
  await live(life, script);
  const { wrong } = life.machine;
  if (wrong.length > 0) return wrong;
  return [...(await checkContent(life)), ...(await checkAtRest(life))];
}

async function live(life: Life, { steps }: ArrayScript): Promise<void> {
  for (const { action, events } of steps) {
    await life.act(action);
    await life.world.steps(events);
    if (life.machine.wrong.length > 0) return;
  }
  await life.rest();
  await dismiss(life);
}

async function playMapped(
  script: MappedScript,
  mutant: Mutant | null,
  begun: (run: Run) => void,
): Promise<string[]> {
  const life = new MappedLife(script, mutant);
  begun(life);
  await life.begin();
  for (const { action, events } of script.steps) {
    await life.act(action);
    await life.world.steps(events);
    if (life.wrong.length > 0) return life.wrong;
  }
  await life.rest();
  return life.wrong.length > 0 ? life.wrong : checkMapped(life);
}

/** With its stack where it is a mistake in the code; what is told to users says it all by itself. */
function textOf(error: unknown): string {
  if (error instanceof HoldfastError) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
