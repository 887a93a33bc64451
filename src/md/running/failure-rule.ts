/**
 * Which members an array can lose: when an error of a member takes it out of the array, and when it breaks the array instead.
 * As kernels do it (error_handler of the levels; docs/kernel/md-metadata.md, section 3).
 */
import type { MdShape } from "../../formats/md/superblock.ts";
import { survival } from "../enough.ts";

export interface FailureRule {
  /** Is everything still there with only these slots in sync? */
  survives(inSync: readonly boolean[]): boolean;
  /**
   * A member without which something would be gone stays, so that what it has can still be read, and nothing is written any more.
   * Otherwise it leaves all the same, and nothing is written any more.
   */
  readonly keepsLast: boolean;
}

export function failureRule(shape: MdShape): FailureRule {
  return {
    survives: (inSync) => survival(shape, inSync).survives,
    keepsLast: shape.level !== "raid4" && shape.level !== "raid5" && shape.level !== "raid6",
  };
}
