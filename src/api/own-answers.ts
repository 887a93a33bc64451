/** What the daemon tells of itself. */
import type { ArrayExport, EngineFigures } from "../engine/engine.ts";

/** Counts up when clients of the version before could no longer work. */
export const API_VERSION = 1;

export interface ApiVersion {
  readonly name: "holdfast";
  readonly version: string;
  readonly api: number;
  readonly processId: number;
}

export interface ApiHealth {
  /** `trouble`: there are problems. */
  readonly status: "ok" | "trouble";
  readonly stateFolder: string;
  /** Running arrays, as NBD clients see them. */
  readonly exports: readonly ArrayExport[];
  /** A sentence each: what the state file lists and could not be started. */
  readonly problems: readonly string[];
}

export interface OwnAnswers {
  version(): Promise<ApiVersion>;
  health(): Promise<ApiHealth>;
  figures(): Promise<EngineFigures>;
}
