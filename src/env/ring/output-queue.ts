/**
 * What a connection has still to send: pieces in order, each write's `sent` called when its last piece is through. `prepare`
 * puts as many pieces as fit into one message, of which one is with the kernel at a time.
 */
import { MSG_NOSIGNAL, Op } from "./abi.ts";
import type { Kernel } from "./kernel.ts";
import { Message } from "./message.ts";
import type { Operation } from "./operation.ts";

/** Of one message. The kernel takes 1024. */
const MAX_PIECES = 128;
/** Sent pieces that are kept at the front before the others move up. */
const MAX_STALE = 1024;
const NOTHING = new Uint8Array(0);

export class OutputQueue {
  readonly #system: Kernel;
  /** Up to `#end`; what is not used any more is written over, since a list that shrinks and grows is garbage. */
  readonly #pieces: Uint8Array[] = [];
  readonly #sents: ((() => void) | null)[] = [];
  #end = 0;
  /** The oldest piece that is not through, and how much of it is. */
  #next = 0;
  #nextSent = 0;
  #bytes = 0;
  #message: Message | null = null;

  constructor(system: Kernel) {
    this.#system = system;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get isEmpty(): boolean {
    return this.#next === this.#end;
  }

  /** Takes the pieces over until `sent`. At least one. */
  add(pieces: readonly Uint8Array[], sent: (() => void) | null): void {
    const last = pieces.length - 1;
    for (let i = 0; i <= last; i += 1) {
      const piece = pieces[i]!;
      this.#pieces[this.#end] = piece;
      this.#sents[this.#end] = i === last ? sent : null;
      this.#end += 1;
      this.#bytes += piece.length;
    }
  }

  /** Calls what waits for pieces of no bytes at the front; false if nothing is left to send then. */
  hasBytes(): boolean {
    while (!this.isEmpty && this.#pieces[this.#next]!.length === 0) this.#pieceOver();
    return !this.isEmpty;
  }

  /** After `hasBytes` that was true. */
  prepare(operation: Operation): void {
    const first = this.#pieces[this.#next]!;
    const count = Math.min(MAX_PIECES, this.#end - this.#next);
    operation.opFlags = MSG_NOSIGNAL;
    if (count === 1) {
      operation.opcode = Op.send;
      operation.address = this.#system.addressOf(first) + this.#nextSent;
      operation.length = first.length - this.#nextSent;
      operation.keeps = first;
      return;
    }
    operation.opcode = Op.sendMessage;
    operation.address = this.#fillMessage(count).address;
    operation.length = 1;
    // The pieces stay in the queue until the kernel is done; so does the message.
    operation.keeps = this;
  }

  #fillMessage(count: number): Message {
    const message = (this.#message ??= new Message(this.#system, MAX_PIECES));
    for (let i = 0; i < count; i += 1) {
      const piece = this.#pieces[this.#next + i]!;
      const skipped = i === 0 ? this.#nextSent : 0;
      message.set(i, piece, skipped, piece.length - skipped);
    }
    message.count = count;
    return message;
  }

  /** So many bytes are through. */
  advance(bytes: number): void {
    let left = bytes;
    while (left > 0) {
      const piece = this.#pieces[this.#next]!;
      const step = Math.min(left, piece.length - this.#nextSent);
      left -= step;
      this.#bytes -= step;
      this.#nextSent += step;
      if (this.#nextSent === piece.length) this.#pieceOver();
    }
    if (this.isEmpty || this.#next > MAX_STALE) this.#cutStale();
  }

  /** Nothing more is sent: calls all that wait. */
  drop(): void {
    this.#bytes = 0;
    while (!this.isEmpty) this.#pieceOver();
    this.#cutStale();
  }

  #pieceOver(): void {
    const sent = this.#sents[this.#next]!;
    this.#pieces[this.#next] = NOTHING;
    this.#sents[this.#next] = null;
    this.#next += 1;
    this.#nextSent = 0;
    sent?.();
  }

  #cutStale(): void {
    const left = this.#end - this.#next;
    if (left > 0) {
      this.#pieces.copyWithin(0, this.#next, this.#end);
      this.#sents.copyWithin(0, this.#next, this.#end);
      this.#pieces.fill(NOTHING, left, this.#end);
      this.#sents.fill(null, left, this.#end);
    }
    this.#next = 0;
    this.#end = left;
  }
}
