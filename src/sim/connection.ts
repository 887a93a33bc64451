/**
 * SimConnection: one end of a simulated stream.
 *
 *   write -> queue --the system takes it: copied, `sent`--> under way --after a while, in pieces--> handlers of the other end
 *
 * Pieces are of any size, down to a byte. What the system has room for is little, so writers are held back. Broken, it ends for both,
 * each after as many bytes as chance lets through. What is lent to a handler is spoilt afterwards.
 */
import { HoldfastError } from "../base/errors.ts";
import type { Prng } from "../base/prng.ts";
import type { Connection, ConnectionHandlers } from "../env/sockets.ts";
import type { SimProcess } from "./process.ts";
import { UnderWay } from "./under-way.ts";
import type { World } from "./world.ts";

const DELAY_US = [5, 150] as const;
/** One piece of so many takes much longer than the others. */
const HICCUP = { chance: 0.01, factor: 100 };
/** More than that in the queue, and the writer is asked to wait. */
const FULL_BYTES = 16 * 1024;
/** Buffers that change under way are found changed by words (stamp.ts), not by bytes. */
const WORD_BYTES = 8;
const SPOILT = 0xee;

interface Queued {
  left: Uint8Array;
  /** Of the last piece of a write. */
  readonly sent: (() => void) | null;
}

/** What becomes of an end once all is delivered that is under way to it. */
type Ending = "none" | "end" | "reset";

export class SimConnection implements Connection {
  readonly peer: string;
  readonly #world: World;
  readonly #process: SimProcess;
  readonly #prng: Prng;
  /** Whether it puts what comes where its handlers want it. */
  readonly #asksForRoom: boolean;
  readonly #systemBytes: number;
  #other!: SimConnection;
  #handlers: ConnectionHandlers | null = null;
  #queue: Queued[] = [];
  #queuedBytes = 0;
  #wasFull = false;
  /** Bytes that the system took from the other end. */
  readonly #coming: UnderWay;
  #lent: Uint8Array | null = null;
  #isPaused = false;
  #isDelivering = false;
  #isTaking = false;
  /** What comes after the last byte. */
  #ending: Ending = "none";
  #hasHeardEnd = false;
  #wantsEnd = false;
  #hasSaidEnd = false;
  /** Null: open. */
  #closed: { readonly error: Error | null; isTold: boolean } | null = null;
  /** Called when its handlers have been told that it is closed, or its process is dead. */
  onGone: () => void = () => {};

  constructor(world: World, process: SimProcess, prng: Prng, peer: string) {
    this.#world = world;
    this.#process = process;
    this.#prng = prng;
    this.peer = peer;
    this.#coming = new UnderWay(prng);
    this.#asksForRoom = prng.chance(0.5);
    this.#systemBytes = prng.pick([2048, 8192, 65536]);
  }

