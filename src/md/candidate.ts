/** A device that carries an md superblock, on its way to become a member. */
import type { BlockDevice } from "../block/device.ts";
import type { MdSuperblock } from "../formats/md/superblock.ts";

export interface MdCandidate {
  /** For messages: the path it was given by. */
  readonly path: string;
  readonly device: BlockDevice;
  readonly superblock: MdSuperblock;
}

/** What became of a candidate. */
export type CandidateFate =
  | "in-sync"
  /** Rebuild or reshape has reached its recovery offset; below that it is used. */
  | "recovering"
  | "spare"
  | "journal"
  /** It left the array earlier and missed writes. Not used. */
  | "stale"
  | "faulty"
  /** Same array UUID, but it cannot belong to this set. */
  | "foreign"
  /** A second claim to a place that is taken. */
  | "duplicate";

export interface JudgedCandidate {
  readonly candidate: MdCandidate;
  readonly fate: CandidateFate;
  /** Place in the array, for in-sync and recovering members. */
  readonly slot: number | null;
  readonly replacement: boolean;
  /** Why, in one sentence, where that is not plain. */
  readonly note: string | null;
}

/** Candidates of one array, by its UUID, in the order given. */
export function groupByArray(candidates: readonly MdCandidate[]): Map<string, MdCandidate[]> {
  const sets = new Map<string, MdCandidate[]>();
  for (const candidate of candidates) {
    const uuid = candidate.superblock.arrayUuid;
    const set = sets.get(uuid);
    if (set === undefined) sets.set(uuid, [candidate]);
    else set.push(candidate);
  }
  return sets;
}
