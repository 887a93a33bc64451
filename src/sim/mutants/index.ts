/** The mutants, in the order in which they are listed. */
import type { Mutant } from "../mutant.ts";

export const MUTANTS: readonly Mutant[] = [];
