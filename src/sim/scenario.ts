/** A scenario: a kind of story, of an array or of mapped devices. Each seed tells another one of its kind. */
import type { Prng } from "../base/prng.ts";
import type { Action, ArrayTale, MappedTale, Timed } from "./script.ts";

export interface Scenario<T extends ArrayTale | MappedTale = ArrayTale | MappedTale> {
  readonly name: string;
  /** One sentence. */
  readonly about: string;
  readonly make: (prng: Prng) => T;
}

export type MappedScenario = Scenario<MappedTale>;

/** An action and how often it comes up, relative to the others. */
export type Weighted<A = Action> = readonly [weight: number, make: (prng: Prng) => A];

/** So many actions, each drawn by weight, with up to so many events between two. */
export function mixed<A = Action>(
  prng: Prng,
  count: number,
  mostEvents: number,
  actions: readonly Weighted<A>[],
): Timed<A>[] {
  const total = actions.reduce((sum, [weight]) => sum + weight, 0);
  return Array.from({ length: count }, () => {
    let left = prng.below(total);
    const drawn = actions.find(([weight]) => (left -= weight) < 0)!;
    return { action: drawn[1](prng), events: prng.below(mostEvents + 1) };
  });
}
