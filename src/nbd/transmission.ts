/**
 * The transmission phase: requests in, replies out.
 *
 *             enough requests open                no memory to be had
 *   header  ---------------------> (stalled)     waiting (stalled)
 *     |  ^                                         |
 *     v  |  payload complete                       v
 *   payload | skip  <--------------------------  admitted --> commands.start --> device --> commands.answer
 *
 * A request is open from its header until its reply has left for the system: so their number, and with it everything that is
 * kept for them, is bounded for clients that send without reading. Memory is held before the payload is read.
 * A payload of a request that is refused is skipped, not stored.
 */
import type { HoldfastError } from "../base/errors.ts";
import {
  Command,
  CommandFlag,
  NBD_EXTENDED_REQUEST_MAGIC,
  NBD_REQUEST_MAGIC,
  NbdErrno,
} from "../formats/nbd/constants.ts";
import { extendedRequest, request as compactRequest } from "../formats/nbd/transmission.ts";
import { Holding } from "./budget.ts";
import type { RequestRules } from "./checks.ts";
import { Commands } from "./commands.ts";
import type { ServedExport } from "./exports.ts";
import { Collector } from "./phase.ts";
import type { ConnectionHost, PartialMessage, Phase } from "./phase.ts";
import { NbdRequest } from "./request.ts";
import type { RequestOwner } from "./request.ts";

/** Shorter rests of payloads come along with the requests behind them, and are copied. */
const ROOM_BYTES = 16 * 1024;

type Receiving = "header" | "payload" | "skip" | "waiting" | "over";

const FIELDS = extendedRequest.fields;
const TWO_32 = 0x1_0000_0000;
const MAX_HIGH = 0x20_0000;

function u16(data: Uint8Array, at: number): number {
  return (data[at]! << 8) | data[at + 1]!;
}

/** A DataView for each header would be garbage for each request. */
function u32(data: Uint8Array, at: number): number {
  return ((u16(data, at) << 16) | u16(data, at + 2)) >>> 0;
}

function wide(high: number, low: number): number {
  return high >= MAX_HIGH ? Infinity : high * TWO_32 + low;
}

export class Transmission implements Phase, RequestOwner {
  readonly name = "transmission";
  readonly exported: ServedExport;
  readonly #host: ConnectionHost;
  readonly #commands: Commands;
  readonly #holding: Holding;
  readonly #isExtended: boolean;
  readonly #header = new Collector();
  readonly #spare: NbdRequest[] = [];
  #receiving: Receiving = "header";
  /** The request whose payload or memory is waited for. */
  #current: NbdRequest | null = null;
  /** Bytes of its payload that have come, or been skipped. */
  #filled = 0;
  #open = 0;
  #inDevice = 0;
  /** The current request's buffer is being filled by whoever asked for room. */
  #isLent = false;
  #messages = 0;
  #isLeaving = false;
  #isClosed = false;

