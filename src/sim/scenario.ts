/** A scenario: a kind of story. Each seed tells another one of its kind. */
import type { Prng } from "../base/prng.ts";
import type { Action, Step } from "./script.ts";
import type { Shape } from "./shape.ts";

export interface Scenario {
  readonly name: string;
  /** One sentence. */
  readonly about: string;
  readonly make: (prng: Prng) => { readonly shape: Shape; readonly steps: readonly Step[] };
}

/** An action and how often it comes up, relative to the others. */
export type Weighted = readonly [weight: number, make: (prng: Prng) => Action];

/** So many actions, each drawn by weight, with up to so many events between two. */
export function mixed(
  prng: Prng,
  count: number,
  mostEvents: number,
  actions: readonly Weighted[],
): Step[] {
  const total = actions.reduce((sum, [weight]) => sum + weight, 0);
  return Array.from({ length: count }, () => {
    let left = prng.below(total);
    const drawn = actions.find(([weight]) => (left -= weight) < 0)!;
    return { action: drawn[1](prng), events: prng.below(mostEvents + 1) };
  });
}
