/** Saying what of a volume could not be read. */
import { formatBytes } from "../base/units.ts";
import type { RangeList } from "../copy/ranges.ts";
import { counted } from "./text.ts";

/** @param consequence behind the semicolon: "it has no sum" */
export function unreadableText(volume: string, ranges: RangeList, consequence: string): string {
  const [first] = ranges.all;
  const where =
    first === undefined
      ? ""
      : `: ${formatBytes(first.lengthBytes)} at byte ${first.offsetBytes} ${ranges.all.length === 1 ? "" : "first, "}`;
  const all =
    ranges.all.length === 1
      ? ""
      : `${formatBytes(ranges.totalBytes)} in ${counted(ranges.all.length, "range")} in all`;
  return `${volume} cannot be read in full${where}${all}; ${consequence}.`.replace(/ +;/, ";");
}
