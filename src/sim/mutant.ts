/**
 * Mutant: the array with one law broken on purpose, from outside: production code has no switch for it. Each names the places where it
 * puts something else than what belongs there.
 */
import type { BlockDevice } from "../block/device.ts";
import type { AssemblyPlan } from "../md/plan.ts";
import type { World } from "./world.ts";

export interface Mutant {
  readonly name: string;
  /** What it does wrong: one sentence. */
  readonly about: string;
  /** Of docs/ARCHITECTURE.md. */
  readonly law: number;
  /** The report or the kernel's commit that it repeats; null: none in particular. */
  readonly origin: string | null;
  /** In which scenario it must be found. */
  readonly scenario: string;
  /** Instead of a disk. */
  readonly device?: (disk: BlockDevice, world: World) => BlockDevice;
  /** Instead of what the superblocks ask for. */
  readonly plan?: (plan: AssemblyPlan) => AssemblyPlan;
}
