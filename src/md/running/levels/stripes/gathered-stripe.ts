/** A stripe with what is written to it, and one round of that under way. Used again, so that a small write costs no allocation. */
import type { BioEnd } from "../../../../block/bio.ts";
import { BioFlags } from "../../../../block/bio.ts";
import type { Pooled } from "../../../../block/pool.ts";
import type { RangeHold } from "../../../../block/range-lock.ts";
import type { LoneEnd } from "./lone-write.ts";
import type { WritePart } from "./parts.ts";

export interface StripeSteps {
  locked(stripe: GatheredStripe, hold: RangeHold): void;
  begun(stripe: GatheredStripe, ...outcome: Parameters<BioEnd>): void;
  ended(stripe: GatheredStripe, ...outcome: Parameters<LoneEnd>): void;
  /** It has to be written the general way. */
  otherwise(stripe: GatheredStripe): void;
}

export class GatheredStripe implements Pooled {
  isSpare = false;
  /** First member sector. */
  sector = 0;
  state: "gathering" | "delayed" | "ready" | "busy" = "gathering";
  waiting: WritePart[] = [];
  /** Of those that wait. */
  waitingSectors = 0;
  /** Among the stripes that the bio which is being taken in was added to. */
  isTouched = false;
  /** Counted among those that read before they write, for which others wait. */
  isReading = false;

  /** Of the round under way, and so what follows. */
  parts: WritePart[] = [];
  hold: RangeHold | null = null;
  start = 0;
  end = 0;
  /** Segments not ended, and one for whoever starts them. */
  left = 0;
  isEverywhere = true;

  readonly locked: (hold: RangeHold) => void;
  readonly begun: BioEnd;
  readonly ended: LoneEnd;
  readonly otherwise: () => void;

  constructor(steps: StripeSteps) {
    this.locked = (hold) => steps.locked(this, hold);
    this.begun = (error) => steps.begun(this, error);
    this.ended = (error, isEverywhere) => steps.ended(this, error, isEverywhere);
    this.otherwise = () => steps.otherwise(this);
  }

  add(part: WritePart): void {
    this.waiting.push(part);
    this.waitingSectors += part.end - part.start;
  }

  /** Somebody waits for it to be on stable storage. */
  get isUrgent(): boolean {
    for (const part of this.waiting) if ((part.flags & BioFlags.fua) !== 0) return true;
    return false;
  }

  /** What waits is written now. @param waiting an empty list for what comes meanwhile */
  begin(hold: RangeHold, waiting: WritePart[]): void {
    const parts = this.waiting;
    this.parts = parts;
    this.waiting = waiting;
    this.waitingSectors = 0;
    this.hold = hold;
    this.left = 1;
    this.isEverywhere = true;
    this.start = Infinity;
    this.end = 0;
    for (const part of parts) {
      if (part.start < this.start) this.start = part.start;
      if (part.end > this.end) this.end = part.end;
    }
  }
}