  constructor(host: ConnectionHost, rules: RequestRules) {
    const { server } = host;
    this.#host = host;
    this.exported = rules.exported;
    this.#commands = new Commands(rules, server, host.output);
    this.#isExtended = rules.mode === "extended";
    this.#header.begin(this.#isExtended ? extendedRequest.size : compactRequest.size);
    const { reserveBytesPerConnection, maxHeldBytesPerConnection } = server.limits;
    this.#holding = new Holding(
      server.budget,
      server.stats,
      { reserveBytes: reserveBytesPerConnection, limitBytes: maxHeldBytesPerConnection },
      () => this.#granted(),
    );
  }

  get isStalled(): boolean {
    if (this.#receiving === "waiting") return true;
    const { maxRequestsPerConnection } = this.#host.server.limits;
    return this.#receiving === "header" && this.#open >= maxRequestsPerConnection;
  }

  get isIdle(): boolean {
    return this.#inDevice === 0 && !this.#isLent;
  }

  get messages(): number {
    return this.#messages;
  }

  get partial(): PartialMessage | null {
    if (this.#receiving === "payload" || this.#receiving === "skip")
      return { serial: this.#messages, bytes: this.#current!.payloadBytes };
    if (this.#receiving === "header" && this.#header.filled > 0)
      return { serial: this.#messages + 0.5, bytes: this.#header.bytes.length };
    return null;
  }

  consume(data: Uint8Array, from: number, end: number): number {
    let at = from;
    while (at < end && !this.#isClosed) {
      switch (this.#receiving) {
        case "header":
          if (this.isStalled) return at;
          at = this.#takeHeader(data, at, end);
          break;
        case "payload":
        case "skip":
          at = this.#takePayload(data, at, end);
          break;
        case "waiting":
          return at;
        case "over":
          return end;
      }
    }
    return at;
  }

  room(): Uint8Array | null {
    if (this.#receiving !== "payload" || this.#isClosed) return null;
    const { data, payloadBytes } = this.#current!;
    if (payloadBytes - this.#filled < ROOM_BYTES) return null;
    this.#isLent = true;
    return this.#filled === 0 ? data : data!.subarray(this.#filled);
  }

  filled(bytes: number): void {
    this.#isLent = false;
    const request = this.#current!;
    if (this.#isClosed) {
      this.#current = null;
      this.#discard(request);
      this.#host.wake();
    } else this.#advance(request, bytes);
  }

  released(requests: number, cost: number): void {
    this.#open -= requests;
    this.#holding.release(cost);
    this.#leaveIfDone();
    this.#host.wake();
  }

  inputEnded(): void {
    const isInside = (this.#current?.payloadBytes ?? 0) > 0 || this.#header.filled > 0;
    if (isInside) {
      this.#host.drop("the client closed the connection in the middle of a request");
      return;
    }
    this.#isLeaving = true;
    this.#leaveIfDone();
  }

  stop(): void {
    this.#isLeaving = true;
    this.#leaveIfDone();
  }

  closed(): void {
    this.#isClosed = true;
    this.#commands.isClosed = true;
    this.#holding.giveUp();
    const current = this.#current;
    // Bytes may still arrive in its buffer: `filled` discards it.
    if (current === null || this.#isLent) return;
    this.#current = null;
    this.#discard(current);
  }

  completed(request: NbdRequest, error: HoldfastError | null): void {
    this.#inDevice -= 1;
    if (this.#isClosed) this.#discard(request);
    else this.#answer(request, error);
    this.#host.wake();
  }

  #takeHeader(data: Uint8Array, at: number, end: number): number {
    const { length } = this.#header.bytes;
    if (this.#header.filled === 0 && end - at >= length) {
      this.#parse(data, at);
      return at + length;
    }
    const next = this.#header.add(data, at, end);
    if (this.#header.isFull) {
      const { bytes } = this.#header;
      this.#header.reset();
      this.#parse(bytes, 0);
    }
    return next;
  }

  /** Compact and extended headers are the same up to the length. */
  #parse(data: Uint8Array, at: number): void {
    const magic = u32(data, at);
    if (magic !== (this.#isExtended ? NBD_EXTENDED_REQUEST_MAGIC : NBD_REQUEST_MAGIC)) {
      this.#host.drop(`a request starts with 0x${magic.toString(16)} instead of the magic number`);
      return;
    }
    const request = this.#spare.pop() ?? new NbdRequest(this);
    request.flags = u16(data, at + FIELDS.flags.offset);
    request.type = u16(data, at + FIELDS.type.offset);
    request.cookieHigh = u32(data, at + FIELDS.cookie.offset);
    request.cookieLow = u32(data, at + FIELDS.cookie.offset + 4);
    request.offsetHigh = u32(data, at + FIELDS.offset.offset);
    request.offsetLow = u32(data, at + FIELDS.offset.offset + 4);
    request.offset = wide(request.offsetHigh, request.offsetLow);
    const length = u32(data, at + FIELDS.length.offset);
    request.length = this.#isExtended
      ? wide(length, u32(data, at + FIELDS.length.offset + 4))
      : length;
    this.#begin(request);
  }

  #begin(request: NbdRequest): void {
    const hasPayload = this.#isExtended
      ? (request.flags & CommandFlag.payloadLen) !== 0
      : request.type === Command.write;
    request.payloadBytes = hasPayload ? request.length : 0;
    this.#messages += 1;
    if (request.type === Command.disc) {
      this.#spare.push(request);
      this.#receiving = "over";
      this.#isLeaving = true;
      this.#leaveIfDone();
      return;
    }
    if (!this.#isPayloadBearable(request)) return;
    this.#open += 1;
    this.#current = request;
    const cost = this.#commands.costOf(request);
    if (cost > 0 && !this.#holding.take(cost)) this.#receiving = "waiting";
    else this.#admit(request, cost);
  }

  /** Sets the refusal, if there is a reason for one; drops clients who announce more than can be skipped. */
  #isPayloadBearable(request: NbdRequest): boolean {
    this.#commands.check(request, this.#host.isStopping);
    const { maxPayloadBytes } = this.#host.server.limits;
    if (request.payloadBytes <= maxPayloadBytes) return true;
    // Old clients that do not ask for sizes may go somewhat above; who uses extended headers has no excuse.
    if (this.#isExtended || request.payloadBytes > 2 * maxPayloadBytes) {
      this.#host.drop(`a payload of ${request.payloadBytes} bytes was announced`);
      return false;
    }
    request.refusal ??= {
      errno: NbdErrno.EINVAL,
      message: "The length is above the maximum payload size.",
    };
    return true;
  }

  #granted(): void {
    const request = this.#current!;
    this.#receiving = "header";
    this.#admit(request, this.#commands.costOf(request));
    this.#host.wake();
  }

  #admit(request: NbdRequest, cost: number): void {
    request.cost = cost;
    if (request.payloadBytes === 0) {
      this.#receiving = "header";
      this.#run(request);
      return;
    }
    this.#filled = 0;
    if (request.refusal !== null) {
      this.#receiving = "skip";
    } else {
      request.data = this.#host.server.pool.take(request.payloadBytes);
      this.#receiving = "payload";
    }
  }

  #takePayload(data: Uint8Array, at: number, end: number): number {
    const request = this.#current!;
    const count = Math.min(end - at, request.payloadBytes - this.#filled);
    if (this.#receiving === "payload")
      request.data!.set(data.subarray(at, at + count), this.#filled);
    this.#advance(request, count);
    return at + count;
  }

  #advance(request: NbdRequest, bytes: number): void {
    this.#filled += bytes;
    if (this.#filled < request.payloadBytes) return;
    this.#receiving = "header";
    this.#run(request);
  }

  #run(request: NbdRequest): void {
    this.#current = null;
    // Counted first: the device may be done before `start` returns.
    this.#inDevice += 1;
    if (this.#commands.start(request)) return;
    this.#inDevice -= 1;
    this.#answer(request, null);
  }

  #answer(request: NbdRequest, error: HoldfastError | null): void {
    const { type } = request;
    const isInReply = type === Command.read || type === Command.blockStatus;
    if (!isInReply && request.cost > 0) {
      // A write's data is done with; only what a reply still uses waits for the client to take it.
      const { cost } = request;
      request.cost = 0;
      this.#commands.answer(request, error);
      this.#spare.push(request);
      this.#holding.release(cost);
      return;
    }
    this.#commands.answer(request, error);
    this.#spare.push(request);
  }

  /** Gives up a request that nobody waits for any more. */
  #discard(request: NbdRequest): void {
    this.#commands.free(request);
    this.#open -= 1;
    const { cost } = request;
    request.cost = 0;
    this.#holding.release(cost);
  }

  #leaveIfDone(): void {
    if (this.#isLeaving && this.#open === 0 && !this.#isClosed) this.#host.finish();
  }
}
