/** Steps that scenarios of mapped devices are made of. */
import type { Prng } from "../../base/prng.ts";
import type { MappedAction } from "../mapped/action.ts";
import type { Weighted } from "../scenario.ts";
import type { MappedStep } from "../script.ts";

/** Places are cut down to the volume's size when their turn comes. */
const ANYWHERE = 1 << 20;

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

export function ail(prng: Prng): MappedAction {
  return { do: "ail", disk: prng.below(12), health: prng.pick(["gone", "gone", "hung", "slow"]) };
}

function orNoflush(prng: Prng): { noflush?: true } {
  return prng.chance(0.5) ? { noflush: true } : {};
}

/** Suspend, swap and removal of devices in use (law 7). */
export const ADMINISTRATION: readonly Weighted<MappedAction>[] = [
  [
    2,
    (prng) => ({ do: "suspend", volume: prng.below(8), ms: prng.below(200), ...orNoflush(prng) }),
  ],
  [2, (prng) => ({ do: "reload", volume: prng.below(8), ...orNoflush(prng) })],
  [2, (prng) => ({ do: "remove", volume: prng.below(8) })],
];

export function discard(prng: Prng, volumes: number, mostSectors: number): MappedAction {
  const sectors = prng.between(1, mostSectors);
  return { do: "discard", volume: prng.below(volumes), sector: prng.below(ANYWHERE), sectors };
}

/** Disks that are slow, or hang for a moment, and come back. */
export function hang(weight: number): readonly Weighted<MappedAction>[] {
  return [
    [weight, (prng) => ({ do: "ail", disk: prng.below(12), health: prng.pick(["slow", "stuck"]) })],
    [2 * weight, (prng) => ({ do: "return", disk: prng.below(12) })],
  ];
}
