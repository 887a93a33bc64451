/** Background sync, and all that may come in its way. */
import type { Prng } from "../../base/prng.ts";
import { mixed } from "../scenario.ts";
import type { Scenario, Weighted } from "../scenario.ts";
import type { Step } from "../script.ts";
import { cut, rounds, shapeOf, step, writes } from "./steps.ts";

const ALL = ["raid1", "raid10", "raid4", "raid5", "raid6"] as const;

const HELD_UP: readonly Weighted[] = [
  [3, (prng) => ({ do: "suspend", sector: 0, sectors: prng.pick([0, 8, 4096]) })],
  [
    3,
    (prng) => ({
      do: "array-state",
      word: prng.pick(["readonly", "read-auto", "active", "active"]),
    }),
  ],
  [2, (prng) => ({ do: "sync-action", word: prng.pick(["frozen", "idle"]) })],
  [4, (prng) => ({ do: "write", sector: prng.below(4096), sectors: prng.between(1, 8) })],
];

const SYNC_LIFE: Scenario = {
  name: "sync-life",
  about:
    "background sync is asked for, frozen and ended in arrays that are suspended, read-only and busy",
  make: (prng) => {
    const shape = shapeOf(prng, ALL, { componentSectors: 2048 });
    const round = (): Step[] => [
      ...(prng.chance(0.5) ? [step({ do: "hold-sync", sector: 512 })] : []),
      step({ do: "sync-action", word: prng.pick(["check", "repair"]) }, prng.below(8)),
      ...mixed(prng, prng.between(0, 4), 4, HELD_UP),
      step({ do: "end-sync", word: prng.pick(["frozen", "idle"]) }, prng.below(4)),
    ];
    return { shape, steps: rounds(prng, 5, round) };
  },
};

const BUSY_SYNC: Scenario = {
  name: "busy-sync",
  about: "clients write where background sync is at work",
  make: (prng) => {
    const shape = shapeOf(prng, ALL, { assumeClean: true, spares: 1 });
    const asked = (from: Prng): Step =>
      step({ do: "sync-action", word: from.pick(["check", "repair"]) });
    const round = (): Step[] => [
      ...writes(prng, 3, { events: 3 }),
      prng.chance(0.6) ? cut() : asked(prng),
      ...writes(prng, prng.between(5, 15), { events: 2 }),
    ];
    return { shape, steps: rounds(prng, 4, round) };
  },
};

export const SYNC_SCENARIOS: readonly Scenario[] = [SYNC_LIFE, BUSY_SYNC];
