/** What the sync engine drives: a pass over a device in steps, which the level of an array (or a mirror, or a clone) defines. */
import type { HoldfastError } from "../base/errors.ts";

export type StepOutcome =
  /** `mismatches`: sectors that differed. */
  | { readonly kind: "done"; readonly mismatches: number }
  /** Nothing was to be done there: not counted as work. */
  | { readonly kind: "skipped" }
  /** The pass cannot go on; what is recorded of it ends before this step. */
  | { readonly kind: "failed"; readonly error: HoldfastError };

export interface SyncWork {
  /** The whole pass; positions are in these sectors. */
  readonly sectors: number;
  /** Steps that may be under way at a time. */
  readonly window: number;
  /**
   * Starts the step at `sector` and returns how many sectors it is, at least one and not past `limit`. `end` is called once, perhaps
   * before it returns. Ends may come in any order.
   */
  step(sector: number, limit: number, end: (outcome: StepOutcome) => void): number;
}
