/**
 * What goes to the client. Small pieces are put together in batches of 64 KiB, large ones are lent; `flush` hands all of
 * it to the transport in one call, so the replies to one batch of requests leave together.
 *
 *   room/used      room/used   lend(data)    room/used     flush
 *   [reply][reply] [chunk head][ data ...  ] [reply]       -> send([batch 0..n], [data], [batch n..m])
 *
 * A flight is what one flush sent. Everything that was lent, and the requests it answers, is released when the
 * transport has handed over the flight's last byte, so a client that does not read holds back its own requests.
 * A batch is written on until it is full; once no flight uses it any more it starts over.
 */
import type { BufferPool } from "./buffers.ts";

/** The socket's side of a connection, as the protocol sees it. */
export interface Transport {
  /** Takes the pieces over; the list is lent. `sent` is called once: when the last byte is handed over, or when the connection is dead. */
  send(pieces: readonly Uint8Array[], sent: () => void): void;
  /** Calls it when what came together is handed out, before anything is sent: so that answers leave together. */
  soon(call: () => void): void;
  pause(): void;
  resume(): void;
  /** Sends what is queued, then says goodbye. */
  end(): void;
  destroy(): void;
  /** Goes on in TLS. Called when nothing is queued. */
  startTls(): void;
}

const BATCH_BYTES = 65536;
/** Largest `room`. */
const MAX_ROOM_BYTES = 16384;
const MAX_SPARE_FLIGHTS = 16;
const NOTHING = new Uint8Array(0);

export class Batch {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Where the next byte goes. */
  used = 0;
  flights = 0;
  /** The last piece that began at 0: for a client that waits for each answer they are all alike. */
  #first: Uint8Array = NOTHING;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /** From there to what is used. */
  piece(from: number): Uint8Array {
    if (from > 0) return this.bytes.subarray(from, this.used);
    if (this.#first.length !== this.used) this.#first = this.bytes.subarray(0, this.used);
    return this.#first;
  }
}

/** Elements up to `count`; what lies behind is written over, since a list that shrinks and grows is garbage. */
class Listed<T> {
  readonly items: T[] = [];
  count = 0;

  add(item: T): void {
    this.items[this.count] = item;
    this.count += 1;
  }

  /** @param nothing stands where something was, so that it is not kept reachable */
  clear(nothing: T): void {
    for (let i = 0; i < this.count; i += 1) this.items[i] = nothing;
    this.count = 0;
  }

  get last(): T | null {
    return this.count === 0 ? null : this.items[this.count - 1]!;
  }
}

/** Used again and again. */
class Flight {
  readonly batches = new Listed<Batch>();
  readonly buffers = new Listed<Uint8Array>();
  requests = 0;
  cost = 0;
  bytes = 0;
  /** Sent after this one. */
  next: Flight | null = null;
  readonly sent: () => void;

  constructor(over: (flight: Flight) => void) {
    this.sent = () => over(this);
  }

  clear(): void {
    this.batches.count = 0;
    this.buffers.clear(NOTHING);
    this.requests = 0;
    this.cost = 0;
    this.bytes = 0;
    this.next = null;
  }
}

/** Lists of exactly so many pieces, by length, for `send`, which borrows them. All connections share them. */
const pieceLists: Uint8Array[][] = [];
const MAX_LISTED = 64;

function pieceList(pieces: Listed<Uint8Array>): Uint8Array[] {
  const { items, count } = pieces;
  if (count > MAX_LISTED) return items.slice(0, count);
  while (pieceLists.length <= count)
    pieceLists.push(Array.from({ length: pieceLists.length }, () => NOTHING));
  const list = pieceLists[count]!;
  for (let i = 0; i < count; i += 1) list[i] = items[i]!;
  return list;
}

export class Output {
  readonly #transport: Transport;
  readonly #pool: BufferPool;
  readonly #released: (requests: number, cost: number) => void;
  #batch: Batch | null = null;
  /** First byte of the batch that is not yet in a piece. */
  #from = 0;
  readonly #pieces = new Listed<Uint8Array>();
  #flight = this.#newFlight();
  /** Sent, but not yet handed over: oldest and newest. */
  #oldest: Flight | null = null;
  #newest: Flight | null = null;
  readonly #spare: Flight[] = [];
  #unsentBytes = 0;
  #flightsDone = 0;
  #isClosed = false;

  /** @param released is told of the requests whose answers have left, and of their cost */
  constructor(
    transport: Transport,
    pool: BufferPool,
    released: (requests: number, cost: number) => void,
  ) {
    this.#transport = transport;
    this.#pool = pool;
    this.#released = released;
  }

