/** What can be set of how an array that runs takes failures; its owner changes it, at any time. */
export interface ArraySettings {
  /** Read errors that a member may have (read-errors.ts): md's max_read_errors. */
  maxReadErrors: number;
  /** A mirror's last member leaves as well when it fails, and nothing can be read any more: md's fail_last_dev. */
  failsLast: boolean;
  /**
   * What `repair` believes where copies, or data and parity, do not agree. Kernels: the first copy, and data before parity. Evidence:
   * first what most copies say, or the one block is wrong that explains what is off with both P and Q; else as kernels do.
   */
  repairsBy: RepairRule;
}

export const REPAIR_RULES = ["evidence", "kernel"] as const;
export type RepairRule = (typeof REPAIR_RULES)[number];

/** As kernels have them at first. */
export function usualSettings(): ArraySettings {
  return { maxReadErrors: 20, failsLast: false, repairsBy: "evidence" };
}
