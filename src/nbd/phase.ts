/**
 * The two phases of a connection (handshake, transmission) as the connection sees them, and the connection as they see it.
 * Bytes go in by `consume`; replies go out by `host.output`.
 */
import type { ExportTable, ServedExport } from "./exports.ts";
import type { Budget } from "./budget.ts";
import type { BufferPool } from "./buffers.ts";
import type { NbdLimits } from "./limits.ts";
import type { Output } from "./output.ts";
import type { StatsCounters } from "./stats.ts";

/** "off": STARTTLS is refused; "on": up to the client; "require": nothing else is answered before it. */
export type TlsMode = "off" | "on" | "require";

/** What all connections of a server share. */
export interface ServerContext {
  readonly exports: ExportTable;
  readonly limits: NbdLimits;
  readonly tlsMode: TlsMode;
  readonly pool: BufferPool;
  readonly budget: Budget;
  readonly stats: StatsCounters;
}

export interface ConnectionHost {
  readonly server: ServerContext;
  readonly output: Output;
  /** The server is being stopped: new work is refused. */
  readonly isStopping: boolean;
  readonly isTls: boolean;
  /** The client broke the protocol; says how. The connection is closed at once. */
  drop(why: string): void;
  enter(phase: Phase): void;
  /** Sends what is queued and closes. */
  finish(): void;
  startTls(): void;
  /** The phase is no longer stalled, or has put something into the output outside of `consume`. */
  wake(): void;
}

/** A message that has begun and not ended. */
export interface PartialMessage {
  /** Different for every message. */
  readonly serial: number;
  readonly bytes: number;
}

export interface Phase {
  readonly name: "handshake" | "transmission";
  /** What the client has chosen. */
  readonly exported: ServedExport | null;
  /** No more input can be taken now. */
  readonly isStalled: boolean;
  /** Takes bytes `at..end` of `data` (lent), and gives the place of the first that was not taken. */
  consume(data: Uint8Array, at: number, end: number): number;
  /** Where the next bytes could be put without `consume`; null if there is no such place. Lent until `filled`. */
  room(): Uint8Array | null;
  /** Gives the room back with so many bytes at its start, perhaps after `closed`. */
  filled(bytes: number): void;
  /** The answers to so many requests have left; together they held `cost` bytes. */
  released(requests: number, cost: number): void;
  /** The client will send nothing more. */
  inputEnded(): void;
  /** The server stops: finish what is under way, then `host.finish()`. */
  stop(): void;
  /** The connection is gone: release what is not lent to a device. */
  closed(): void;
  /** Nothing of this connection is lent to a device. */
  readonly isIdle: boolean;
  /** What the client owes us the rest of, if anything. */
  readonly partial: PartialMessage | null;
  /** Requests or options so far, for the idle time-out. */
  readonly messages: number;
}

/** Gathers a message of known length out of chunks. */
export class Collector {
  #bytes = new Uint8Array(0);
  #filled = 0;

  begin(length: number): void {
    this.#bytes = new Uint8Array(length);
    this.#filled = 0;
  }

  /** Takes what it needs of `at..end` and gives the place behind it. */
  add(data: Uint8Array, at: number, end: number): number {
    const count = Math.min(end - at, this.#bytes.length - this.#filled);
    if (at === 0 && count === data.length) this.#bytes.set(data, this.#filled);
    else this.#bytes.set(data.subarray(at, at + count), this.#filled);
    this.#filled += count;
    return at + count;
  }

  get isFull(): boolean {
    return this.#filled === this.#bytes.length;
  }

  get filled(): number {
    return this.#filled;
  }

  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** Starts over with the same length. */
  reset(): void {
    this.#filled = 0;
  }
}
