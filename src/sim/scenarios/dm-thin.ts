/** Thin volumes: new blocks, snapshots, discards, pools that run out of space, power cuts. */
import type { Prng } from "../../base/prng.ts";
import type { MappedAction } from "../mapped/action.ts";
import type { ThinStack } from "../mapped/stack.ts";
import { mixed } from "../scenario.ts";
import type { MappedScenario } from "../scenario.ts";
import { ADMINISTRATION, CUT, KILL, discard, hang, pause, use } from "./mapped.ts";
import type { Weighted } from "../scenario.ts";

const VOLUMES = 4;

function stack(prng: Prng, only: Partial<ThinStack> = {}): ThinStack {
  return {
    target: "thin",
    sectors: prng.pick([512, 1000]),
    dataBlocks: prng.pick([4, 8, 16, 34]),
    volumes: prng.between(1, 2),
    failsWithoutSpace: prng.chance(0.3),
    ...only,
  };
}

/** Writes of parts of blocks, and of whole ones. */
function io(prng: Prng): MappedAction {
  if (prng.chance(0.8)) return use(prng, VOLUMES, { mostSectors: 40 });
  return { do: "write", volume: prng.below(VOLUMES), sector: 128 * prng.below(8), sectors: 128 };
}

const SNAPSHOTS: readonly Weighted<MappedAction>[] = [
  [2, (prng) => ({ do: "snapshot", volume: prng.below(VOLUMES) })],
  [1, (prng) => ({ do: "drop", volume: prng.below(VOLUMES) })],
];

const CRASH: MappedScenario = {
  name: "dm-thin-crash",
  about: "thin volumes and snapshots of them that are written, discarded and cut off",
  make: (prng) => ({
    stack: stack(prng, { dataBlocks: 34 }),
    steps: mixed<MappedAction>(prng, prng.between(20, 80), 12, [
      [30, io],
      [3, (chance) => discard(chance, VOLUMES, 400)],
      ...SNAPSHOTS,
      [3, (chance) => pause(chance, 1, 1500)],
      CUT,
      KILL,
    ]),
  }),
};

const SPACE: MappedScenario = {
  name: "dm-thin-space",
  about: "pools that run out of space, get some by discards and by growing, and are cut off",
  make: (prng) => ({
    stack: stack(prng, { dataBlocks: prng.between(2, 8) }),
    steps: mixed<MappedAction>(prng, prng.between(20, 60), 12, [
      [30, io],
      [8, (chance) => discard(chance, VOLUMES, 600)],
      [1, () => ({ do: "repair" })],
      ...SNAPSHOTS,
      [2, (chance) => pause(chance, 1, 20_000)],
      CUT,
    ]),
  }),
};

const SWAP: MappedScenario = {
  name: "dm-thin-swap",
  about:
    "pools and thin volumes in use are suspended, loaded again and removed, on disks that hang",
  make: (prng) => ({
    stack: stack(prng),
    steps: mixed<MappedAction>(prng, prng.between(20, 60), 6, [
      [30, io],
      ...ADMINISTRATION,
      ...SNAPSHOTS,
      ...hang(2),
      [2, (chance) => discard(chance, VOLUMES, 400)],
      [1, () => ({ do: "repair" })],
      [2, (chance) => pause(chance, 1, 1500)],
      CUT,
    ]),
  }),
};

export const THIN_SCENARIOS: readonly MappedScenario[] = [CRASH, SPACE, SWAP];