  static pair(a: SimConnection, b: SimConnection): void {
    a.#other = b;
    b.#other = a;
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** Its handlers hear nothing any more. */
  get isGone(): boolean {
    return this.#closed?.isTold === true || !this.#process.isAlive;
  }

  start(handlers: ConnectionHandlers): void {
    this.#handlers = handlers;
    if (this.#closed === null) this.#expect();
    else this.#tellClosed();
  }

  write(pieces: readonly Uint8Array[], sent?: () => void): boolean {
    if (this.#closed !== null || this.#wantsEnd || pieces.length === 0) {
      sent?.();
      return true;
    }
    pieces.forEach((left, index) => {
      this.#queuedBytes += left.length;
      this.#queue.push({ left, sent: index === pieces.length - 1 ? (sent ?? null) : null });
    });
    this.#handOver();
    this.#wasFull ||= this.#queuedBytes > FULL_BYTES;
    return !this.#wasFull;
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#expect();
  }

  end(): void {
    this.#wantsEnd = true;
    this.#handOver();
  }

  destroy(error?: Error): void {
    if (this.#closed !== null) return;
    // Who closes while bytes come that it has not read resets the connection.
    this.#other.#finish(this.#coming.bytes > 0 || this.#prng.chance(0.3) ? "reset" : "end");
    this.#close(error ?? null);
  }

  startTls(): Promise<Connection> {
    return Promise.reject(new HoldfastError("unsupported", "Simulated connections have no TLS."));
  }

  /** The way between the two breaks: some of what is under way still arrives. */
  break(): void {
    this.#cutOff();
    this.#other.#cutOff();
  }

  /** Its process is dead: some of what the system took from it arrives now, then the other end hears of it. */
  die(): void {
    const other = this.#other;
    this.#queue = [];
    other.#coming.cutOff();
    while (other.#coming.bytes > 0 && other.#isListening && !other.#isPaused) other.#deliver();
    other.#finish("reset");
    this.onGone();
  }

  get #isListening(): boolean {
    return this.#handlers !== null && this.#closed === null && this.#process.isAlive;
  }

  get #mayHearMore(): boolean {
    return this.#closed === null && this.#process.isAlive && this.#ending === "none";
  }

  #cutOff(): void {
    this.#coming.cutOff();
    if (this.#prng.chance(0.5)) this.#finish("reset");
    else this.#close(brokenError());
  }

  /** Nothing more comes from the other end. */
  #finish(how: Ending): void {
    if (this.#ending !== "reset") this.#ending = how;
    // What it still sends nobody takes.
    this.#handOver();
    this.#expect();
  }

  #close(error: Error | null): void {
    if (this.#closed !== null) return;
    this.#closed = { error, isTold: false };
    if (this.#handlers !== null) this.#later(() => this.#tellClosed());
  }

  #tellClosed(): void {
    const closed = this.#closed!;
    if (closed.isTold) return;
    this.#giveRoomBack();
    closed.isTold = true;
    this.#coming.clear();
    const queue = this.#queue.splice(0);
    this.#queuedBytes = 0;
    for (const { sent } of queue) sent?.();
    this.#handlers!.onClose(closed.error);
    this.onGone();
  }

  /** The system may have written there until now. */
  #giveRoomBack(): void {
    const lent = this.#lent;
    if (lent === null) return;
    this.#lent = null;
    lent.subarray(0, this.#prng.below(lent.length + 1)).fill(SPOILT);
    this.#handlers!.onFilled!(0);
  }

  /** Soon the system takes what it has room for. */
  #handOver(): void {
    if (this.#isTaking || this.#closed !== null) return;
    this.#isTaking = true;
    this.#later(() => {
      this.#isTaking = false;
      if (this.#closed !== null) return;
      this.#take();
      if (this.#wasFull && this.#queuedBytes <= FULL_BYTES / 2) {
        this.#wasFull = false;
        this.#handlers?.onDrain();
      }
      if (this.#wantsEnd && this.#queue.length === 0 && !this.#hasSaidEnd) {
        this.#hasSaidEnd = true;
        this.#other.#finish("end");
      }
      this.#closeIfSaid();
    });
  }

  #take(): void {
    const other = this.#other;
    const isHeard = other.#mayHearMore && this.#ending !== "reset";
    while (this.#queue.length > 0) {
      const first = this.#queue[0]!;
      const room = isHeard ? this.#systemBytes - other.#coming.bytes : Infinity;
      const fits = Math.min(first.left.length, Math.floor(room / WORD_BYTES) * WORD_BYTES);
      if (fits <= 0 && first.left.length > 0) break;
      if (isHeard) other.#coming.push(new Uint8Array(first.left.subarray(0, fits)));
      first.left = first.left.subarray(fits);
      this.#queuedBytes -= fits;
      if (first.left.length > 0) break;
      this.#queue.shift();
      first.sent?.();
    }
    other.#expect();
  }

  /** After a while the next bytes arrive, or the end of them, if anybody wants them then. */
  #expect(): void {
    if (this.#isDelivering || !this.#isListening || this.#isPaused) return;
    if (this.#coming.bytes === 0 && this.#ending === "none") return;
    this.#isDelivering = true;
    this.#later(() => {
      this.#isDelivering = false;
      if (!this.#isListening || this.#isPaused) return;
      if (this.#coming.bytes > 0) this.#deliver();
      else this.#arrive();
      this.#expect();
    });
  }

  /** All has come. */
  #arrive(): void {
    const how = this.#ending;
    this.#ending = "none";
    if (how === "reset") {
      this.#close(brokenError());
    } else if (!this.#hasHeardEnd) {
      this.#hasHeardEnd = true;
      this.#giveRoomBack();
      this.#handlers!.onEnd();
      this.#closeIfSaid();
    }
  }

  #closeIfSaid(): void {
    if (this.#hasHeardEnd && this.#hasSaidEnd) this.#close(null);
  }

  #deliver(): void {
    const handlers = this.#handlers!;
    const room = this.#lent ?? this.#room();
    this.#lent = null;
    const bytes = this.#coming.take(room?.length ?? Infinity);
    if (room === null) {
      handlers.onData(bytes);
    } else {
      room.set(bytes);
      handlers.onFilled!(bytes.length);
    }
    bytes.fill(SPOILT);
    // Some systems take the room for the bytes after next before they are there.
    if (this.#isListening && !this.#isPaused && this.#prng.chance(0.5)) this.#lent = this.#room();
    this.#other.#handOver();
  }

  #room(): Uint8Array | null {
    return this.#asksForRoom ? (this.#handlers!.room?.() ?? null) : null;
  }

  #later(happen: () => void): void {
    const factor = this.#prng.chance(HICCUP.chance) ? HICCUP.factor : 1;
    this.#world.after(this.#prng.between(...DELAY_US) * factor, () => {
      if (this.#process.isAlive) happen();
    });
  }
}

function brokenError(): Error {
  return new HoldfastError("io", "the connection was reset");
}
