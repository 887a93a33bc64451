/** Campaign: many seeds of some scenarios, one after the other, until one is broken or it is enough. */
import type { Clock } from "../env/env.ts";
import { play } from "./play.ts";
import type { Mutant } from "./mutant.ts";
import type { Scenario } from "./scenario.ts";
import type { ArrayTale, MappedTale, NamedTale, Script } from "./script.ts";
import { World } from "./world.ts";

export interface Campaign {
  readonly scenarios: readonly Scenario[];
  readonly mutant: Mutant | null;
  readonly firstSeed: number;
  /** How many seeds of each scenario; Infinity: until the time is over. */
  readonly seeds: number;
  /** For how long runs are begun; Infinity: until all seeds are played. */
  readonly forMs: number;
  /** Goes on after a run that is broken. */
  readonly keepsGoing: boolean;
}

export interface Failure {
  readonly script: Script;
  readonly what: readonly string[];
}

export interface Tally {
  runs: number;
  /** What happened in simulated worlds. */
  events: number;
  /** Power cuts, and processes that died. */
  crashes: number;
  simulatedMs: number;
  readonly failures: Failure[];
}

/** The story that a seed tells. */
export function scriptOf<T extends ArrayTale | MappedTale>(
  scenario: Scenario<T>,
  seed: number,
): NamedTale<T> {
  const prng = new World(seed).prng(`script ${scenario.name}`);
  return { scenario: scenario.name, seed, ...scenario.make(prng) };
}

/** @param told after each run; false: that is enough */
export async function runCampaign(
  campaign: Campaign,
  clock: Clock,
  told: (tally: Tally, script: Script) => boolean = () => true,
): Promise<Tally> {
  const tally = newTally();
  const endMs = clock.monotonicMs() + campaign.forMs;
  for (let seed = campaign.firstSeed; seed < campaign.firstSeed + campaign.seeds; seed += 1) {
    for (const scenario of campaign.scenarios) {
      if (clock.monotonicMs() >= endMs) return tally;
      const script = scriptOf(scenario, seed);
      await runOne(script, campaign.mutant, tally);
      const isEnough = tally.failures.length > 0 && !campaign.keepsGoing;
      if (!told(tally, script) || isEnough) return tally;
    }
  }
  return tally;
}

export function newTally(): Tally {
  return { runs: 0, events: 0, crashes: 0, simulatedMs: 0, failures: [] };
}

/** @returns whether it is clean */
export async function runOne(
  script: Script,
  mutant: Mutant | null,
  tally: Tally,
): Promise<boolean> {
  const { kind, what, world, crashes } = await play(script, mutant);
  tally.runs += 1;
  tally.events += world.events;
  tally.crashes += crashes;
  tally.simulatedMs += world.nowUs / 1000;
  if (kind === "broken") tally.failures.push({ script, what });
  return kind === "clean";
}
