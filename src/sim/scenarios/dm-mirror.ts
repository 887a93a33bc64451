/** Mirrors: power cuts, legs that fail and come back, tables that are swapped in use. */
import type { Prng } from "../../base/prng.ts";
import type { MappedAction } from "../mapped/action.ts";
import type { MirrorStack } from "../mapped/stack.ts";
import { mixed } from "../scenario.ts";
import type { MappedScenario } from "../scenario.ts";
import { CUT, KILL, pause, use } from "./mapped.ts";

const FEATURES = ["", "handle_errors", "handle_errors keep_log"] as const;

function stack(prng: Prng, only: Partial<MirrorStack> = {}): MirrorStack {
  return {
    target: "mirror",
    sectors: 1024,
    legs: prng.between(2, 3),
    log: prng.chance(0.75) ? "disk" : "core",
    regionSectors: prng.pick([32, 64, 128]),
    features: prng.pick(FEATURES),
    sharesBuffers: false,
    ...only,
  };
}

const CRASH: MappedScenario = {
  name: "dm-mirror-crash",
  about: "mirrors that are written and cut off, again and again",
  make: (prng) => ({
    stack: stack(prng),
    steps: mixed<MappedAction>(prng, prng.between(20, 80), 10, [
      [30, (chance) => use(chance)],
      [2, (chance) => pause(chance, 1, 12_000)],
      CUT,
      KILL,
    ]),
  }),
};

export const MIRROR_SCENARIOS: readonly MappedScenario[] = [CRASH];
