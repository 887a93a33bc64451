/** Which entries of a log are meant: from one on, up to the first one that something is said of. */
import { HoldfastError } from "../../../base/errors.ts";
import type { LogEntry } from "./replay.ts";

export interface LogRange {
  /** The first entry, from 0; without it and `startMark`, the log's first. */
  readonly startEntry?: number;
  /** Begins behind the first mark with that text. */
  readonly startMark?: string;
  /** Each ends it, whichever comes first; without any the log's end does. So many entries. */
  readonly limit?: number;
  /** The first flush, the first FUA write, the first mark with that text: that entry is the last. */
  readonly nextFlush?: boolean;
  readonly nextFua?: boolean;
  readonly endMark?: string;
}

/** @throws HoldfastError `not-found` for a start or an end that is not there */
export function chooseEntries(
  all: readonly LogEntry[],
  range: LogRange,
  name: string,
): readonly LogEntry[] {
  const start = startOf(all, range, name);
  return all.slice(start, endOf(all, start, range, name));
}

function startOf(
  all: readonly LogEntry[],
  { startEntry = 0, startMark }: LogRange,
  name: string,
): number {
  if (startMark !== undefined) {
    const at = all.findIndex(({ mark }) => mark === startMark);
    if (at < 0)
      throw new HoldfastError("not-found", `${name}: its log has no mark "${startMark}".`);
    return at + 1;
  }
  if (startEntry > all.length)
    throw new HoldfastError(
      "not-found",
      `${name}: its log has ${all.length} entries, and none from ${startEntry} on.`,
    );
  return startEntry;
}

/** The first entry that is not in the range any more. */
function endOf(
  all: readonly LogEntry[],
  start: number,
  { limit, nextFlush, nextFua, endMark }: LogRange,
  name: string,
): number {
  const limited = start + (limit ?? Infinity);
  const found = all.findIndex(
    ({ index, isFlush, isFua, mark }) =>
      index >= start &&
      ((nextFlush === true && isFlush) ||
        (nextFua === true && isFua) ||
        (endMark !== undefined && mark === endMark)),
  );
  const end = Math.min(found < 0 ? Infinity : found + 1, limited);
  if (end <= all.length) return end;
  const wanted = [
    ...(limit === undefined ? [] : [`${limit} entries`]),
    ...(nextFlush === true ? ["a flush"] : []),
    ...(nextFua === true ? ["a FUA write"] : []),
    ...(endMark === undefined ? [] : [`a mark "${endMark}"`]),
  ];
  if (wanted.length === 0) return all.length;
  throw new HoldfastError(
    "not-found",
    `${name}: its log has ${all.length} entries, and from ${start} on it does not have ${wanted.join(" or ")}.`,
  );
}
