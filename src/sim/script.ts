/**
 * Script: what happens in a run, to an array or to mapped devices, as data, so that a run can be made shorter, kept, and played again. A step that makes no sense when
 * its turn comes (a disk that is to come back and is not away, a failure that the array could not bear) is passed over: leaving out
 * any step leaves a script that can be played.
 */
import type { Health, WriteFault } from "./disk.ts";
import type { SyncWord } from "../md/running/sync-control.ts";
import type { MappedAction } from "./mapped/action.ts";
import type { Stack } from "./mapped/stack.ts";
import type { Shape } from "./shape.ts";

export type Action =
  | {
      readonly do: "write";
      readonly sector: number;
      readonly sectors: number;
      readonly fua?: true;
      readonly preflush?: true;
      /** Zeros; over NBD without sending them. */
      readonly zeros?: true;
    }
  /** Changes the buffers of writes that are under way. */
  | { readonly do: "alter" }
  | { readonly do: "read"; readonly sector: number; readonly sectors: number }
  | { readonly do: "flush" }
  /** One of the clients' connections; passed over where they have none. */
  | { readonly do: "break-connection"; readonly connection: number }
  /** The NBD server offers the array no more, while it is in use; then it does again (law 7). */
  | { readonly do: "withdraw" }
  /** A disk fails, or falls ill. */
  | {
      readonly do: "ail";
      readonly disk: number;
      readonly health: Exclude<Health, "well">;
      /** Also before parity that a crash may have left wrong is synced. */
      readonly amidSync?: true;
    }
  | {
      readonly do: "bad-sector";
      readonly disk: number;
      readonly sector: number;
      readonly cannotBeWritten?: true;
      /** What it had held before, if it cannot be written. */
      readonly canBeRead?: true;
    }
  | { readonly do: "write-fault"; readonly disk: number; readonly fault: WriteFault }
  | { readonly do: "rot"; readonly disk: number; readonly sector: number }
  | { readonly do: "lie-about-flush"; readonly disk: number }
  /** A disk that failed is there again: taken out of the array, and added as what it counts for. */
  | { readonly do: "return"; readonly disk: number }
  | { readonly do: "fail-member"; readonly disk: number }
  | { readonly do: "replace"; readonly disk: number }
  | { readonly do: "sync-action"; readonly word: SyncWord }
  | { readonly do: "array-state"; readonly word: string }
  | { readonly do: "suspend"; readonly sector: number; readonly sectors: number }
  /** Nobody asks for anything for a while. */
  | { readonly do: "wait"; readonly ms: number }
  /** Everything comes to rest. */
  | { readonly do: "rest" }
  /** Background sync waits at this sector, until all comes to rest (md's sync_max). */
  | { readonly do: "hold-sync"; readonly sector: number }
  /** Background sync, if there is any, ends at once, whatever else is held up (law 4). */
  | { readonly do: "end-sync"; readonly word: "idle" | "frozen" }
  /** Orderly, and started again. */
  | { readonly do: "restart" }
  /** Stopped while it is in use, then the power fails, and it is started again (laws 7 and 8). */
  | { readonly do: "stop" }
  | {
      readonly do: "kill";
      /** So many events into the next start it is killed again. */
      readonly again?: number;
    }
  /** Disks that had failed are back afterwards, but for these. */
  | {
      readonly do: "cut";
      readonly away: readonly number[];
      /** So many events into the next start the power fails again. */
      readonly again?: number;
      /** From that start on background sync waits, until all comes to rest. */
      readonly holdsSync?: true;
    };

export interface Timed<A> {
  readonly action: A;
  /** Events that happen between it and the next. */
  readonly events: number;
}

export type Step = Timed<Action>;
export type MappedStep = Timed<MappedAction>;

/** What happens to an array. */
export interface ArrayTale {
  readonly shape: Shape;
  readonly steps: readonly Step[];
}

/** What happens to mapped devices. */
export interface MappedTale {
  readonly stack: Stack;
  readonly steps: readonly MappedStep[];
}

export type NamedTale<T> = T & { readonly scenario: string; readonly seed: number };
export type ArrayScript = NamedTale<ArrayTale>;
export type MappedScript = NamedTale<MappedTale>;
export type Script = ArrayScript | MappedScript;

export function isMapped(script: Script): script is MappedScript {
  return "stack" in script;
}

/** One line a step, for people. */
export function describeAction(action: Action | MappedAction): string {
  const { do: what, ...rest } = action;
  const words = Object.entries(rest).map(([name, value]) =>
    value === true ? name : `${name} ${typeof value === "object" ? JSON.stringify(value) : value}`,
  );
  return [what, ...words].join(" ");
}
