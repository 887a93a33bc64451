/**
 * Which members an array can lose: when an error of a member takes it out of the array, and when it breaks the array instead.
 * As kernels do it (error_handler of the levels; docs/kernel/md-metadata.md, section 3).
 */
import type { HoldfastError } from "../../base/errors.ts";
import type { MdShape } from "../../formats/md/superblock.ts";
import { survival } from "../enough.ts";

/** An error of the device as a whole, not of some of its sectors: it hangs, or is not there any more. */
export function isOfWholeDevice({ code }: HoldfastError): boolean {
  return code === "timeout" || code === "not-found";
}

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
