/** Stories that chance seldom tells by itself: each leads to one moment in which a mistake would matter. */
import type { Scenario } from "../scenario.ts";
import type { Step } from "../script.ts";
import { anyDisk, cut, rounds, shapeOf, slowly, step, wait, writes } from "./steps.ts";

const MIRRORS = ["raid1", "raid10"] as const;
const PARITY = ["raid4", "raid5", "raid6"] as const;
const ALL = [...MIRRORS, ...PARITY] as const;

const OUTVOTED: Scenario = {
  name: "outvoted",
  about: "a disk is gone while superblocks become clean, durable writes follow, and it is back",
  make: (prng) => {
    const shape = shapeOf(prng, MIRRORS, { consistency: "resync", assumeClean: true });
    const steps = [
      ...writes(prng, prng.between(1, 3)),
      // Up to shortly before it is marked clean, and then event by event.
      step({ do: "wait", ms: prng.between(190, 200) }, prng.between(1, 8)),
      // The first that is found speaks among equals.
      step({ do: "ail", disk: prng.pick([0, 0, 0, 1]), health: "gone" }, prng.below(3)),
      ...writes(prng, prng.between(1, 4), { fua: 0.8, flush: 0.3 }),
      wait(prng, 1, 30),
      cut(),
    ];
    return { shape, steps };
  },
};

const BITMAP_CLEAN: Scenario = {
  name: "bitmap-clean",
  about: "an array with a bitmap is marked clean between writes to the same regions",
  make: (prng) => {
    const shape = shapeOf(prng, ALL, {
      consistency: "bitmap",
      assumeClean: true,
      componentSectors: 1024,
    });
    const round = (): Step[] => {
      const where = { within: 256 };
      return [
        ...writes(prng, 2, where),
        wait(prng, 16_000, 17_000),
        cut(),
        ...writes(prng, 2, where),
        wait(prng, 210, 400),
        ...writes(prng, prng.between(1, 4), where),
        cut(),
      ];
    };
    return { shape, steps: rounds(prng, 2, round) };
  },
};

const BITMAP_RESYNC: Scenario = {
  name: "bitmap-resync",
  about: "steps of a resync are shorter than the regions of the bitmap",
  make: (prng) => {
    const shape = shapeOf(prng, ["raid10"], { consistency: "bitmap", assumeClean: true });
    const round = (): Step[] => [
      ...writes(prng, prng.between(3, 8), { events: 2 }),
      cut(),
      wait(prng, 0, 200),
    ];
    return { shape, steps: rounds(prng, 3, round) };
  },
};

const TWO_RECOVERIES: Scenario = {
  name: "two-recoveries",
  about: "two spares are filled at a time while clients write, and one of them is gone",
  make: (prng) => {
    const consistency = prng.pick(["resync", "bitmap"] as const);
    const shape = shapeOf(prng, ["raid6"], {
      consistency,
      assumeClean: true,
      disks: prng.between(5, 6),
      spares: 2,
      componentSectors: 1024,
    });
    const first = anyDisk(prng, shape);
    const second = (first + prng.between(1, shape.disks - 1)) % shape.disks;
    const isHeld = prng.chance(0.5);
    const steps = [
      ...writes(prng, prng.between(6, 12)),
      ...(isHeld ? [step({ do: "hold-sync", sector: 256 })] : []),
      step({ do: "ail", disk: first, health: "gone" }),
      step({ do: "ail", disk: second, health: "gone" }),
      ...slowly(prng, prng.between(2, 4), 6),
      wait(prng, 5, 60),
      ...(prng.chance(0.7)
        ? [step({ do: "ail", disk: shape.disks + prng.below(2), health: "gone" })]
        : []),
      ...slowly(prng, prng.between(2, 12), 3),
    ];
    return { shape, steps };
  },
};

const UNSYNCED: Scenario = {
  name: "unsynced",
  about: "stripes are written again after a crash, and a member is lost before they are synced",
  make: (prng) => {
    const shape = shapeOf(prng, ["raid4", "raid5"], {
      consistency: prng.pick(["resync", "bitmap"] as const),
      assumeClean: true,
      disks: 5,
      componentSectors: 512,
    });
    const where = { within: 4 * shape.chunkSectors };
    const steps = [
      ...writes(prng, prng.between(6, 12), { ...where, fua: 0.5 }),
      step({ do: "flush" }),
      wait(prng, 5, 30),
      ...writes(prng, prng.between(3, 8), { ...where, events: 4 }),
      step({ do: "cut", away: [], holdsSync: true }),
      ...writes(prng, prng.between(4, 10), { ...where, events: 10 }),
      step({ do: "flush" }),
      wait(prng, 20, 40),
      step({ do: "ail", disk: anyDisk(prng, shape), health: "gone", amidSync: true }),
      step({ do: "read", sector: 0, sectors: where.within }, 40),
      step({ do: "read", sector: 0, sectors: where.within }, 40),
    ];
    return { shape, steps };
  },
};

