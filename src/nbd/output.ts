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
  /** Takes the pieces over. `sent` is called once: when the last byte is handed over, or when the connection is dead. */
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

export class Batch {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Where the next byte goes. */
  used = 0;
  flights = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }
}

class Flight {
  readonly batches: Batch[] = [];
  readonly buffers: Uint8Array[] = [];
  requests = 0;
  cost = 0;
  bytes = 0;
}

export class Output {
  readonly #transport: Transport;
  readonly #pool: BufferPool;
  readonly #released: (requests: number, cost: number) => void;
  #batch: Batch | null = null;
  /** First byte of the batch that is not yet in a piece. */
  #from = 0;
  #pieces: Uint8Array[] = [];
  #flight = new Flight();
  /** Sent, but not yet handed over; oldest first. */
  readonly #flights: Flight[] = [];
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
    return this.#flights[0]?.bytes ?? 0;
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
    this.#pieces.push(data);
    this.#flight.bytes += data.length;
  }

  /** Gives a buffer back to the pool once everything put here up to now has left. */
  giveBack(buffer: Uint8Array): void {
    this.#flight.buffers.push(buffer);
  }

  /** What was put here since the last call answers one request. */
  answered(cost: number): void {
    this.#flight.requests += 1;
    this.#flight.cost += cost;
  }

  flush(): void {
    this.#endPiece();
    const flight = this.#flight;
    if (this.#pieces.length === 0) return;
    const pieces = this.#pieces;
    this.#pieces = [];
    this.#flight = new Flight();
    this.#unsentBytes += flight.bytes;
    this.#flights.push(flight);
    if (this.#isClosed) this.#over(flight);
    else this.#transport.send(pieces, () => this.#over(flight));
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
    this.#pieces.push(batch.bytes.subarray(this.#from, batch.used));
    this.#flight.bytes += batch.used - this.#from;
    this.#from = batch.used;
    if (this.#flight.batches.at(-1) !== batch) {
      this.#flight.batches.push(batch);
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
    const index = this.#flights.indexOf(flight);
    if (index >= 0) this.#flights.splice(index, 1);
    this.#flightsDone += 1;
    this.#unsentBytes -= flight.bytes;
    for (const batch of flight.batches) {
      batch.flights -= 1;
      if (batch.flights > 0) continue;
      if (batch !== this.#batch) {
        this.#pool.give(batch.bytes);
      } else if (batch.used === this.#from) {
        batch.used = 0;
        this.#from = 0;
      }
    }
    for (const buffer of flight.buffers) this.#pool.give(buffer);
    this.#released(flight.requests, flight.cost);
  }
}