  /** Bytes flushed and not yet handed over. */
  get unsentBytes(): number {
    return this.#unsentBytes;
  }

  /** Bytes of the oldest flight under way, for the time it may take. */
  get oldestFlightBytes(): number {
    return this.#oldest?.bytes ?? 0;
  }

  get flightsDone(): number {
    return this.#flightsDone;
  }

  /** A batch with at least `length` bytes (up to 16 KiB) free at `used`; the caller writes them and moves `used`. */
  room(length: number): Batch {
    let batch = this.#batch;
    if (batch !== null && batch.used + length <= BATCH_BYTES) return batch;
    if (length > MAX_ROOM_BYTES) throw new Error(`no room of ${length} bytes in a batch`);
    this.#endPiece();
    batch = new Batch(this.#pool.take(BATCH_BYTES));
    this.#leaveBatch();
    this.#batch = batch;
    return batch;
  }

  /** Copies. */
  append(data: Uint8Array): void {
    for (let at = 0; at < data.length; at += MAX_ROOM_BYTES) {
      const part = data.subarray(at, at + MAX_ROOM_BYTES);
      const batch = this.room(part.length);
      batch.bytes.set(part, batch.used);
      batch.used += part.length;
    }
  }

  /** Sends `data` as it is; it must not change before its flight is over. */
  lend(data: Uint8Array): void {
    this.#endPiece();
    this.#pieces.add(data);
    this.#flight.bytes += data.length;
  }

  /** Gives a buffer back to the pool once everything put here up to now has left. */
  giveBack(buffer: Uint8Array): void {
    this.#flight.buffers.add(buffer);
  }

  /** What was put here since the last call answers one request. */
  answered(cost: number): void {
    this.#flight.requests += 1;
    this.#flight.cost += cost;
  }

  flush(): void {
    this.#endPiece();
    const flight = this.#flight;
    if (this.#pieces.count === 0) return;
    const pieces = pieceList(this.#pieces);
    this.#pieces.clear(NOTHING);
    this.#flight = this.#spare.pop() ?? this.#newFlight();
    this.#unsentBytes += flight.bytes;
    if (this.#newest === null) this.#oldest = flight;
    else this.#newest.next = flight;
    this.#newest = flight;
    if (this.#isClosed) this.#over(flight);
    else this.#transport.send(pieces, flight.sent);
    pieces.fill(NOTHING);
  }

  #newFlight(): Flight {
    return new Flight((flight) => this.#over(flight));
  }

  /** Flights end in order, but for those of a connection that is closed. */
  #unlink(flight: Flight): void {
    let before: Flight | null = null;
    for (let one = this.#oldest; one !== flight && one !== null; one = one.next) before = one;
    if (before === null) this.#oldest = flight.next;
    else before.next = flight.next;
    if (this.#newest === flight) this.#newest = before;
  }

  /** Nothing is sent any more; what comes is released at once. */
  close(): void {
    this.#isClosed = true;
    this.flush();
    if (this.#batch !== null) this.#leaveBatch();
    this.#batch = null;
  }

  #endPiece(): void {
    const batch = this.#batch;
    if (batch === null || batch.used === this.#from) return;
    this.#pieces.add(batch.piece(this.#from));
    this.#flight.bytes += batch.used - this.#from;
    this.#from = batch.used;
    if (this.#flight.batches.last !== batch) {
      this.#flight.batches.add(batch);
      batch.flights += 1;
    }
  }

  /** A full batch goes back to the pool with its last flight. */
  #leaveBatch(): void {
    const batch = this.#batch;
    this.#from = 0;
    if (batch !== null && batch.flights === 0) this.#pool.give(batch.bytes);
  }

  #over(flight: Flight): void {
    this.#unlink(flight);
    this.#flightsDone += 1;
    this.#unsentBytes -= flight.bytes;
    const { batches, buffers, requests, cost } = flight;
    for (let i = 0; i < batches.count; i += 1) {
      const batch = batches.items[i]!;
      batch.flights -= 1;
      if (batch.flights > 0) continue;
      if (batch !== this.#batch) {
        this.#pool.give(batch.bytes);
      } else if (batch.used === this.#from) {
        batch.used = 0;
        this.#from = 0;
      }
    }
    for (let i = 0; i < buffers.count; i += 1) this.#pool.give(buffers.items[i]!);
    flight.clear();
    if (this.#spare.length < MAX_SPARE_FLIGHTS) this.#spare.push(flight);
    this.#released(requests, cost);
  }
}