const BEHIND: Scenario = {
  name: "behind",
  about: "the same sectors are written again and again, on a member that is written behind",
  make: (prng) => {
    const shape = shapeOf(prng, ["raid1"], {
      consistency: "bitmap",
      assumeClean: true,
      writeBehind: 8,
    });
    const round = (): Step[] => [
      ...(prng.chance(0.5) ? [step({ do: "ail", disk: 1, health: "slow" })] : []),
      ...writes(prng, prng.between(4, 20), { within: 8, events: 6 }),
      ...(prng.chance(0.3) ? [step({ do: "flush" }, prng.below(20))] : []),
      ...(prng.chance(0.3) ? [cut()] : []),
    ];
    return { shape, steps: rounds(prng, 3, round) };
  },
};

const READ_ONLY: Scenario = {
  name: "read-only",
  about: "sectors cannot be read while the array is read-only",
  make: (prng) => {
    const shape = shapeOf(prng, ALL, { assumeClean: true, consistency: "resync" });
    const disk = anyDisk(prng, shape);
    const read = (): Step =>
      step({ do: "read", sector: prng.below(32), sectors: prng.between(1, 32) }, prng.below(4));
    const round = (): Step[] => [
      ...writes(prng, prng.between(2, 6), { within: 32 }),
      step({ do: "array-state", word: prng.pick(["readonly", "read-auto"]) }),
      wait(prng, 5, 30),
      step({ do: "bad-sector", disk, sector: prng.below(16) }),
      ...Array.from({ length: prng.between(2, 8) }, read),
      wait(prng, 1, 20),
      step({ do: "array-state", word: "active" }, prng.below(20)),
    ];
    return { shape, steps: rounds(prng, 3, round) };
  },
};

const JOURNAL_IDLE: Scenario = {
  name: "journal-idle",
  about: "an array with a journal is marked clean, and its journal gets room, between crashes",
  make: (prng) => {
    const shape = shapeOf(prng, PARITY, { consistency: "journal", assumeClean: true });
    const round = (): Step[] => [
      ...writes(prng, prng.between(2, 6)),
      wait(prng, 210, 500),
      ...writes(prng, prng.between(0, 3)),
      cut(),
    ];
    return { shape, steps: rounds(prng, 3, round) };
  },
};

const PPL_RETURNS: Scenario = {
  name: "ppl-returns",
  about: "a disk comes back to an array with partial parity logs, and then the power fails",
  make: (prng) => {
    const shape = shapeOf(prng, ["raid5"], { consistency: "ppl", assumeClean: true });
    const round = (): Step[] => {
      const disk = anyDisk(prng, shape);
      return [
        ...writes(prng, prng.between(3, 8), { within: 192, events: 3 }),
        step({ do: "ail", disk, health: "gone" }),
        ...slowly(prng, prng.between(2, 6), 4, { within: 192 }),
        wait(prng, 5, 40),
        step({ do: "return", disk }),
        wait(prng, 50, 400),
        ...writes(prng, prng.between(2, 6), { within: 192 }),
        cut(),
      ];
    };
    return { shape, steps: rounds(prng, 3, round) };
  },
};

const SLOW_ONLY: Scenario = {
  name: "slow-only",
  about: "a spare is filled from a member that is written behind, and clients read",
  make: (prng) => {
    const shape = shapeOf(prng, ["raid1"], {
      consistency: "bitmap",
      assumeClean: true,
      disks: 2,
      spares: 1,
      writeBehind: 8,
      componentSectors: 1024,
    });
    const read = (): Step => step({ do: "read", sector: prng.below(1024), sectors: 64 }, 1);
    const steps = [
      ...writes(prng, prng.between(6, 12)),
      step({ do: "flush" }, 20),
      step({ do: "ail", disk: 0, health: "gone" }),
      ...slowly(prng, prng.between(4, 12), 2).flatMap((one) => [one, read()]),
    ];
    return { shape, steps };
  },
};

const REPLACEMENT_DROPPED: Scenario = {
  name: "replacement-dropped",
  about: "a member that is being replaced is gone amid that",
  make: (prng) => {
    const shape = shapeOf(prng, ALL, {
      consistency: prng.pick(["resync", "bitmap"] as const),
      assumeClean: true,
      spares: 1,
      componentSectors: 1024,
    });
    const disk = anyDisk(prng, shape);
    const steps = [
      ...writes(prng, prng.between(6, 16)),
      step({ do: "flush" }, 20),
      step({ do: "replace", disk }, prng.between(5, 25)),
      step({ do: "ail", disk, health: "gone" }),
      ...slowly(prng, prng.between(2, 6), 5),
    ];
    return { shape, steps };
  },
};

export const RARE_SCENARIOS: readonly Scenario[] = [
  OUTVOTED,
  BITMAP_CLEAN,
  BITMAP_RESYNC,
  TWO_RECOVERIES,
  UNSYNCED,
  BEHIND,
  READ_ONLY,
  JOURNAL_IDLE,
  PPL_RETURNS,
  SLOW_ONLY,
  REPLACEMENT_DROPPED,
];
