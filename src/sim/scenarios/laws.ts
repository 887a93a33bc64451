/** Scenarios in which one law is on trial: short, and with little that has nothing to do with it. */
import type { Prng } from "../../base/prng.ts";
import type { Scenario } from "../scenario.ts";
import type { Step } from "../script.ts";
import type { Shape } from "../shape.ts";
import { anyDisk, cut, rounds, shapeOf, slowly, step, wait, writes } from "./steps.ts";
import { RECOVERY_SCENARIOS } from "./recovery.ts";
import { SYNC_SCENARIOS } from "./sync.ts";

const MIRRORS = ["raid1", "raid10"] as const;
const PARITY = ["raid4", "raid5", "raid6"] as const;
const ALL = [...MIRRORS, ...PARITY] as const;

function gone(prng: Prng, shape: Shape): Step {
  const health = prng.pick(["gone", "gone", "hung"] as const);
  return step({ do: "ail", disk: anyDisk(prng, shape), health }, prng.below(4));
}

const DURABLE: Scenario = {
  name: "durable",
  about: "durable writes and flushes, closely together, and power cuts",
  make: (prng) => {
    const shape = shapeOf(prng, ALL, { assumeClean: true });
    const burst = (): Step[] => writes(prng, prng.between(3, 10), { fua: 0.3, flush: 0.5 });
    return { shape, steps: rounds(prng, 4, () => [...burst(), cut()]) };
  },
};

const CLEAN: Scenario = {
  name: "clean",
  about: "an array without bitmap is written, becomes clean, and loses power soon before or after",
  make: (prng) => {
    const shape = shapeOf(prng, ALL, { consistency: "resync", assumeClean: true });
    const round = (): Step[] => [
      ...writes(prng, prng.between(1, 5)),
      ...(prng.chance(0.6) ? [wait(prng, 150, 400)] : []),
      cut(),
    ];
    return { shape, steps: rounds(prng, 4, round) };
  },
};

const SLOW: Scenario = {
  name: "slow",
  about: "writes take long on one disk, and the power fails meanwhile",
  make: (prng) => {
    const shape = shapeOf(prng, ALL, { consistency: "resync", assumeClean: true });
    const round = (): Step[] => [
      ...(prng.chance(0.3)
        ? [step({ do: "ail", disk: anyDisk(prng, shape), health: "slow" })]
        : []),
      ...slowly(prng, prng.between(1, 4), 6),
      wait(prng, 1, 40),
      cut(),
    ];
    return { shape, steps: rounds(prng, 4, round) };
  },
};

const BITMAP: Scenario = {
  name: "bitmap",
  about: "first writes to regions of an array with a bitmap, and power cuts",
  make: (prng) => {
    const shape = withRegions(prng);
    const round = (): Step[] => [
      // All bits of a new bitmap are set, and those that a crash leaves.
      wait(prng, 16_000, 17_000),
      ...slowly(prng, 1, 14, { within: 128 }),
      ...slowly(prng, prng.between(1, 3), 2),
      cut(),
    ];
    return { shape, steps: rounds(prng, 4, round) };
  },
};

const BITMAP_FAILURE: Scenario = {
  name: "bitmap-failure",
  about:
    "a member hangs or is gone amid first writes to regions, the power fails soon after, and the disk is back",
  make: (prng) => {
    const shape = withRegions(prng);
    const round = (): Step[] => [
      wait(prng, 16_000, 17_000),
      ...writes(prng, prng.between(1, 3), { events: 8 }),
      gone(prng, shape),
      ...writes(prng, prng.between(0, 3), { events: 8 }),
      ...(prng.chance(0.7) ? [wait(prng, 2900, 3100)] : []),
      step({ do: "flush" }, prng.below(20)),
      cut(),
    ];
    return { shape, steps: rounds(prng, 3, round) };
  },
};

const BITMAP_IDLE: Scenario = {
  name: "bitmap-idle",
  about: "regions of a mirror become clean by themselves while the array stays dirty",
  make: (prng) => {
    const shape = sharing(prng);
    const round = (): Step[] => [
      ...writes(prng, prng.between(1, 6)),
      wait(prng, 9000, 17_000),
      cut(),
    ];
    return { shape, steps: rounds(prng, 3, round) };
  },
};

const BUFFERS: Scenario = {
  name: "buffers",
  about: "clients change buffers while they are written, and write them again later",
  make: (prng) => {
    const shape = sharing(prng);
    const alter = (): Step => step({ do: "alter" }, prng.below(3));
    const round = (): Step[] => [
      ...writes(prng, prng.between(1, 6), { events: 3 }).flatMap((one) => [one, alter()]),
      wait(prng, 1000, 20_000),
      cut(),
    ];
    return { shape, steps: rounds(prng, 3, round) };
  },
};

function withRegions(prng: Prng): Shape {
  return shapeOf(prng, ALL, {
    consistency: "bitmap",
    assumeClean: true,
    componentSectors: 1024,
  });
}

function sharing(prng: Prng): Shape {
  return shapeOf(prng, MIRRORS, {
    consistency: "bitmap",
    assumeClean: true,
    sharesBuffers: true,
    writeBehind: 0,
    componentSectors: 512,
  });
}

