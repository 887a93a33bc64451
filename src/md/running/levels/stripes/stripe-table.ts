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
import { Pool } from "../../../../block/pool.ts";
import type { RangeHold } from "../../../../block/range-lock.ts";
import { GatheredStripe } from "./gathered-stripe.ts";
import { LoneWrites } from "./lone-write.ts";
import { WritePart, WriteRequest, contentsOf, runsIn, segmentsOf } from "./parts.ts";
import type { Segment } from "./parts.ts";
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
/** Of a member, written by one request. More of it, with all other members', is out of the processor's cache before it is written. */
const BYTES_TOGETHER = 256 * 1024;
const NO_PARTS: WritePart[] = [];

export class StripeTable {
  readonly #context: StripeContext;
  readonly #windowSectors: number;
  readonly #wholeSectors: number;
  readonly #lone: LoneWrites;
  readonly #maxStripes: number;
  readonly #stripesTogether: number;
  readonly #stripes = new Map<number, GatheredStripe>();
  readonly #delayed = new Set<GatheredStripe>();
  readonly #ready: GatheredStripe[] = [];
  /** Of the bio that is being taken in. */
  readonly #touched: GatheredStripe[] = [];
  readonly #pool = new Pool(
    () =>
      new GatheredStripe({
        locked: (stripe, hold) => this.#run(stripe, hold),
        begun: (stripe, error) => this.#begun(stripe, error),
        ended: (stripe, error, isEverywhere) => this.#ended(stripe, error, isEverywhere),
        otherwise: (stripe) => this.#writeSegments(stripe),
      }),
  );
  readonly #requests = new Pool(() => new WriteRequest());
  readonly #parts = new Pool(() => new WritePart());
  /** Empty. */
  readonly #lists: WritePart[][] = [];
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
    this.#stripesTogether = Math.max(1, Math.floor(BYTES_TOGETHER / (windowSectors * 512)));
    this.#maxStripes = Math.max(MIN_STRIPES, Math.min(MAX_STRIPES, Math.floor(MAX_BYTES / bytes)));
  }

  /** A bio whose parts are added next. */
  request(end: BioEnd): WriteRequest {
    return this.#requests.take().start(end);
  }

  /** Adds a part, which lies inside one window. `start` follows once all parts of the bio are added, so that they go together. */
  add(
    request: WriteRequest,
    slot: number,
    memberSector: number,
    data: Uint8Array,
    flags: number,
  ): void {
    const sector = memberSector - (memberSector % this.#windowSectors);
    let stripe = this.#stripes.get(sector);
    if (stripe === undefined) {
      stripe = this.#pool.take();
      stripe.sector = sector;
      stripe.state = "gathering";
      this.#stripes.set(sector, stripe);
    }
    if (!stripe.isTouched) this.#touched.push(stripe);
    stripe.isTouched = true;
    request.begin();
    stripe.add(this.#parts.take().fill(request, slot, memberSector, data, flags));
  }

  /** All parts of the request are added. */
  start(request: WriteRequest): void {
    const isAnyReading = this.#reading > 0;
    for (const stripe of this.#touched) {
      stripe.isTouched = false;
      if (stripe.state === "gathering" || stripe.state === "delayed")
        this.#queue(stripe, isAnyReading);
    }
    this.#touched.length = 0;
    this.#startReady();
    this.#endOne(request, null);
  }

  #queue(stripe: GatheredStripe, isAnyReading: boolean): void {
    const isWhole = stripe.waitingSectors >= this.#wholeSectors;
    const { isUrgent } = stripe;
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
    const { io } = this.#context;
    while (this.#busy < this.#maxStripes && this.#ready.length > 0) {
      // Rows that are written as a whole, each member's blocks of them together.
      if (this.#ready.length > 1) io.plug();
      const end = Math.min(this.#busy + this.#stripesTogether, this.#maxStripes);
      while (this.#busy < end && this.#ready.length > 0) this.#lock(this.#ready.shift()!);
      io.unplug();
    }
    this.#isStarting = false;
  }

  #lock(stripe: GatheredStripe): void {
    stripe.state = "busy";
    this.#busy += 1;
    this.#context.core.locks.lock(stripe.sector, this.#windowSectors, "exclusive", stripe.locked);
  }

  #run(stripe: GatheredStripe, hold: RangeHold): void {
    stripe.begin(hold, this.#lists.pop() ?? []);
    const { start, end } = stripe;
    // The region is durably dirty before anything is written (law 2).
    this.#context.core.regions.beginWrite(start, end - start, stripe.begun);
  }

  #begun(stripe: GatheredStripe, error: HoldfastError | null): void {
    const { parts } = stripe;
    if (error !== null) {
      for (const part of parts) part.error = error;
      this.#release(stripe);
      return;
    }
    const isLone =
      parts.length === 1
        ? this.#lone.start(parts[0]!, stripe.ended, stripe.otherwise)
        : this.#lone.startWhole(parts, this.#windowSectors, stripe.ended);
    if (!isLone) this.#writeSegments(stripe);
  }

  #ended(stripe: GatheredStripe, error: HoldfastError | null, isEverywhere: boolean): void {
    for (const part of stripe.parts) part.error = error;
    stripe.isEverywhere = isEverywhere;
    this.#segmentEnded(stripe);
  }

  #writeSegments(stripe: GatheredStripe): void {
    const segments = segmentsOf(stripe.parts, blockSectors(this.#context.log));
    stripe.left += segments.length;
    for (const segment of segments) this.#write(stripe, segment);
    this.#segmentEnded(stripe);
  }

  /** One run after the other: each of them changes the parity. */
  #write(stripe: GatheredStripe, segment: Segment): void {
    const { geometry, log } = this.#context;
    const { layout } = rangeAt(geometry, segment.start, 1);
    const runs = log.needsRuns ? runsIn(layout.data, segment.written) : [segment.written];
    inSequence(
      runs.length,
      (run, end) => this.#writeRun(stripe, { ...segment, written: runs[run]! }, end),
      (error) => {
        if (error !== null) failParts(stripe.parts, segment, error);
        this.#segmentEnded(stripe);
      },
    );
  }

  #writeRun(stripe: GatheredStripe, segment: Segment, runEnded: BioEnd): void {
    const { geometry, core, log } = this.#context;
    const range = rangeAt(geometry, segment.start, segment.end - segment.start);
    const isDurable = stripe.parts.some((part) => (part.flags & BioFlags.fua) !== 0);
    const flags = isDurable ? BioFlags.fua : BioFlags.none;
    const contents: NewContents = (slot, piece, old, buffers) =>
      contentsOf(stripe.parts, slot, piece, old, buffers);
    inPieces(
      core.members,
      range,
      (piece, end) => {
        const ended = (outcome: Parameters<typeof end>[0], isEverywhere: boolean): void => {
          if (outcome !== "split" && !isEverywhere) stripe.isEverywhere = false;
          end(outcome);
        };
        new SegmentWrite(this.#context, piece, segment, contents, flags, ended).start();
      },
      runEnded,
      { blockSectors: blockSectors(log), maxSectors: log.maxSectors },
    );
  }

  #segmentEnded(stripe: GatheredStripe): void {
    stripe.left -= 1;
    if (stripe.left > 0) return;
    const { start, end, isEverywhere } = stripe;
    this.#context.core.regions.endWrite(start, end - start, isEverywhere);
    this.#release(stripe);
  }

  #release(stripe: GatheredStripe): void {
    const { parts, hold } = stripe;
    this.#busy -= 1;
    if (stripe.isReading) {
      stripe.isReading = false;
      this.#reading -= 1;
    }
    stripe.hold = null;
    this.#context.core.locks.release(hold!);
    stripe.state = "gathering";
    if (stripe.waiting.length > 0) this.#queue(stripe, this.#reading > 0);
    else this.#forget(stripe);
    if (this.#reading === 0) this.#queueDelayed();
    this.#startReady();
    for (const part of parts) {
      const { request, error } = part;
      part.clear();
      this.#parts.give(part);
      this.#endOne(request, error);
    }
    parts.length = 0;
    this.#lists.push(parts);
  }

  #forget(stripe: GatheredStripe): void {
    this.#stripes.delete(stripe.sector);
    stripe.parts = NO_PARTS;
    this.#pool.give(stripe);
  }

  /** The request itself, or a part of it. */
  #endOne(request: WriteRequest, error: HoldfastError | null): void {
    const end = request.ended(error);
    if (end === null) return;
    const { error: first } = request;
    this.#requests.give(request);
    end(first);
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

  #countReading(stripe: GatheredStripe): void {
    stripe.isReading = true;
    this.#reading += 1;
  }
}

function failParts(parts: readonly WritePart[], segment: Segment, error: HoldfastError): void {
  for (const part of parts)
    if (part.start < segment.end && segment.start < part.end) part.error ??= error;
}
