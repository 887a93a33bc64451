/** ArrayParts: who makes the parts of a managed array: its core, its level, its log, its bitmap, the life of its background sync. */
import type { PassResult } from "../../sync/engine.ts";
import { LifeCycle } from "../../sync/life-cycle.ts";
import type { LifeCycleOptions } from "../../sync/life-cycle.ts";
import type { AssemblyPlan } from "../plan.ts";
import type { LevelFactory } from "./assemble.ts";
import { BITMAP_PARTS } from "./bitmap-parts.ts";
import type { BitmapParts } from "./bitmap-parts.ts";
import { CORE_PARTS } from "./core-parts.ts";
import type { CoreParts } from "./core-parts.ts";
import { makeLevel } from "./levels/make.ts";
import { openLog } from "./levels/stripes/open-log.ts";
import type { FoundLog } from "./levels/stripes/stripe-log.ts";

export interface ArrayParts extends CoreParts, BitmapParts {
  readonly level: LevelFactory;
  readonly openLog: (plan: AssemblyPlan) => Promise<FoundLog | null>;
  readonly lifeCycle: (options: LifeCycleOptions<PassResult>) => LifeCycle<PassResult>;
}

export const ARRAY_PARTS: ArrayParts = {
  ...CORE_PARTS,
  ...BITMAP_PARTS,
  level: makeLevel,
  openLog,
  lifeCycle: (options) => new LifeCycle(options),
};
