/** Everything at once: clients, failures, administrators, background sync and power cuts, over all levels. */
import type { Prng } from "../../base/prng.ts";
import { mixed } from "../scenario.ts";
import type { Scenario, Weighted } from "../scenario.ts";
import { dataOffsetOf, randomShape } from "../shape.ts";
import type { Step } from "../script.ts";
import type { Shape } from "../shape.ts";
import { ANYWHERE, cut, writes } from "./steps.ts";

const WORDS = ["check", "repair", "frozen", "idle"] as const;
const STATES = ["readonly", "read-auto", "active", "active", "clean"] as const;

export function clientActions(isLong: boolean): Weighted[] {
  return [
    [
      40,
      (prng) => ({
        do: "write",
        sector: prng.below(ANYWHERE),
        sectors: prng.between(1, isLong && prng.chance(0.2) ? 64 : 8),
        ...(prng.chance(0.3) ? { fua: true as const } : {}),
        ...(prng.chance(0.1) ? { preflush: true as const } : {}),
      }),
    ],
    [9, () => ({ do: "flush" })],
    [6, (prng) => ({ do: "read", sector: prng.below(ANYWHERE), sectors: prng.between(1, 32) })],
  ];
}

export function trouble({ disks, spares }: Shape): Weighted[] {
  const disk = (prng: Prng): number => prng.below(disks + spares);
  return [
    [
      2,
      (prng) => ({
        do: "ail",
        disk: disk(prng),
        health: prng.pick(["gone", "gone", "hung", "slow"]),
      }),
    ],
    [
      1,
      (prng) => ({
        do: "bad-sector",
        disk: disk(prng),
        sector: prng.below(ANYWHERE),
        ...(prng.chance(0.3) ? { cannotBeWritten: true as const } : {}),
      }),
    ],
    [1, (prng) => ({ do: "fail-member", disk: disk(prng) })],
    [4, (prng) => ({ do: "return", disk: disk(prng) })],
    [1, (prng) => ({ do: "replace", disk: disk(prng) })],
    [2, (prng) => ({ do: "sync-action", word: prng.pick(WORDS) })],
    [2, (prng) => ({ do: "array-state", word: prng.pick(STATES) })],
    [
      1,
      (prng) => ({
        do: "suspend",
        sector: prng.below(ANYWHERE),
        sectors: prng.chance(0.5) ? 0 : prng.below(256),
      }),
    ],
    [1, (prng) => ({ do: "wait", ms: prng.between(1, 12_000) })],
    [1, (prng) => ({ do: "cut", away: prng.chance(0.5) ? [disk(prng)] : [] })],
    [0.5, () => ({ do: "kill" })],
    [0.2, () => ({ do: "restart" })],
    [0.1, () => ({ do: "rest" })],
  ];
}

export const MIXED: Scenario = {
  name: "mixed",
  about:
    "clients, failing disks, administrators, background sync and power cuts, over all levels and ways to keep them consistent",
  make: (prng) => {
    const shape = randomShape(prng);
    const count = prng.between(10, 200);
    const actions = [...clientActions(true), ...trouble(shape)];
    return { shape, steps: mixed(prng, count, 12, actions) };
  },
};

/** The plainest: as an example. */
export const CRASH: Scenario = {
  name: "crash",
  about: "a raid5 of three disks is created, written, loses power, recovers, and is read",
  make: (prng) => {
    const shape = randomShape(prng, {
      level: "raid5",
      disks: 3,
      spares: 0,
      consistency: "bitmap",
      chunkSectors: 128,
      componentSectors: 1024,
      assumeClean: true,
    });
    const steps = mixed(prng, prng.between(5, 25), 6, clientActions(false));
    return { shape, steps: [...steps, { action: { do: "cut", away: [] }, events: 0 }] };
  },
};

/** What `bench/sim.mjs` plays: always as much to do, whatever the seed. */
export const POWER_CUT: Scenario = {
  name: "power-cut",
  about:
    "a raid5 of three disks of 1 MiB is created, written three dozen times, loses power, recovers, and is read",
  make: (prng) => {
    const consistency = prng.pick(["resync", "bitmap"] as const);
    const shape = randomShape(prng, {
      level: "raid5",
      disks: 3,
      spares: 0,
      consistency,
      chunkSectors: 128,
      componentSectors: 2048 - dataOffsetOf({ consistency }),
      assumeClean: true,
    });
    const steps = [...writes(prng, 36, { fua: 0.2, flush: 0.2 }), cut()];
    return { shape, steps };
  },
};

/** One crash after the other, so that very many of them can be tried. */
export const CRASHES: Scenario = {
  name: "crashes",
  about:
    "a small array of any level is written, loses power or its process, recovers, is written again, dozens of times",
  make: (prng) => {
    const shape = randomShape(prng, { componentSectors: prng.pick([128, 256, 512]) });
    const disk = (): number => prng.below(shape.disks + shape.spares);
    const crash = (): Step => {
      if (prng.chance(0.2)) return { action: { do: "kill" }, events: 0 };
      const away = prng.chance(0.1) ? [disk()] : [];
      const again = prng.chance(0.3) ? { again: prng.below(60) } : {};
      return { action: { do: "cut", away, ...again }, events: prng.below(20) };
    };
    const round = (): Step[] => {
      const steps = writes(prng, prng.between(1, 6), { events: 4, fua: 0.2, flush: 0.2 });
      if (prng.chance(0.1)) steps.push({ action: { do: "return", disk: disk() }, events: 4 });
      if (prng.chance(0.05))
        steps.push({ action: { do: "wait", ms: prng.between(1, 8000) }, events: 0 });
      return [...steps, crash()];
    };
    return { shape, steps: Array.from({ length: 40 }, round).flat() };
  },
};
