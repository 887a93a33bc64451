/** DirectRead: a piece under way from the one place where it was looked for, before anything else is tried. Pooled (block/pool.ts). */
import type { HoldfastError } from "../base/errors.ts";
import { NO_DATA, ignore } from "../base/nothing.ts";
import type { BioEnd } from "../block/bio.ts";
import type { Pooled } from "../block/pool.ts";

export class DirectRead implements Pooled {
  isSpare = false;
  /** For levels that have to know it when it has failed. */
  slot = 0;
  sector = 0;
  data: Uint8Array = NO_DATA;
  /** Of whoever asked. */
  end: BioEnd = ignore;
  readonly ended: BioEnd;

  constructor(ended: (read: DirectRead, error: HoldfastError | null) => void) {
    this.ended = (error) => ended(this, error);
  }
}
