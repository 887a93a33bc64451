/**
 * StripeTable: gathers what is written to the same stripe, and bounds how many stripes are under way.
 *
 *   writes --> waiting stripe --(is written as a whole, or nobody is reading for a stripe)--> ready --(there is room)--> locked, written
 *                  ^    |                                                                                               |
 *                  |    +--(its writes need reads, and so do others that are under way): waits, and may become whole    |
 *                  +---------- writes that came for it meanwhile -------------------------------------------------------+
 *
 * A stripe here is a window of a row: up to 64 KiB of each member. A stripe is locked from before its old contents are read until the last
 * member write has ended and every failure is recorded, with core.locks, where background sync and degraded reads meet it.
 */
import { assert } from "../../../../base/assert.ts";
import type { HoldfastError } from "../../../../base/errors.ts";
import { BioFlags } from "../../../../block/bio.ts";
import type { BioEnd } from "../../../../block/bio.ts";
import { inSequence } from "../../../../block/fan-out.ts";
import type { RangeHold } from "../../../../block/range-lock.ts";
import { LoneWrites } from "./lone-write.ts";
import type { LoneEnd } from "./lone-write.ts";
import { contentsOf, runsIn, segmentsOf } from "./parts.ts";
import type { Segment, WritePart } from "./parts.ts";
import { inPieces } from "./pieces.ts";
import { SegmentWrite } from "./segment-write.ts";
import type { NewContents } from "./segment-write.ts";
import { blockSectors } from "./stripe-log.ts";
import { rangeAt } from "./stripe.ts";
import type { StripeContext } from "./stripe.ts";

/** Of members' blocks that may be held at a time, as far as writes go. */
const MAX_BYTES = 16 * 1024 * 1024;
const MAX_STRIPES = 256;
const MIN_STRIPES = 4;

interface Stripe {
  /** First member sector. */
  readonly sector: number;
  state: "gathering" | "delayed" | "ready" | "busy";
  waiting: WritePart[];
  /** Of those that wait. */
  waitingSectors: number;
  /** Counted among those that read before they write, for which others wait. */
  isReading: boolean;
}

/** One round of a stripe. */
interface Batch {
  readonly stripe: Stripe;
  readonly hold: RangeHold;
  readonly parts: readonly WritePart[];
  readonly start: number;
  readonly end: number;
  /** Segments not ended, and one for whoever starts them. */
  left: number;
  isEverywhere: boolean;
}

export class StripeTable {
  readonly #context: StripeContext;
  readonly #windowSectors: number;
  readonly #wholeSectors: number;
  readonly #lone: LoneWrites;
  readonly #maxStripes: number;
  readonly #stripes = new Map<number, Stripe>();
  readonly #delayed = new Set<Stripe>();
  readonly #ready: Stripe[] = [];
  #busy = 0;
  #reading = 0;
  #isStarting = false;

  /** @param windowSectors of each member; divides a chunk */
  constructor(context: StripeContext, windowSectors: number) {
    const { geometry } = context;
    assert(geometry.chunkSectors % windowSectors === 0, "chunks are made of whole windows");
    this.#context = context;
    this.#windowSectors = windowSectors;
    this.#lone = new LoneWrites(context);
    this.#wholeSectors = windowSectors * geometry.dataDisks;
    const bytes = windowSectors * 512 * geometry.raidDisks;
    this.#maxStripes = Math.max(MIN_STRIPES, Math.min(MAX_STRIPES, Math.floor(MAX_BYTES / bytes)));
  }

  /** Adds a part, which lies inside one window. `start` follows once all parts of the bio are added, so that they go together. */
  add(part: WritePart): void {
    const sector = part.start - (part.start % this.#windowSectors);
    let stripe = this.#stripes.get(sector);
    if (stripe === undefined) {
      stripe = { sector, state: "gathering", waiting: [], waitingSectors: 0, isReading: false };
      this.#stripes.set(sector, stripe);
    }
    part.request.begin();
    stripe.waiting.push(part);
    stripe.waitingSectors += part.end - part.start;
  }

  /** @param sectors first member sectors of the windows that parts of one bio were added to */
  start(sectors: Iterable<number>): void {
    const isAnyReading = this.#reading > 0;
    for (const sector of sectors) {
      const stripe = this.#stripes.get(sector);
      if (stripe?.state === "gathering" || stripe?.state === "delayed")
        this.#queue(stripe, isAnyReading);
    }
    this.#startReady();
  }

  #queue(stripe: Stripe, isAnyReading: boolean): void {
    const isWhole = stripe.waitingSectors >= this.#wholeSectors;
    const isUrgent = stripe.waiting.some((part) => (part.flags & BioFlags.fua) !== 0);
    if (!isWhole && !isUrgent && isAnyReading) {
      stripe.state = "delayed";
      this.#delayed.add(stripe);
      return;
    }
    this.#delayed.delete(stripe);
    stripe.state = "ready";
    // What does not wait is not waited for either: one such write after the other would keep the rest waiting for ever.
    if (!isWhole && !isUrgent) this.#countReading(stripe);
    this.#ready.push(stripe);
  }

