/**
 * How fast a pass goes: an average over the last 30 s, from a ring of ten marks that are set 3 s apart. Only steps that were work
 * count; what was skipped because it was in sync already does not.
 */
const MARKS = 10;
const MARK_EVERY_MS = 3000;

interface Mark {
  atMs: number;
  sectors: number;
}

export class SpeedMarks {
  readonly #marks: readonly Mark[];
  #newest = 0;
  #sectors = 0;

  constructor(nowMs: number) {
    this.#marks = Array.from({ length: MARKS }, () => ({ atMs: nowMs, sectors: 0 }));
  }

  /** So many sectors were worked on. */
  add(sectors: number, nowMs: number): void {
    this.#sectors += sectors;
    this.advance(nowMs);
  }

  /** Sets the next mark if it is time to. */
  advance(nowMs: number): void {
    if (nowMs < this.#marks[this.#newest]!.atMs + MARK_EVERY_MS) return;
    this.#newest = (this.#newest + 1) % MARKS;
    const mark = this.#marks[this.#newest]!;
    mark.atMs = nowMs;
    mark.sectors = this.#sectors;
  }

  /** Sectors since the oldest mark. */
  get recentSectors(): number {
    return this.#sectors - this.#oldest.sectors;
  }

  /** Milliseconds since the oldest mark. */
  recentMs(nowMs: number): number {
    return nowMs - this.#oldest.atMs;
  }

  get #oldest(): Mark {
    return this.#marks[(this.#newest + 1) % MARKS]!;
  }
}
