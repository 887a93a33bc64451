/**
 * The operations of which bounded exploration (explore.ts) makes all sequences, and what each comes to after those before it. One that would
 * come to nothing there (a re-add where nothing failed) ends its sequence: whatever follows it is found without it.
 */
import type { Action } from "./script.ts";
import { bearableLosses } from "./shape.ts";
import type { Shape } from "./shape.ts";

export const OPERATIONS = [
  "write",
  "flush",
  "fail",
  "re-add",
  "check",
  "freeze",
  "suspend",
  "crash",
] as const;
export type Operation = (typeof OPERATIONS)[number];

/** What scripts made of them say they belong to. */
export const EXPLORATION = "explore";

/** All sequences of more would take months. */
export const MOST_OPERATIONS = 4;

/** How members fail: an administrator says so, or their disk does not answer any more and stays away until it is added again. */
export type Failing = "told" | "found";

/** What crashes are: the power fails, or only the process dies. */
export const ENDS = ["cut", "kill"] as const;
export type End = (typeof ENDS)[number];

/** Blocks of one row and of two, and the first one again. */
const WRITES = [
  { sector: 0, sectors: 6 },
  { sector: 6, sectors: 6 },
  { sector: 0, sectors: 6 },
  { sector: 12, sectors: 40 },
];
const EVERYWHERE = 1 << 20;

/** What those before have left, as far as it matters to the next. */
export interface Situation {
  readonly writes: number;
  readonly isFlushed: boolean;
  readonly failed: readonly number[];
  readonly failures: number;
  readonly isFrozen: boolean;
  readonly isSuspended: boolean;
  readonly last: Operation | null;
}

export const BEFORE_ALL: Situation = {
  writes: 0,
  isFlushed: true,
  failed: [],
  failures: 0,
  isFrozen: false,
  isSuspended: false,
  last: null,
};

export interface Deed {
  readonly action: Action;
  readonly after: Situation;
}

/** Null: nothing would come of it. */
export function deed(
  operation: Operation,
  before: Situation,
  shape: Shape,
  { failing, end }: { readonly failing: Failing; readonly end: End },
): Deed | null {
  const after = { ...before, last: operation };
  switch (operation) {
    case "write": {
      const action = { do: "write", ...WRITES[before.writes % WRITES.length]! } as const;
      return { action, after: { ...after, writes: before.writes + 1, isFlushed: false } };
    }
    case "flush":
      return before.isFlushed
        ? null
        : { action: { do: "flush" }, after: { ...after, isFlushed: true } };
    case "fail":
      return fail(after, shape, failing);
    case "re-add": {
      const [disk, ...failed] = before.failed;
      if (disk === undefined) return null;
      return { action: { do: "return", disk }, after: { ...after, failed } };
    }
    case "check":
      if (before.last === "check") return null;
      return { action: { do: "sync-action", word: "check" }, after };
    case "freeze": {
      const word = before.isFrozen ? "idle" : "frozen";
      return {
        action: { do: "sync-action", word },
        after: { ...after, isFrozen: word !== "idle" },
      };
    }
    case "suspend": {
      const sectors = before.isSuspended ? 0 : EVERYWHERE;
      return {
        action: { do: "suspend", sector: 0, sectors },
        after: { ...after, isSuspended: sectors > 0 },
      };
    }
    case "crash": {
      if (before.last === null || before.last === "crash") return null;
      const away = failing === "found" ? before.failed : [];
      // What a process that died had written is in the disks' caches yet.
      const isFlushed = end === "cut" || before.isFlushed;
      const calm = { isFlushed, isFrozen: false, isSuspended: false };
      const action: Action = end === "cut" ? { do: "cut", away } : { do: "kill" };
      return { action, after: { ...after, ...calm } };
    }
  }
}

/** Each time another one: who came back must stand in for it. */
function fail(after: Situation, shape: Shape, failing: Failing): Deed | null {
  if (after.failed.length >= bearableLosses(shape)) return null;
  const disk = after.failures % shape.disks;
  const action: Action =
    failing === "told" ? { do: "fail-member", disk } : { do: "ail", disk, health: "gone" };
  const failed = [...after.failed, disk];
  return { action, after: { ...after, failed, failures: after.failures + 1 } };
}
