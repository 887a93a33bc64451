/** Integrity: journals, bitmaps and tags while the power fails, and while tables change. */
import type { Prng } from "../../base/prng.ts";
import type { MappedAction } from "../mapped/action.ts";
import type { IntegrityStack } from "../mapped/stack.ts";
import { mixed } from "../scenario.ts";
import type { MappedScenario } from "../scenario.ts";
import { ADMINISTRATION, CUT, KILL, hang, pause, use } from "./mapped.ts";

/** Few, so that the same places are written again while the journal has them. */
const BUSY_SECTORS = 80;

function stack(prng: Prng): IntegrityStack {
  return {
    target: "integrity",
    mode: prng.pick(["J", "J", "J", "B", "B", "D"]),
    sectors: 528,
    blockBytes: prng.pick([512, 512, 1024, 4096]),
    journalSectors: prng.pick([200, 400, 600]),
    interleaveSectors: prng.pick([128, 256, 1024]),
    watermarkPercent: prng.pick([0, 30, 50, 90, 100]),
    bitSectors: prng.pick([8, 64, 512]),
    bitmapFlushMs: prng.pick([50, 300, 1500]),
    hash: prng.chance(0.8) ? "crc32c" : "sha256",
    hasMetaDevice: prng.chance(0.3),
    recalculates: prng.chance(0.5),
  };
}

function useOf(prng: Prng): MappedAction {
  const within = prng.chance(0.5) ? { within: BUSY_SECTORS } : {};
  return use(prng, 1, { mostSectors: prng.pick([8, 24, 96]), ...within });
}

const CRASH: MappedScenario = {
  name: "dm-integrity-crash",
  about: "integrity devices that are written, and cut off again and again, also amid activation",
  make: (prng) => ({
    stack: stack(prng),
    steps: mixed<MappedAction>(prng, prng.between(20, 80), 10, [
      [30, useOf],
      [3, (chance) => pause(chance, 1, 1500)],
      [1, () => ({ do: "convert" })],
      CUT,
      // Recovery is short: most cuts amid it come from here.
      [1, (chance) => ({ do: "cut", again: chance.below(60) })],
      KILL,
    ]),
  }),
};

const SWAP: MappedScenario = {
  name: "dm-integrity-swap",
  about:
    "integrity devices in use are suspended, loaded again and removed, while disks are slow or hang",
  make: (prng) => ({
    stack: stack(prng),
    steps: mixed<MappedAction>(prng, prng.between(20, 60), 6, [
      [30, useOf],
      ...ADMINISTRATION,
      ...hang(3),
      [1, () => ({ do: "convert" })],
      [2, (chance) => pause(chance, 1, 1500)],
      CUT,
    ]),
  }),
};

export const INTEGRITY_SCENARIOS: readonly MappedScenario[] = [CRASH, SWAP];
