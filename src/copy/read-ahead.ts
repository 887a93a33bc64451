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
 *   piece is asked for.
 */
import { assert } from "../base/assert.ts";
import type { HoldfastError } from "../base/errors.ts";
import { SECTOR_BYTES, sectorsToBytes } from "../base/units.ts";
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
}

const DEFAULT_WINDOW = 8;
const DEFAULT_REQUEST_BYTES = 1024 * 1024;
/** How far one look at the device's extents reaches. */
const EXTENT_LOOK_SECTORS = 1 << 21;
const EXTENT_LOOK_RUNS = 256;

interface Request {
  readonly kind: "data" | "zeros";
  readonly sector: number;
  readonly sectors: number;
}

interface Started {
  readonly request: Request;
  readonly data: Uint8Array;
  readonly outcome: Promise<HoldfastError | null>;
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
  const requestBytes = options.requestBytes ?? DEFAULT_REQUEST_BYTES;
  assert(window > 0, "something is read at a time");
  assert(requestBytes % device.limits.logicalBlockBytes === 0, "requests are whole blocks");
  const requests = requestsOf(device, requestBytes / SECTOR_BYTES);
  const free: Uint8Array[] = [];
  const started: Started[] = [];
  const startOne = (): boolean => {
    const next = requests.next();
    if (next.done === true) return false;
    const request = next.value;
    if (request.kind === "zeros") {
      started.push({ request, data: new Uint8Array(0), outcome: Promise.resolve(null) });
      return true;
    }
    const buffer = free.pop() ?? new Uint8Array(requestBytes);
    const data = buffer.subarray(0, sectorsToBytes(request.sectors));
    started.push({ request, data, outcome: read(device, request.sector, data) });
    return true;
  };
  try {
    while (started.length < window && startOne());
    for (;;) {
      const first = started[0];
      if (first === undefined) return;
      yield* piecesOf(device, first, await first.outcome);
      started.shift();
      if (first.data.length > 0) {
        free.push(new Uint8Array(first.data.buffer, 0, requestBytes));
      }
      startOne();
    }
  } finally {
    await Promise.all(started.map(({ outcome }) => outcome));
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
