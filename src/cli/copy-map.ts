/**
 * What of a volume was copied, as a mapfile of GNU ddrescue (its manual, "Mapfile structure"), so that ddrescue and
 * ddrescueview can go on with it: "+" copied, "-" bad, "?" not tried.
 */
import type { ByteRange } from "../copy/ranges.ts";

interface MapRun extends ByteRange {
  readonly status: "+" | "-" | "?";
}

/** @param doneBytes how far the copy came; bad ranges lie before that */
function runsOf(bad: readonly ByteRange[], doneBytes: number, totalBytes: number): MapRun[] {
  const runs: MapRun[] = [];
  let at = 0;
  const upTo = (endBytes: number, status: MapRun["status"]): void => {
    if (endBytes > at) runs.push({ offsetBytes: at, lengthBytes: endBytes - at, status });
    at = Math.max(at, endBytes);
  };
  for (const range of bad) {
    upTo(range.offsetBytes, "+");
    upTo(range.offsetBytes + range.lengthBytes, "-");
  }
  upTo(doneBytes, "+");
  upTo(totalBytes, "?");
  return runs;
}

function hex(bytes: number): string {
  return `0x${bytes.toString(16).toUpperCase().padStart(8, "0")}`;
}

export function mapfileText(
  bad: readonly ByteRange[],
  doneBytes: number,
  totalBytes: number,
): string {
  const isDone = doneBytes === totalBytes;
  const lines = [
    "# Mapfile. Created by holdfast dump",
    "# current_pos  current_status  current_pass",
    `${hex(doneBytes)}     ${isDone ? "+" : "?"}               1`,
    "#      pos        size  status",
    ...runsOf(bad, doneBytes, totalBytes).map(
      ({ offsetBytes, lengthBytes, status }) =>
        `${hex(offsetBytes)}  ${hex(lengthBytes)}  ${status}`,
    ),
  ];
  return `${lines.join("\n")}\n`;
}
