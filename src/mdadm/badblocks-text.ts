/** mdadm --examine-badblocks. */
import type { SectorRange } from "../base/units.ts";
import { joinLines } from "./text.ts";

export interface ExaminedBadBlocks {
  readonly path: string;
  /** Null: the member has no log. Sectors count from the start of the device. */
  readonly ranges: readonly SectorRange[] | null;
}

/** What 0.90, which has no such logs, is told on standard error; the exit code is 1. */
export const NO_BAD_BLOCKS_IN_090 = "0.90 metadata does not support badblocks";

export function badBlocksText({ path, ranges }: ExaminedBadBlocks): string {
  if (ranges === null) return joinLines([`No bad-blocks list configured on ${path}`]);
  if (ranges.length === 0) return joinLines([`Bad-blocks list is empty in ${path}`]);
  return joinLines([
    `Bad-blocks on ${path}:`,
    ...ranges.map(({ sector, sectors }) => `${String(sector).padStart(20)} for ${sectors} sectors`),
  ]);
}
