/**
 * Reads a whole device in order, a bounded window of requests ahead of whoever takes the pieces:
 *
 *       taken        being taken      reading ahead, at most `window` requests
 *   |-----------|====================|.......|.......|.......|               not asked for yet
 *
 * - The taker pulls, so a slow sink slows the reads down: back-pressure needs no queue of its own.
 * - What the device knows to be zero is reported, not read.
 * - A request that fails is split in halves down to the device's blocks, so that just the bad ones are missing.
 * - Memory is `window` buffers, whatever the device's size. They are used again: a piece's data is lent until the next
 *   piece is asked for. They come from the arena if there is one, where lost data is rebuilt without copying.
 * - A request is a whole number of the device's stripes, so that a degraded array can read each member once.
 * - Nothing is read ahead while reads end at once, as they do from the page cache: the data is still in the processor's
 *   cache when it is taken.
 */
import { assert } from "../base/assert.ts";
import type { Arena } from "../base/arena.ts";
import type { HoldfastError } from "../base/errors.ts";
import { SECTOR_BYTES, sectorsToBytes } from "../base/units.ts";
import { NO_DATA } from "../base/nothing.ts";
import { readBio } from "../block/bio.ts";
import type { BlockDevice } from "../block/device.ts";

/** Pieces come in order and cover the device without gaps. */
export type CopyPiece =
  | { readonly kind: "data"; readonly offsetBytes: number; readonly data: Uint8Array }
  | { readonly kind: "zeros"; readonly offsetBytes: number; readonly lengthBytes: number }
  | {
      readonly kind: "unreadable";
      readonly offsetBytes: number;
      readonly lengthBytes: number;
      readonly error: HoldfastError;
    };

/** First byte behind a piece. */
export function pieceEnd(piece: CopyPiece): number {
  return piece.offsetBytes + (piece.kind === "data" ? piece.data.length : piece.lengthBytes);
}

export interface ReadAheadOptions {
  /** Requests under way at a time, the piece being taken included. */
  readonly window?: number;
  /** A multiple of the device's block; requests start at multiples of it. */
  readonly requestBytes?: number;
  /** Where the buffers come from, as long as it has room. */
  readonly arena?: Arena | null;
}

/** As many as libuv has threads. */
const DEFAULT_WINDOW = 4;
const DEFAULT_REQUEST_BYTES = 1024 * 1024;
const MAX_STRIPE_BYTES = 4 * 1024 * 1024;
/** How far one look at the device's extents reaches. */
const EXTENT_LOOK_SECTORS = 1 << 21;
const EXTENT_LOOK_RUNS = 256;

interface Request {
  readonly kind: "data" | "zeros";
  readonly sector: number;
  readonly sectors: number;
}

/** A request that was submitted, or needs no reading. */
class Started {
  readonly request: Request;
  /** Whole, for the next request. */
  readonly buffer: Uint8Array;
  readonly data: Uint8Array;
  /** Null: success. Undefined while it is under way. */
  #outcome: HoldfastError | null | undefined;
  #wake: ((outcome: HoldfastError | null) => void) | null = null;

