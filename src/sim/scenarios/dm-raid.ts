/** dm-raid: power cuts, disks that fail and are taken back, swaps in use. */
import type { Prng } from "../../base/prng.ts";
import type { MappedAction } from "../mapped/action.ts";
import type { RaidStack } from "../mapped/stack.ts";
import { mixed } from "../scenario.ts";
import type { MappedScenario } from "../scenario.ts";
import { ADMINISTRATION, CUT, KILL, ail, hang, pause, use } from "./mapped.ts";

const STACKS: readonly RaidStack[] = [
  { target: "raid", type: "raid1", devices: 2 },
  { target: "raid", type: "raid1", devices: 3 },
  { target: "raid", type: "raid10", devices: 4 },
  { target: "raid", type: "raid5_ls", devices: 3 },
  { target: "raid", type: "raid6_zr", devices: 4 },
];

function stack(prng: Prng): RaidStack {
  return prng.pick(STACKS);
}

const CRASH: MappedScenario = {
  name: "dm-raid-crash",
  about: "sets of dm-raid that are written, lose copies, and are cut off",
  make: (prng) => ({
    stack: stack(prng),
    steps: mixed<MappedAction>(prng, prng.between(20, 60), 10, [
      [30, (chance) => use(chance)],
      [2, ail],
      [1, (chance) => ({ do: "return", disk: chance.below(12) })],
      [2, (chance) => pause(chance, 1, 12_000)],
      CUT,
      KILL,
    ]),
  }),
};

const SWAP: MappedScenario = {
  name: "dm-raid-swap",
  about: "sets of dm-raid in use that are suspended, loaded again and removed, on disks that hang",
  make: (prng) => ({
    stack: stack(prng),
    steps: mixed<MappedAction>(prng, prng.between(20, 60), 6, [
      [30, (chance) => use(chance)],
      ...ADMINISTRATION,
      ...hang(2),
      [2, (chance) => pause(chance, 1, 3000)],
      CUT,
    ]),
  }),
};

export const RAID_SCENARIOS: readonly MappedScenario[] = [CRASH, SWAP];
