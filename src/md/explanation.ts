/** What `examine --explain` tells about one set: plain data, shown as tables and as `--json` (docs/json.md). */
import type { SetVerdict } from "./verdict.ts";

/** An internal bitmap as one member has it. */
export interface ExplainedBitmap {
  readonly events: number;
  /** A member that left at this event count or later can come back with the help of the bitmap. */
  readonly eventsCleared: number;
  readonly chunkSectors: number;
  readonly chunks: number;
  /** As `mdadm -X` counts them. In a cluster of the first node only. */
  readonly dirtyChunks: number;
  /** Why the kernel would take all chunks for dirty; null when it believes the bits. */
  readonly distrust: string | null;
}

/** One row of the matrix: what one member says of itself and of the others. */
export interface ExplainedMember {
  readonly path: string;
  /** Number of the device in the array's role table. */
  readonly deviceNumber: number;
  /** What it says it is: "member 2", "spare", "journal", "member 2 (replacement)". */
  readonly role: string;
  /** The slot it claims, whether it gets it or not; null for spares, journals and the like. */
  readonly slot: number | null;
  readonly replacement: boolean;
  readonly events: number;
  /** Behind the freshest. */
  readonly eventsBehind: number;
  /** ISO 8601. */
  readonly updated: string;
  /** What assembly makes of it: "in-sync", "stale", ... */
  readonly state: string;
  /** How it sees each slot of the array: "A" active, "." missing or failed, "R" being replaced. */
  readonly sees: string;
  readonly checksumOk: boolean;
  /** The array was stopped cleanly, as far as it knows. */
  readonly clean: boolean;
  /** Below this the redundancy is in sync; null when it is so everywhere. */
  readonly resyncOffsetSectors: number | null;
  /** How far it was rebuilt; null when it is complete. */
  readonly recoveryOffsetSectors: number | null;
  /** Null when it has none, or none that can be read (then `note` says so). */
  readonly bitmap: ExplainedBitmap | null;
  /** Sectors on its bad-block log; null when the log cannot be read. */
  readonly badBlockSectors: number | null;
  /** What guards it against the write hole: a journal on another device, or a partial parity log on itself. */
  readonly log: "journal" | "ppl" | "multiple-ppls" | null;
  readonly note: string | null;
}

export type WayKind =
  | "as-it-is"
  | "backup-file"
  /** Leaves a member out that is there, but doubtful. */
  | "without"
  | "force"
  /** Only members that were left behind, or the other side of a split brain. */
  | "other-half"
  | "overlay";

/** One way to put the set together, and what would come of it. */
export interface ExplainedWay {
  readonly kind: WayKind;
  /** "as it is", "with --force", "without disk2.img". */
  readonly way: string;
  /** What to type; null where Holdfast has no command for it. */
  readonly command: string | null;
  /** What comes of that command. */
  readonly verdict: SetVerdict;
  /** Members missing or not yet rebuilt; null when it cannot be started this way. */
  readonly degradedBy: number | null;
  /** Paths of the members that would be used. */
  readonly members: readonly string[];
  /**
   * Stripes in which what is read may be wrong or out of date; null when nobody can tell. 0 when it does not start: nothing is
   * read. What a stripe is: SetExplanation.stripeBytes.
   */
  readonly stripesAtRisk: number | null;
  /** Bytes of the volume in them that may be wrong, at most. */
  readonly bytesAtRisk: number | null;
  /** `stripesAtRisk` counts everything that cannot be ruled out, since no bitmap tells where. */
  readonly upperBound: boolean;
  /** Stripes whose redundancy (parity, the other copies) must be made anew; what is read there is right as long as no member fails. */
  readonly stripesToSync: number | null;
  /** Sentences: the first says why this way is there, the others what would be done, and what it would cost. */
  readonly consequences: readonly string[];
}

/** Releases of Linux, both ends included. */
export interface KernelRange {
  /** "4.12". */
  readonly from: string;
  /** Null: all later ones. */
  readonly to: string | null;
}

export interface ExplainedKernels {
  /** "Linux 2.6.28 and later". */
  readonly accepts: string;
  /** One sentence for each feature that decides it, newest first: "the bad-block log needs Linux 3.1 and later". */
  readonly reasons: readonly string[];
  /** The oldest release that takes the set; null when none does. */
  readonly oldest: string | null;
  /** The feature that asks for it: "the partial parity log"; null for "2.6.0", where nothing older is looked at. */
  readonly because: string | null;
  /** The same as `accepts`. Releases take a set for reading and for writing, or not at all; `refusedBy` has what differs. */
  readonly ranges: readonly KernelRange[];
  /** Sentences about kernels that refuse it whatever their release, or in its present state: who, and why. */
  readonly refusedBy: readonly string[];
}

export interface SetExplanation {
  readonly name: string;
  readonly uuid: string;
  readonly level: string;
  readonly layout: string;
  readonly raidDisks: number;
  readonly metadata: string;
  /**
   * What counts as one stripe: a chunk on each member; for raid1 and raid10, which have none, that much of the volume. 0 where
   * nothing can be told.
   */
  readonly stripeBytes: number;
  /** Stripes in the array. */
  readonly stripes: number;
  /** The members fell into two sides that were each written without the other. */
  readonly splitBrain: boolean;
  /** Freshest first. */
  readonly members: readonly ExplainedMember[];
  /** As it is first, then the safer ones before the others. */
  readonly ways: readonly ExplainedWay[];
  readonly kernels: ExplainedKernels;
}
