/** What a replayed log gives: patches of members and of the volume. */
import type { Patch } from "../../devices/patched.ts";
import type { MdCandidate } from "../candidate.ts";

/** What one log had to say. */
export interface Replay {
  /** By member; device sectors. Later patches cover earlier ones. */
  readonly members: ReadonlyMap<MdCandidate, readonly Patch[]>;
  /** Volume sectors. */
  readonly volume: readonly Patch[];
  readonly notes: readonly string[];
}

export const NOTHING_TO_REPLAY: Replay = { members: new Map(), volume: [], notes: [] };