const PHOENIX: Scenario = {
  name: "phoenix",
  about: "a disk fails amid durable writes, the power fails soon after, and the disk is back",
  make: (prng) => {
    const consistency = prng.pick(["resync", "bitmap"] as const);
    const shape = shapeOf(prng, ALL, { consistency, assumeClean: true });
    const durable = (count: number): Step[] =>
      writes(prng, prng.between(1, count), { fua: 0.7, flush: 0.3 });
    const round = (): Step[] => [
      ...durable(4),
      gone(prng, shape),
      ...(prng.chance(0.3)
        ? [step({ do: "flush" }, prng.between(5, 20))]
        : durable(prng.pick([1, 5]))),
      ...(prng.chance(0.3) ? [wait(prng, 1, 4000)] : []),
      cut(),
    ];
    return { shape, steps: rounds(prng, 3, round) };
  },
};

const DEGRADED: Scenario = {
  name: "degraded",
  about: "stripes are written that lack a member",
  make: (prng) => {
    const shape = shapeOf(prng, PARITY, { consistency: "bitmap", assumeClean: true });
    const steps = [
      ...writes(prng, 6, { events: 4 }),
      gone(prng, shape),
      ...writes(prng, 2),
      wait(prng, 3500, 4000),
      ...writes(prng, prng.between(3, 12)),
    ];
    return { shape, steps };
  },
};

const BAD_BLOCKS: Scenario = {
  name: "bad-blocks",
  about: "sectors of a disk cannot be read, or not be written either, where clients are at work",
  make: (prng) => {
    const shape = shapeOf(prng, ALL, {
      consistency: "bitmap",
      assumeClean: true,
      badBlockLog: true,
    });
    const disk = anyDisk(prng, shape);
    const bad = (): Step =>
      step({
        do: "bad-sector",
        disk,
        sector: prng.below(16),
        ...prng.pick([
          {},
          { cannotBeWritten: true as const },
          { cannotBeWritten: true as const, canBeRead: true as const },
        ]),
      });
    const read = (): Step =>
      step({ do: "read", sector: prng.below(64), sectors: prng.between(1, 16) }, prng.below(4));
    const round = (): Step[] => [
      ...writes(prng, 3, { within: 48, fua: 0.5 }),
      bad(),
      ...writes(prng, 3, { within: 48, fua: 0.5 }).flatMap((one) => [one, read()]),
      ...(prng.chance(0.5) ? [prng.chance(0.5) ? cut() : step({ do: "stop" })] : []),
    ];
    return { shape, steps: rounds(prng, 4, round) };
  },
};

function logged(consistency: "ppl" | "journal"): Scenario {
  return {
    name: consistency,
    about: `the power fails while stripes are written that lack a member, and there is a ${consistency}`,
    make: (prng) => {
      const levels = consistency === "ppl" ? (["raid5"] as const) : PARITY;
      const shape = shapeOf(prng, levels, { consistency, assumeClean: true });
      const disk = anyDisk(prng, shape);
      const steps = [
        ...writes(prng, 8, { within: 192, events: 3 }),
        step({ do: "flush" }, 40),
        step({ do: "ail", disk, health: "gone" }),
        ...writes(prng, 2, { within: 192 }),
        wait(prng, 5, 50),
        ...rounds(prng, 3, () => [
          ...writes(prng, prng.between(2, 6), { within: 192 }),
          step({ do: "flush" }, prng.below(20)),
          ...writes(prng, prng.between(1, 4), { within: 192, events: 4 }),
          cut([disk]),
        ]),
      ];
      return { shape, steps };
    },
  };
}

const PPL_FAILURE: Scenario = {
  name: "ppl-failure",
  about:
    "a member fails amid writes of stripes of which a ppl tells, the power fails soon after, and the disk is back",
  make: (prng) => {
    const shape = shapeOf(prng, ["raid5"], { consistency: "ppl", assumeClean: true });
    const round = (): Step[] => {
      const disk = anyDisk(prng, shape);
      return [
        ...writes(prng, prng.between(3, 8), { within: 192, events: 3 }),
        prng.chance(0.5) ? step({ do: "fail-member", disk }, prng.below(4)) : gone(prng, shape),
        ...writes(prng, prng.between(1, 6), { within: 192, events: 4 }),
        cut(),
      ];
    };
    return { shape, steps: rounds(prng, 3, round) };
  },
};

const STOP: Scenario = {
  name: "stop",
  about: "an array is stopped while it is written",
  make: (prng) => {
    const shape = shapeOf(prng, ALL, { assumeClean: true });
    const round = (): Step[] => [
      ...writes(prng, prng.between(1, 8), { events: 4 }),
      step({ do: "stop" }),
    ];
    return { shape, steps: rounds(prng, 4, round) };
  },
};

export const LAW_SCENARIOS: readonly Scenario[] = [
  DURABLE,
  CLEAN,
  SLOW,
  BITMAP,
  BITMAP_FAILURE,
  BITMAP_IDLE,
  BUFFERS,
  PHOENIX,
  DEGRADED,
  BAD_BLOCKS,
  logged("ppl"),
  logged("journal"),
  PPL_FAILURE,
  STOP,
  ...RECOVERY_SCENARIOS,
  ...SYNC_SCENARIOS,
];
