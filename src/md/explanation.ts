/** What `examine --explain` tells about one set: plain data, shown as tables and as `--json` (docs/json.md). */
import type { SetVerdict } from "./verdict.ts";

/** One row of the matrix: what one member says of itself and of the others. */
export interface ExplainedMember {
  readonly path: string;
  /** Number of the device in the array's role table. */
  readonly deviceNumber: number;
  /** What it says it is: "member 2", "spare", "journal", "member 2 (replacement)". */
  readonly role: string;
  readonly events: number;
  /** ISO 8601. */
  readonly updated: string;
  /** What assembly makes of it: "in-sync", "stale", ... */
  readonly state: string;
  /** How it sees each slot of the array: "A" active, "." missing or failed, "R" being replaced. */
  readonly sees: string;
  /** How far it was rebuilt; null when it is complete. */
  readonly recoveryOffsetSectors: number | null;
  readonly note: string | null;
}

/** One way to put the set together, and what would come of it. */
export interface ExplainedWay {
  /** "as it is", "with --force", "without disk2.img". */
  readonly way: string;
  /** What to type; null where Holdfast has no command for it. */
  readonly command: string | null;
  readonly verdict: SetVerdict;
  /** Paths of the members that would be used. */
  readonly members: readonly string[];
  /** Stripes whose content would be in doubt; null when nobody can tell. */
  readonly stripesAtRisk: number | null;
  /** Sentences: what would be done, and what it would cost. */
  readonly consequences: readonly string[];
}

export interface ExplainedKernels {
  /** "Linux 2.6.28 and later". */
  readonly accepts: string;
  /** One sentence for each feature that decides it: "the bad block log needs 3.1". */
  readonly reasons: readonly string[];
}

export interface SetExplanation {
  readonly name: string;
  readonly uuid: string;
  readonly level: string;
  readonly layout: string;
  readonly raidDisks: number;
  readonly metadata: string;
  /** Freshest first. */
  readonly members: readonly ExplainedMember[];
  /** Safest first. */
  readonly ways: readonly ExplainedWay[];
  readonly kernels: ExplainedKernels;
}
