/** The words of md's array_state: what a running array answers, and what each of them asks for when it is written. */

export type ArrayMode =
  /** Nothing is written to the members. */
  | "read-only"
  /** Nothing is written until the first write comes. */
  | "read-auto"
  | "read-write"
  | "stopped";

export type ArrayStateWord =
  | "clear"
  | "inactive"
  | "suspended"
  | "readonly"
  | "read-auto"
  | "clean"
  | "active"
  | "write-pending"
  | "active-idle"
  | "broken";

/** What a word that is written asks for. */
export type WantedState = "stop" | "read-only" | "read-auto" | "read-write" | "clean";

export interface ArrayStateView {
  readonly mode: ArrayMode;
  readonly isBroken: boolean;
  readonly isClean: boolean;
  /** Writes wait for superblocks. */
  readonly isWritePending: boolean;
  /** Nothing is being written, and soon the array will be clean. */
  readonly isIdle: boolean;
}

/** A broken array is never marked clean here, so it says so at once and not only when it has become clean. */
export function stateWord(view: ArrayStateView): ArrayStateWord {
  if (view.mode === "stopped") return "inactive";
  if (view.mode === "read-only") return "readonly";
  if (view.mode === "read-auto") return "read-auto";
  if (view.isWritePending) return "write-pending";
  if (view.isBroken) return "broken";
  if (view.isClean) return "clean";
  return view.isIdle ? "active-idle" : "active";
}

/** What to do to get there; null for words that only tell. */
export function wantedState(word: string): WantedState | null {
  switch (word) {
    case "clear":
    case "inactive":
      return "stop";
    case "readonly":
      return "read-only";
    case "read-auto":
      return "read-auto";
    case "active":
      return "read-write";
    case "clean":
      return "clean";
    default:
      return null;
  }
}
