/** Clones: hydration, writes and discards before it has come to where they are, power cuts. */
import type { Prng } from "../../base/prng.ts";
import type { MappedAction } from "../mapped/action.ts";
import type { CloneStack } from "../mapped/stack.ts";
import { mixed } from "../scenario.ts";
import type { MappedScenario } from "../scenario.ts";
import { ADMINISTRATION, CUT, KILL, discard, hang, pause, use } from "./mapped.ts";

function stack(prng: Prng): CloneStack {
  return {
    target: "clone",
    sectors: 1020,
    regionSectors: prng.pick([8, 16, 64]),
    threshold: prng.between(1, 8),
    batch: prng.between(1, 4),
    hydrates: prng.chance(0.5),
  };
}

const CRASH: MappedScenario = {
  name: "dm-clone-crash",
  about: "clones that are written while they are hydrated, and cut off again and again",
  make: (prng) => ({
    stack: stack(prng),
    steps: mixed<MappedAction>(prng, prng.between(20, 80), 10, [
      [30, (chance) => use(chance, 1, { mostSectors: 24 })],
      [2, (chance) => discard(chance, 1, 80)],
      [3, (chance) => pause(chance, 1, 1500)],
      [1, () => ({ do: "convert" })],
      CUT,
      KILL,
    ]),
  }),
};

const SWAP: MappedScenario = {
  name: "dm-clone-swap",
  about: "clones in use are suspended, loaded again and removed, while disks are slow or hang",
  make: (prng) => ({
    stack: stack(prng),
    steps: mixed<MappedAction>(prng, prng.between(20, 60), 6, [
      [30, (chance) => use(chance, 1, { mostSectors: 24 })],
      ...ADMINISTRATION,
      ...hang(3),
      [1, (chance) => discard(chance, 1, 80)],
      [1, () => ({ do: "convert" })],
      [2, (chance) => pause(chance, 1, 1500)],
      CUT,
    ]),
  }),
};

export const CLONE_SCENARIOS: readonly MappedScenario[] = [CRASH, SWAP];
