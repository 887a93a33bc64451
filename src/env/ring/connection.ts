/**
 * A connection on a ring: one receive and one send with the kernel at a time.
 *
 *   input    off --start, resume--> receiving --data--> onData -> receiving ...      pause: what still comes is held back
 *   output   write -> queue -> (flush, once a turn) -> one message with all pieces -> sent
 *   life     open --destroy, error, both halves ended--> closing: the kernel gives both operations back --> closed
 *            open --startTls--> handing over: likewise, then node:tls has the descriptor
 *
 * A buffer is the kernel's while an operation flies, so it is given back only afterwards, and the descriptor is
 * closed last. Handlers are called from the loop, never from inside `start`, `resume`, `write`, `end` or `destroy`.
 */
import { HoldfastError } from "../../base/errors.ts";
import type { Connection, ConnectionHandlers, TlsSettings } from "../sockets.ts";
import { connectionOn } from "../node/sockets.ts";
import { CQE_SOCKET_NOT_EMPTY, Errno, Op, RECEIVE_POLL_FIRST, SHUT_WR } from "./abi.ts";
import { systemError } from "./errors.ts";
import type { Flushed, RingLoop } from "./loop.ts";
import { Message } from "./message.ts";
import { Operation } from "./operation.ts";
import type { Completed } from "./operation.ts";
import { OutputQueue } from "./output-queue.ts";
import type { ReceiveBuffers } from "./receive-buffers.ts";

/** Queued bytes above which a writer is asked to wait. */
const HIGH_WATER_BYTES = 256 * 1024;
/** What is received of what follows a payload that goes straight to its place: some requests, or the next payload's start. */
const FOLLOWING_BYTES = 4096;
const NOTHING = new Uint8Array(0);

type Life = "open" | "closing" | "handing-over" | "handed-over" | "closed";

/** To be tried again. */
function isPassing(result: number): boolean {
  return result === -Errno.EINTR || result === -Errno.EAGAIN;
}

export class RingConnection implements Connection, Completed, Flushed {
  readonly peer: string;
  isDirty = false;
  readonly #loop: RingLoop;
  readonly #buffers: ReceiveBuffers;
  readonly #descriptor: number;
  readonly #gone: (connection: RingConnection) => void;
  readonly #receive = new Operation(this);
  readonly #send = new Operation(this);
  readonly #output: OutputQueue;
  #life: Life = "open";
  #handlers: ConnectionHandlers | null = null;
  #buffer: Uint8Array | null = null;
  /** Bytes in the buffer that came while the input was off. */
  #heldBytes = 0;
  /** Who lent the memory that is being received into, if it is not the buffer. */
  #filling: ConnectionHandlers | null = null;
  #room: Uint8Array = NOTHING;
  #message: Message | null = null;
  #view: Uint8Array = NOTHING;
  #isInputOn = false;
  #hasInputEnded = false;
  #hasToldEnd = false;
  #wantsEnd = false;
  #hasOutputEnded = false;
  #isOver = false;
  #error: Error | null = null;
  /** After the hand-over. */
  #heir: Connection | null = null;
  #handOver: (() => void) | null = null;

  /** Takes the descriptor over. @param gone called once, when it no longer has it */
  constructor(
    loop: RingLoop,
    buffers: ReceiveBuffers,
    descriptor: number,
    peer: string,
    gone: (connection: RingConnection) => void,
  ) {
    this.#loop = loop;
    this.#buffers = buffers;
    this.#descriptor = descriptor;
    this.peer = peer;
    this.#gone = gone;
    this.#output = new OutputQueue(loop.system);
    this.#receive.opcode = Op.receive;
    this.#receive.descriptor = descriptor;
    this.#send.descriptor = descriptor;
    loop.hold();
  }

  get queuedBytes(): number {
    return this.#output.bytes;
  }

