/**
 * Bytes to and from an NBD server. `receive` fills one buffer after the other: what is wanted next goes straight from
 * the socket's data into its place. Bytes that nobody wants yet are kept; the server may not send unasked, so more than a
 * little of that ends the connection.
 */
import { assert } from "../base/assert.ts";
import { HoldfastError } from "../base/errors.ts";
import type { Timers } from "../env/env.ts";
import type { Connection } from "../env/sockets.ts";

const MAX_UNASKED_BYTES = 65536;

interface Want {
  readonly into: Uint8Array;
  readonly done: (filled: Uint8Array) => void;
  filled: number;
}

export class NbdStream {
  readonly #connection: Connection;
  readonly #name: string;
  #want: Want | null = null;
  #early: Uint8Array = new Uint8Array(0);
  #error: HoldfastError | null = null;
  #isClosed = false;
  #hasRoom = true;
  #failTake: ((error: HoldfastError) => void) | null = null;
  readonly #closed: Promise<void>;
  /** There is room for sending again. */
  onRoom: () => void = () => {};
  /** The connection is gone; called once, with the reason as part of a sentence. */
  onLost: (why: string) => void = () => {};

  /** Takes the connection over. */
  constructor(connection: Connection, name: string) {
    this.#connection = connection;
    this.#name = name;
    this.#closed = new Promise((resolve) => {
      connection.start({
        onData: (data) => this.#onData(data),
        onDrain: () => {
          this.#hasRoom = true;
          this.onRoom();
        },
        onEnd: () => connection.destroy(),
        onClose: (error) => {
          this.#onClose(error);
          resolve();
        },
      });
    });
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  get hasRoom(): boolean {
    return this.#hasRoom;
  }

  /** The pieces must not change until their request was answered. */
  send(pieces: readonly Uint8Array[] | Uint8Array): void {
    const list = pieces instanceof Uint8Array ? [pieces] : pieces;
    this.#hasRoom = this.#connection.write(list);
  }

  /** Calls `done` when `into` is full; never when the connection ends before. One at a time. */
  receive(into: Uint8Array, done: (filled: Uint8Array) => void): void {
    assert(this.#want === null, "one piece of the stream is waited for at a time");
    this.#want = { into, done, filled: 0 };
    if (this.#early.length === 0 && into.length > 0) return;
    const early = this.#early;
    this.#early = new Uint8Array(0);
    this.#onData(early);
  }

  /** `receive` for the handshake. Rejects when the connection ends before. */
  take(count: number): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) {
        reject(this.#lostError("it closed the connection"));
        return;
      }
      this.#failTake = reject;
      this.receive(new Uint8Array(count), (filled) => {
        this.#failTake = null;
        resolve(filled);
      });
    });
  }

  destroy(error?: HoldfastError): void {
    this.#error ??= error ?? null;
    this.#connection.destroy(error);
  }

  /** Sends what is queued and waits for the server to close, at most so long. */
  async end(timers: Timers, timeoutMs: number): Promise<void> {
    this.#connection.end();
    const timer = timers.set(timeoutMs, () => this.#connection.destroy());
    await this.#closed;
    timer.cancel();
  }

  #lostError(why: string): HoldfastError {
    return this.#error ?? new HoldfastError("io", `${this.#name} is lost: ${why}.`);
  }

  #onData(data: Uint8Array): void {
    let left = data;
    // Also runs for empty data: a piece of no bytes is complete at once.
    for (;;) {
      const want = this.#want;
      if (want === null) break;
      const part = left.subarray(0, want.into.length - want.filled);
      want.into.set(part, want.filled);
      want.filled += part.length;
      left = left.subarray(part.length);
      if (want.filled < want.into.length) return;
      this.#want = null;
      want.done(want.into);
    }
    if (left.length === 0) return;
    if (this.#early.length + left.length > MAX_UNASKED_BYTES) {
      this.destroy(new HoldfastError("protocol", `${this.#name} sends what nobody asked for.`));
      return;
    }
    const early = new Uint8Array(this.#early.length + left.length);
    early.set(this.#early);
    early.set(left, this.#early.length);
    this.#early = early;
  }

  #onClose(error: Error | null): void {
    this.#isClosed = true;
    const reason = this.#error ?? error;
    const why = reason === null ? "the server closed the connection" : reason.message;
    this.#failTake?.(this.#lostError(why));
    this.onLost(why.replace(/\.$/, ""));
  }
}
