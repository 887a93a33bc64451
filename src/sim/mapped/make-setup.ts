/** The setup of a stack. */
import type { Mutant } from "../mutant.ts";
import type { World } from "../world.ts";
import { CloneSetup } from "./clone-setup.ts";
import { IntegritySetup } from "./integrity-setup.ts";
import { MirrorSetup } from "./mirror-setup.ts";
import { RaidSetup } from "./raid-setup.ts";
import { SnapshotSetup } from "./snapshot-setup.ts";
import { ThinSetup } from "./thin-setup.ts";
import type { Setup } from "./setup.ts";
import type { Stack } from "./stack.ts";

export function makeSetup(world: World, stack: Stack, mutant: Mutant | null): Setup {
  switch (stack.target) {
    case "clone":
      return new CloneSetup(world, stack, mutant);
    case "integrity":
      return new IntegritySetup(world, stack, mutant);
    case "thin":
      return new ThinSetup(world, stack, mutant);
    case "raid":
      return new RaidSetup(world, stack, mutant);
    case "snapshot":
      return new SnapshotSetup(world, stack, mutant);
    case "mirror":
      return new MirrorSetup(world, stack, mutant);
  }
}
