/**
 * Mutant: an array, or mapped devices, with one law broken on purpose, from outside: production code has no switch for it. Each names the places where it
 * puts something else than what belongs there.
 */
import type { BlockDevice } from "../block/device.ts";
import type { MappedParts } from "../dm/parts.ts";
import type { Connection } from "../env/sockets.ts";
import type { AssemblyPlan } from "../md/plan.ts";
import type { ManagedArray } from "../md/running/managed-array.ts";
import type { ArrayParts } from "../md/running/parts.ts";
import type { Rejoin, RejoinRequest } from "../md/running/rejoin.ts";
import type { NbdLimits } from "../nbd/limits.ts";
import type { World } from "./world.ts";

export interface Mutant {
  readonly name: string;
  /** What it does wrong: one sentence. */
  readonly about: string;
  readonly law: Law;
  /** The report or the kernel's commit that it repeats; null: none in particular. */
  readonly origin: string | null;
  /** In which scenario it must be found. */
  readonly scenario: string;
  /** Instead of a disk. */
  readonly device?: (disk: BlockDevice, world: World) => BlockDevice;
  /** Instead of what the superblocks ask for. */
  readonly plan?: (plan: AssemblyPlan) => AssemblyPlan;
  /** Instead of the parts that arrays are made of; asked for at each start. */
  readonly parts?: (world: World) => Partial<ArrayParts>;
  /** Instead of what a disk that comes back counts for. */
  readonly verdict?: (verdict: Rejoin, request: RejoinRequest) => Rejoin;
  /** Instead of an array that has just been started. */
  readonly started?: (managed: ManagedArray, world: World) => void;
  /** Instead of the array that the NBD server is given. */
  readonly served?: (array: BlockDevice) => BlockDevice;
  /** Instead of a connection that the NBD server accepts. */
  readonly accepted?: (connection: Connection) => Connection;
  /** Instead of what mapped devices are made of; asked for at each start. */
  readonly mapped?: (world: World) => Partial<MappedParts>;
  readonly nbdLimits?: Partial<NbdLimits>;
  /** Whoever uses the array is never asked for what they changed meanwhile. */
  readonly ignoresUsers?: true;
}

/** 1 data before metadata, 2 dirty before data, 3 survivors first, 4 one life of sync, 7 taking away waits, 8 what was promised survives. */
export type Law = 1 | 2 | 3 | 4 | 7 | 8;