  constructor(device: BlockDevice, request: Request, buffer: Uint8Array) {
    this.request = request;
    this.buffer = buffer;
    const isRead = request.kind === "data";
    this.data = buffer.subarray(0, isRead ? sectorsToBytes(request.sectors) : 0);
    if (isRead) device.submit(readBio(request.sector, this.data, (error) => this.#end(error)));
    else this.#outcome = null;
  }

  get hasEnded(): boolean {
    return this.#outcome !== undefined;
  }

  /** Never rejects: an error is an outcome. To be called once. */
  outcome(): Promise<HoldfastError | null> | HoldfastError | null {
    return this.#outcome === undefined
      ? new Promise((resolve) => (this.#wake = resolve))
      : this.#outcome;
  }

  #end(error: HoldfastError | null): void {
    this.#outcome = error;
    this.#wake?.(error);
  }
}

/** Whole stripes, about 1 MiB; larger stripes are read in parts. */
function defaultRequestBytes({ limits }: BlockDevice): number {
  const { optimalIoBytes, logicalBlockBytes } = limits;
  if (optimalIoBytes === 0 || optimalIoBytes > MAX_STRIPE_BYTES) return DEFAULT_REQUEST_BYTES;
  const bytes = Math.ceil(DEFAULT_REQUEST_BYTES / optimalIoBytes) * optimalIoBytes;
  return bytes % logicalBlockBytes === 0 ? bytes : DEFAULT_REQUEST_BYTES;
}

/** The buffers of one pass, all of one size. */
class WindowBuffers {
  readonly #bytes: number;
  readonly #arena: Arena | null;
  readonly #free: Uint8Array[] = [];
  readonly #borrowed: Uint8Array[] = [];

  constructor(bytes: number, arena: Arena | null) {
    this.#bytes = bytes;
    this.#arena = arena;
  }

  take(): Uint8Array {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    const borrowed = this.#arena?.take(this.#bytes) ?? null;
    if (borrowed === null) return new Uint8Array(this.#bytes);
    this.#borrowed.push(borrowed);
    return borrowed.subarray(0, this.#bytes);
  }

  give(buffer: Uint8Array): void {
    if (buffer.length > 0) this.#free.push(buffer);
  }

  /** Once nothing is read into them any more. */
  release(): void {
    for (const buffer of this.#borrowed.splice(0)) this.#arena!.give(buffer);
  }
}

/** What to ask for, from the start of the device to its end. */
function* requestsOf(device: BlockDevice, requestSectors: number): Generator<Request> {
  let at = 0;
  while (at < device.sectors) {
    const look = Math.min(EXTENT_LOOK_SECTORS, device.sectors - at);
    for (const run of device.extents(at, look, EXTENT_LOOK_RUNS)) {
      const end = run.sector + run.sectors;
      if (run.kind !== "data") {
        yield { kind: "zeros", sector: run.sector, sectors: run.sectors };
        at = end;
      }
      while (at < end) {
        const stop = Math.min(end, at - (at % requestSectors) + requestSectors);
        yield { kind: "data", sector: at, sectors: stop - at };
        at = stop;
      }
    }
  }
}

/** Never rejects: an error is an outcome. */
function read(
  device: BlockDevice,
  sector: number,
  data: Uint8Array,
): Promise<HoldfastError | null> {
  return new Promise((resolve) => device.submit(readBio(sector, data, resolve)));
}

/** The pieces of `device`, in order. Stopping early (`break`) waits for the reads that are under way. */
export async function* readInOrder(
  device: BlockDevice,
  options: ReadAheadOptions = {},
): AsyncGenerator<CopyPiece, void, undefined> {
  const window = options.window ?? DEFAULT_WINDOW;
  const requestBytes = options.requestBytes ?? defaultRequestBytes(device);
  assert(window > 0, "something is read at a time");
  assert(requestBytes % device.limits.logicalBlockBytes === 0, "requests are whole blocks");
  const requests = requestsOf(device, requestBytes / SECTOR_BYTES);
  const buffers = new WindowBuffers(requestBytes, options.arena ?? null);
  const started: Started[] = [];
  let endsAtOnce = false;
  const isToRead = (): boolean => {
    if (started.length === 0) return true;
    return started.length < window && (!endsAtOnce || started.some((one) => !one.hasEnded));
  };
  const startSome = (): void => {
    while (isToRead()) {
      const next = requests.next();
      if (next.done === true) return;
      const request = next.value;
      const isRead = request.kind === "data";
      const one = new Started(device, request, isRead ? buffers.take() : NO_DATA);
      started.push(one);
      if (isRead) endsAtOnce = one.hasEnded;
    }
  };
  try {
    for (;;) {
      startSome();
      const first = started[0];
      if (first === undefined) return;
      yield* piecesOf(device, first, await first.outcome());
      started.shift();
      buffers.give(first.buffer);
    }
  } finally {
    for (const one of started) await one.outcome();
    buffers.release();
  }
}

async function* piecesOf(
  device: BlockDevice,
  { request, data }: Started,
  error: HoldfastError | null,
): AsyncGenerator<CopyPiece, void, undefined> {
  const offsetBytes = sectorsToBytes(request.sector);
  if (request.kind === "zeros") {
    yield { kind: "zeros", offsetBytes, lengthBytes: sectorsToBytes(request.sectors) };
  } else if (error === null) {
    yield { kind: "data", offsetBytes, data };
  } else {
    yield* splitDown(device, request.sector, data, error);
  }
}

/** The pieces of a range whose read as a whole ended with `error`. */
async function* splitDown(
  device: BlockDevice,
  sector: number,
  data: Uint8Array,
  error: HoldfastError,
): AsyncGenerator<CopyPiece, void, undefined> {
  const blockBytes = Math.max(SECTOR_BYTES, device.limits.logicalBlockBytes);
  if (data.length <= blockBytes) {
    const offsetBytes = sectorsToBytes(sector);
    yield { kind: "unreadable", offsetBytes, lengthBytes: data.length, error };
    return;
  }
  const blocks = Math.ceil(data.length / blockBytes);
  const middle = Math.ceil(blocks / 2) * blockBytes;
  const halves = [
    { at: sector, part: data.subarray(0, middle) },
    { at: sector + middle / SECTOR_BYTES, part: data.subarray(middle) },
  ];
  for (const { at, part } of halves) {
    const failed = await read(device, at, part);
    if (failed === null) yield { kind: "data", offsetBytes: sectorsToBytes(at), data: part };
    else yield* splitDown(device, at, part, failed);
  }
}