  start(handlers: ConnectionHandlers): void {
    this.#handlers = handlers;
    this.#isInputOn = true;
    if (this.#life === "closed") this.#loop.defer(() => handlers.onClose(this.#error));
    else this.#loop.touch(this);
  }

  write(pieces: readonly Uint8Array[], sent?: () => void): boolean {
    if (this.#life !== "open" || this.#wantsEnd || pieces.length === 0) {
      sent?.();
      return true;
    }
    this.#output.add(pieces, sent ?? null);
    this.#loop.touch(this);
    if (this.#output.bytes < HIGH_WATER_BYTES) return true;
    this.#isOver = true;
    return false;
  }

  soon(call: () => void): void {
    if (this.#life === "closed") queueMicrotask(call);
    else this.#loop.defer(call);
  }

  pause(): void {
    this.#isInputOn = false;
  }

  resume(): void {
    if (this.#handlers === null) return;
    this.#isInputOn = true;
    this.#loop.touch(this);
  }

  end(): void {
    this.#wantsEnd = true;
    this.#loop.touch(this);
  }

  destroy(error?: Error): void {
    this.#heir?.destroy(error);
    if (this.#life !== "open" && this.#life !== "handing-over") return;
    this.#error ??= error ?? null;
    this.#life = "closing";
    this.#loop.cancel(this.#receive);
    this.#loop.cancel(this.#send);
    this.#loop.touch(this);
  }

  async startTls(side: "server" | "client", settings: TlsSettings): Promise<Connection> {
    this.#handlers = null;
    this.#isInputOn = false;
    if (this.#life === "open") {
      this.#life = "handing-over";
      this.#loop.cancel(this.#receive);
      await new Promise<void>((resolve) => {
        this.#handOver = resolve;
        this.#loop.touch(this);
      });
    }
    if (this.#heir === null)
      throw new HoldfastError("protocol", `TLS with ${this.peer} failed: it was closed.`);
    return this.#heir.startTls(side, settings);
  }

  completed(operation: Operation, result: number, flags: number): void {
    if (operation === this.#receive) {
      const filling = this.#filling;
      this.#filling = null;
      const rest = filling === null ? result : this.#filled(filling, result);
      this.#received(result, rest, flags);
    } else this.#sent(result);
    if (this.#life !== "open") this.#loop.touch(this);
  }

  /** Everything that is due, before the loop submits. */
  flush(): void {
    if (this.#life === "open") this.#deliver();
    if (this.#life === "open") this.#sendMore();
    if (this.#life === "open") this.#receiveMore();
    const isQuiet = this.#receive.state === "idle" && this.#send.state === "idle";
    if (!isQuiet) return;
    if (this.#life === "closing") this.#close();
    else if (this.#life === "handing-over") this.#giveAway();
  }

  /** The kernel is done with what was lent. That is told whatever has happened meanwhile. Gives what is left of the result. */
  #filled(filling: ConnectionHandlers, result: number): number {
    const filled = Math.min(Math.max(0, result), this.#room.length);
    this.#room = NOTHING;
    filling.onFilled?.(filled);
    return result - filled;
  }

  #received(result: number, bytes: number, flags: number): void {
    const wasPollFirst = this.#receive.ioprio === RECEIVE_POLL_FIRST;
    if (result === -Errno.EINVAL && wasPollFirst) this.#buffers.knowsPollFirst = false;
    const isEmpty = (flags & CQE_SOCKET_NOT_EMPTY) === 0;
    // Spares the first try, which would find nothing, where the next bytes are an answer to ours.
    this.#receive.ioprio = isEmpty && this.#buffers.knowsPollFirst ? RECEIVE_POLL_FIRST : 0;
    if (result > 0) {
      this.#heldBytes = bytes;
    } else if (result === 0) {
      this.#hasInputEnded = true;
    } else if (!isPassing(result) && !(wasPollFirst && result === -Errno.EINVAL)) {
      if (this.#life === "open") this.destroy(systemError("read", -result));
      return;
    }
    if (this.#life !== "open") return;
    this.#deliver();
    this.#loop.touch(this);
  }

  /** What has come goes to the handlers, if they want it. */
  #deliver(): void {
    if (!this.#isInputOn || this.#receive.state !== "idle") return;
    if (this.#heldBytes > 0) {
      const data = this.#viewOf(this.#buffer!, this.#heldBytes);
      this.#heldBytes = 0;
      this.#handlers?.onData(data);
    }
    if (this.#hasInputEnded && this.#isInputOn && !this.#hasToldEnd) {
      this.#hasToldEnd = true;
      this.#giveBackBuffer();
      this.#handlers?.onEnd();
      this.#closeIfOver();
    }
  }

  /** Clients that wait for answers send the same few lengths again and again. */
  #viewOf(buffer: Uint8Array, bytes: number): Uint8Array {
    if (this.#view.length !== bytes || this.#view.buffer !== buffer.buffer)
      this.#view = buffer.subarray(0, bytes);
    return this.#view;
  }

  #receiveMore(): void {
    const isDue = this.#isInputOn && !this.#hasInputEnded && this.#heldBytes === 0;
    if (!isDue || this.#receive.state !== "idle") return;
    const handlers = this.#handlers;
    const room = handlers?.room?.() ?? null;
    if (room === null) this.#receiveAnything();
    else this.#receiveInto(handlers, room);
  }

  #receiveAnything(): void {
    const buffer = (this.#buffer ??= this.#buffers.take());
    this.#receive.opcode = Op.receive;
    this.#receive.address = this.#loop.system.addressOf(buffer);
    this.#receive.length = buffer.length;
    this.#receive.keeps = buffer;
    this.#loop.start(this.#receive);
  }

  /** What follows comes along, into the buffer, as far as it costs little to copy: else it would cost a call of its own. */
  #receiveInto(handlers: ConnectionHandlers | null, room: Uint8Array): void {
    const buffer = (this.#buffer ??= this.#buffers.take());
    const message = (this.#message ??= new Message(this.#loop.system, 2));
    message.set(0, room, 0, room.length);
    message.set(1, buffer, 0, FOLLOWING_BYTES);
    message.count = 2;
    this.#filling = handlers;
    this.#room = room;
    this.#receive.opcode = Op.receiveMessage;
    this.#receive.address = message.address;
    this.#receive.length = 1;
    this.#receive.keeps = this;
    this.#loop.start(this.#receive);
  }

  #sendMore(): void {
    if (this.#send.state !== "idle") return;
    if (this.#output.hasBytes()) {
      this.#output.prepare(this.#send);
      this.#loop.start(this.#send);
    } else if (this.#wantsEnd && !this.#hasOutputEnded) {
      this.#hasOutputEnded = true;
      this.#loop.system.shutdown(this.#descriptor, SHUT_WR);
      this.#closeIfOver();
    }
  }

  #sent(result: number): void {
    if (result > 0) this.#output.advance(result);
    else if (result < 0 && !isPassing(result)) {
      if (this.#life === "open") this.destroy(systemError("write", -result));
      return;
    }
    if (this.#life !== "open") return;
    if (!this.#output.isEmpty || this.#wantsEnd) this.#loop.touch(this);
    else if (this.#isOver) {
      this.#isOver = false;
      this.#handlers?.onDrain();
    }
  }

  #closeIfOver(): void {
    if (this.#life === "open" && this.#hasToldEnd && this.#hasOutputEnded) this.destroy();
  }

  #close(): void {
    this.#life = "closed";
    this.#loop.system.close(this.#descriptor);
    this.#giveBackBuffer();
    this.#leave();
    this.#output.drop();
    this.#handlers?.onClose(this.#error);
  }

  #giveAway(): void {
    this.#life = "handed-over";
    const early = this.#buffer?.slice(0, this.#heldBytes) ?? NOTHING;
    this.#giveBackBuffer();
    this.#heir = connectionOn(this.#descriptor, this.peer, early, () => this.#loop.guestLeft());
    this.#loop.guestCame();
    this.#leave();
    this.#output.drop();
  }

  #leave(): void {
    this.#loop.release();
    this.#gone(this);
    this.#handOver?.();
  }

  #giveBackBuffer(): void {
    if (this.#buffer !== null) this.#buffers.give(this.#buffer);
    this.#buffer = null;
    this.#view = NOTHING;
    this.#heldBytes = 0;
  }
}
