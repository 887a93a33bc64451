/** Snapshots in exception stores: writes on both sides, merges, power cuts. */
import type { Prng } from "../../base/prng.ts";
import type { MappedAction } from "../mapped/action.ts";
import type { SnapshotStack } from "../mapped/stack.ts";
import { mixed } from "../scenario.ts";
import type { MappedScenario } from "../scenario.ts";
import { ADMINISTRATION, CUT, KILL, hang, pause, use } from "./mapped.ts";

function stack(prng: Prng): SnapshotStack {
  return {
    target: "snapshot",
    sectors: 256,
    chunkSectors: prng.pick([1, 4, 8]),
    cowSectors: prng.pick([600, 600, 600, 96]),
    store: prng.pick(["P", "PO"]),
  };
}

const CRASH: MappedScenario = {
  name: "dm-snapshot-crash",
  about: "origins and their snapshots that are written and cut off",
  make: (prng) => ({
    stack: stack(prng),
    steps: mixed<MappedAction>(prng, prng.between(20, 80), 10, [
      [30, (chance) => use(chance, 2)],
      [1, (chance) => pause(chance, 1, 50)],
      CUT,
      KILL,
    ]),
  }),
};

const MERGE: MappedScenario = {
  name: "dm-snapshot-merge",
  about: "snapshots that are merged into their origins in use, and taken again, while power fails",
  make: (prng) => ({
    stack: stack(prng),
    steps: mixed<MappedAction>(prng, prng.between(20, 80), 10, [
      [30, (chance) => use(chance, 2)],
      [3, () => ({ do: "merge" })],
      [3, () => ({ do: "snapshot", volume: 0 })],
      [1, (chance) => pause(chance, 1, 30)],
      CUT,
      KILL,
    ]),
  }),
};

const SWAP: MappedScenario = {
  name: "dm-snapshot-swap",
  about: "origins, snapshots and merges in use that are suspended, loaded again and removed",
  make: (prng) => ({
    stack: stack(prng),
    steps: mixed<MappedAction>(prng, prng.between(20, 60), 6, [
      [30, (chance) => use(chance, 2)],
      ...ADMINISTRATION,
      ...hang(2),
      [2, () => ({ do: "merge" })],
      [2, () => ({ do: "snapshot", volume: 0 })],
      [1, (chance) => pause(chance, 1, 30)],
      CUT,
    ]),
  }),
};

export const SNAPSHOT_SCENARIOS: readonly MappedScenario[] = [CRASH, MERGE, SWAP];