  #startReady(): void {
    // What ends at once would come back here and deepen the stack.
    if (this.#isStarting) return;
    this.#isStarting = true;
    while (this.#busy < this.#maxStripes && this.#ready.length > 0)
      this.#lock(this.#ready.shift()!);
    this.#isStarting = false;
  }

  #lock(stripe: Stripe): void {
    stripe.state = "busy";
    this.#busy += 1;
    const { locks } = this.#context.core;
    locks.lock(stripe.sector, this.#windowSectors, "exclusive", (hold) => this.#run(stripe, hold));
  }

  #run(stripe: Stripe, hold: RangeHold): void {
    const parts = stripe.waiting;
    stripe.waiting = [];
    stripe.waitingSectors = 0;
    const start = Math.min(...parts.map((part) => part.start));
    const end = Math.max(...parts.map((part) => part.end));
    const batch: Batch = { stripe, hold, parts, start, end, left: 1, isEverywhere: true };
    const { regions } = this.#context.core;
    // The region is durably dirty before anything is written (law 2).
    regions.beginWrite(start, end - start, (error) => {
      if (error !== null) {
        for (const part of parts) part.error = error;
        this.#release(batch);
        return;
      }
      const [part] = parts;
      if (parts.length > 1 || !this.#startLone(batch, part!)) this.#writeSegments(batch);
    });
  }

  #startLone(batch: Batch, part: WritePart): boolean {
    const ended: LoneEnd = (error, isEverywhere) => {
      part.error = error;
      batch.isEverywhere = isEverywhere;
      this.#segmentEnded(batch);
    };
    return this.#lone.start(part, ended, () => this.#writeSegments(batch));
  }

  #writeSegments(batch: Batch): void {
    const segments = segmentsOf(batch.parts, blockSectors(this.#context.log));
    batch.left += segments.length;
    for (const segment of segments) this.#write(batch, segment);
    this.#segmentEnded(batch);
  }

  /** One run after the other: each of them changes the parity. */
  #write(batch: Batch, segment: Segment): void {
    const { geometry, log } = this.#context;
    const { layout } = rangeAt(geometry, segment.start, 1);
    const runs = log.needsRuns ? runsIn(layout.data, segment.written) : [segment.written];
    inSequence(
      runs.length,
      (run, end) => this.#writeRun(batch, { ...segment, written: runs[run]! }, end),
      (error) => {
        if (error !== null) failParts(batch.parts, segment, error);
        this.#segmentEnded(batch);
      },
    );
  }

  #writeRun(batch: Batch, segment: Segment, runEnded: BioEnd): void {
    const { geometry, core, log } = this.#context;
    const range = rangeAt(geometry, segment.start, segment.end - segment.start);
    const isDurable = batch.parts.some((part) => (part.flags & BioFlags.fua) !== 0);
    const flags = isDurable ? BioFlags.fua : BioFlags.none;
    const contents: NewContents = (slot, piece, old, buffers) =>
      contentsOf(batch.parts, slot, piece, old, buffers);
    inPieces(
      core.members,
      range,
      (piece, end) => {
        const ended = (outcome: Parameters<typeof end>[0], isEverywhere: boolean): void => {
          if (outcome !== "split" && !isEverywhere) batch.isEverywhere = false;
          end(outcome);
        };
        new SegmentWrite(this.#context, piece, segment, contents, flags, ended).start();
      },
      runEnded,
      { blockSectors: blockSectors(log), maxSectors: log.maxSectors },
    );
  }

  #segmentEnded(batch: Batch): void {
    batch.left -= 1;
    if (batch.left > 0) return;
    const { start, end, isEverywhere } = batch;
    this.#context.core.regions.endWrite(start, end - start, isEverywhere);
    this.#release(batch);
  }

  #release({ stripe, hold, parts }: Batch): void {
    this.#busy -= 1;
    if (stripe.isReading) {
      stripe.isReading = false;
      this.#reading -= 1;
    }
    this.#context.core.locks.release(hold);
    stripe.state = "gathering";
    if (stripe.waiting.length > 0) this.#queue(stripe, this.#reading > 0);
    else this.#stripes.delete(stripe.sector);
    if (this.#reading === 0) this.#queueDelayed();
    this.#startReady();
    for (const part of parts) part.request.ended(part.error);
  }

  /** All at once: they came while others were reading, as the next will while these are. */
  #queueDelayed(): void {
    for (const stripe of this.#delayed) {
      stripe.state = "ready";
      this.#countReading(stripe);
      this.#ready.push(stripe);
    }
    this.#delayed.clear();
  }

  #countReading(stripe: Stripe): void {
    stripe.isReading = true;
    this.#reading += 1;
  }
}

function failParts(parts: readonly WritePart[], segment: Segment, error: HoldfastError): void {
  for (const part of parts)
    if (part.start < segment.end && segment.start < part.end) part.error ??= error;
}
