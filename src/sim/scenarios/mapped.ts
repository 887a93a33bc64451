/** Steps that scenarios of mapped devices are made of. */
import type { Prng } from "../../base/prng.ts";
import type { MappedAction } from "../mapped/action.ts";
import type { Weighted } from "../scenario.ts";
import type { MappedStep } from "../script.ts";

/** Places are cut down to the volume's size when their turn comes. */
export const ANYWHERE = 1 << 20;

export function mappedStep(action: MappedAction, events = 0): MappedStep {
  return { action, events };
}

export interface UseOptions {
  readonly within?: number;
  readonly mostSectors?: number;
  readonly fua?: number;
}

/** A write, a read or a flush of one of so many volumes. */
export function use(prng: Prng, volumes = 1, options: UseOptions = {}): MappedAction {
  const { within = ANYWHERE, mostSectors = 12, fua = 0.1 } = options;
  const volume = prng.below(volumes);
  if (prng.chance(0.12)) return { do: "flush", volume };
  const place = { volume, sector: prng.below(within), sectors: prng.between(1, mostSectors) };
  if (prng.chance(0.15)) return { do: "read", ...place };
  return { do: "write", ...place, ...(prng.chance(fua) ? { fua: true as const } : {}) };
}

export const CUT: Weighted<MappedAction> = [
  1,
  (prng) => (prng.chance(0.2) ? { do: "cut", again: prng.below(60) } : { do: "cut" }),
];
export const KILL: Weighted<MappedAction> = [1, () => ({ do: "kill" })];

export function pause(prng: Prng, least: number, most: number): MappedAction {
  return { do: "wait", ms: prng.between(least, most) };
}
