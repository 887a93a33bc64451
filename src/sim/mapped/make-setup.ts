/** The setup of a stack. */
import type { Mutant } from "../mutant.ts";
import type { World } from "../world.ts";
import { MirrorSetup } from "./mirror-setup.ts";
import type { Setup } from "./setup.ts";
import type { Stack } from "./stack.ts";

export function makeSetup(world: World, stack: Stack, mutant: Mutant | null): Setup {
  switch (stack.target) {
    case "mirror":
      return new MirrorSetup(world, stack, mutant);
  }
}
