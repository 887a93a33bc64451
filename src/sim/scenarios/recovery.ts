/** Members leave and come back, or others take their places. */
import type { Scenario } from "../scenario.ts";
import type { Step } from "../script.ts";
import { anyDisk, cut, rounds, shapeOf, slowly, step, wait, writes } from "./steps.ts";

const ALL = ["raid1", "raid10", "raid4", "raid5", "raid6"] as const;

const RETURNS: Scenario = {
  name: "returns",
  about: "a disk of an array with a bitmap is away for a while, and comes back to its place",
  make: (prng) => {
    const shape = shapeOf(prng, ALL, {
      consistency: "bitmap",
      assumeClean: true,
      componentSectors: 512,
    });
    const round = (): Step[] => {
      const disk = anyDisk(prng, shape);
      const read = (): Step => step({ do: "read", sector: prng.below(4096), sectors: 64 });
      return [
        ...writes(prng, prng.between(1, 6), { events: 12 }),
        step({ do: "ail", disk, health: "gone" }),
        ...slowly(prng, prng.between(2, 5), 10),
        wait(prng, 1, 40),
        step({ do: "return", disk }),
        ...slowly(prng, prng.between(2, 8), 3).flatMap((one) => [one, read()]),
        ...(prng.chance(0.4) ? [cut()] : [wait(prng, 1, 1000)]),
      ];
    };
    return { shape, steps: rounds(prng, 3, round) };
  },
};

const RETURNS_IDLE: Scenario = {
  name: "returns-idle",
  about:
    "a disk of an array with a bitmap comes back after a long time in which little was written",
  make: (prng) => {
    const shape = shapeOf(prng, ALL, { consistency: "bitmap", assumeClean: true });
    const disk = anyDisk(prng, shape);
    const steps = [
      ...writes(prng, prng.between(0, 4)),
      step({ do: "ail", disk, health: "gone" }),
      ...slowly(prng, prng.between(1, 5), 10),
      wait(prng, 12_000, 30_000),
      step({ do: "return", disk }),
      wait(prng, 100, 1000),
    ];
    return { shape, steps };
  },
};

const RETURNS_LATE: Scenario = {
  name: "returns-late",
  about: "a disk comes back after a spare had its place, and bits were cleared meanwhile",
  make: (prng) => {
    const shape = shapeOf(prng, ALL, { consistency: "bitmap", assumeClean: true, spares: 1 });
    const disk = anyDisk(prng, shape);
    const steps = [
      ...writes(prng, 3),
      step({ do: "ail", disk, health: "gone" }),
      ...writes(prng, 3),
      wait(prng, 2000, 4000),
      ...writes(prng, 4),
      wait(prng, 17_000, 25_000),
      step({ do: "ail", disk: shape.disks, health: "gone" }),
      ...writes(prng, 2),
      wait(prng, 10, 100),
      step({ do: "return", disk }, 20),
      wait(prng, 500, 1000),
    ];
    return { shape, steps };
  },
};

const RECOVERY: Scenario = {
  name: "recovery",
  about: "a spare is filled while clients write and the power fails",
  make: (prng) => {
    const consistency = prng.pick(["resync", "bitmap"] as const);
    const componentSectors = prng.pick([512, 2048]);
    const shape = shapeOf(prng, ALL, {
      consistency,
      assumeClean: true,
      spares: 1,
      componentSectors,
    });
    const steps = [
      ...writes(prng, prng.between(4, 8)),
      ...(prng.chance(0.5) ? [step({ do: "hold-sync", sector: 256 })] : []),
      step({ do: "ail", disk: anyDisk(prng, shape), health: "gone" }),
      ...slowly(prng, prng.between(2, 6), 6),
      wait(prng, 5, 40),
      ...rounds(prng, 3, () => [
        ...slowly(prng, prng.between(1, 6), 8),
        ...(prng.chance(0.4) ? [step({ do: "end-sync", word: "idle" }, prng.below(10))] : []),
        ...(prng.chance(0.7) ? [prng.chance(0.6) ? cut() : step({ do: "stop" })] : []),
      ]),
      ...slowly(prng, prng.between(0, 6), 8),
    ];
    return { shape, steps };
  },
};

const REPLACEMENT: Scenario = {
  name: "replacement",
  about: "a member is replaced while clients write and the power fails",
  make: (prng) => {
    const consistency = prng.pick(["resync", "bitmap"] as const);
    const shape = shapeOf(prng, ALL, {
      consistency,
      assumeClean: true,
      spares: 1,
      componentSectors: 1024,
    });
    const steps = [
      ...writes(prng, prng.between(3, 8)),
      step({ do: "replace", disk: anyDisk(prng, shape) }),
      ...writes(prng, prng.between(5, 25), { events: 8 }),
      ...(prng.chance(0.5) ? [cut()] : []),
      ...writes(prng, prng.between(1, 10), { events: 8 }),
    ];
    return { shape, steps };
  },
};

export const RECOVERY_SCENARIOS: readonly Scenario[] = [
  RETURNS,
  RETURNS_IDLE,
  RETURNS_LATE,
  RECOVERY,
  REPLACEMENT,
];
