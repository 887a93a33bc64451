/**
 * The NBD protocol under fire: 20,000 conversations, spoilt and cut into pieces, against the state machine, with a
 * device that answers late and a client that reads late. Whatever comes in:
 * - nothing throws, and nothing hangs: every complete request is answered once, as the protocol says, or the
 *   connection is dropped;
 * - the device is only asked for what is inside it (`checked`), and memory stays within its limits and is given back.
 * A failure names its seed; HOLDFAST_SEED=that starts with it.
 */
import { expect, it } from "vitest";
import { Prng } from "../../src/base/prng.ts";
import { checked } from "../../src/block/checked.ts";
import { NbdConnection } from "../../src/nbd/connection.ts";
import type { Transport } from "../../src/nbd/output.ts";
import type { ServerContext, TlsMode } from "../../src/nbd/phase.ts";
import {
  LateDevice,
  MAX_PAYLOAD,
  bigRequest,
  expectationOf,
  plainHandshake,
  someHandshake,
  someRequest,
  spoil,
} from "../support/nbd-fuzz.ts";
import type { Expectation, ExpectedRequest } from "../support/nbd-fuzz.ts";
import { contextFor } from "../support/nbd-harness.ts";
import { seedOfRun } from "../support/seed.ts";
import { readResult, takeChunk } from "../support/nbd-wire.ts";
import type { Chunk, WireMode } from "../support/nbd-wire.ts";

const CONVERSATIONS = 20_000;
const LIMITS = {
  maxPayloadBytes: MAX_PAYLOAD,
  maxRequestsPerConnection: 4,
  maxHeldBytesPerConnection: 4 * MAX_PAYLOAD,
  maxHeldBytes: 2 * MAX_PAYLOAD,
  reserveBytesPerConnection: 16384,
  maxQueuedOptionBytes: 2000,
  maxExtentsPerReply: 8,
};
const MAX_HELD = LIMITS.maxHeldBytes + LIMITS.reserveBytesPerConnection;
/** Beside what is accounted for: headers, error messages and status of the open requests, replies to options. */
const SMALL_REPLIES = LIMITS.maxRequestsPerConnection * 2048 + 2 * LIMITS.maxQueuedOptionBytes;

/** A socket whose client reads when the fuzzer says so. */
class FuzzTransport implements Transport {
  readonly sent: Buffer[] = [];
  readonly #flights: (() => void)[] = [];
  isPaused = false;
  isOver = false;
  tlsStarts = 0;

  send(pieces: readonly Uint8Array[], sent: () => void): void {
    this.sent.push(Buffer.concat(pieces));
    if (this.isOver) sent();
    else this.#flights.push(sent);
  }

  get unread(): number {
    return this.#flights.length;
  }

  readOne(): void {
    this.#flights.shift()?.();
  }

  soon(call: () => void): void {
    queueMicrotask(call);
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }

  end(): void {
    this.isOver = true;
  }

  destroy(): void {
    this.isOver = true;
    while (this.#flights.length > 0) this.readOne();
  }

  startTls(): void {
    this.tlsStarts += 1;
  }
}

class Conversation {
  readonly prng: Prng;
  readonly context: ServerContext;
  readonly device: LateDevice;
  readonly transport = new FuzzTransport();
  readonly connection: NbdConnection;
  dropped: string | null = null;
  mode: WireMode | null = null;
  /** How much happens while the client is talking. */
  readonly #pace: number;

  constructor(prng: Prng) {
    this.prng = prng;
    this.#pace = prng.pick([0, 0.3]);
    const isReadOnly = prng.chance(0.2);
    const canZero = prng.chance(0.7);
    this.device = new LateDevice({
      readOnly: isReadOnly,
      discard: !isReadOnly && prng.chance(0.7),
      writeZeroes: !isReadOnly && canZero,
    });
    const tls: TlsMode = prng.pick(["off", "off", "on", "require"]);
    this.context = contextFor([{ name: "vol", device: checked(this.device) }], LIMITS, tls);
    this.connection = new NbdConnection(this.context, this.transport, (why) => {
      this.dropped = why;
    });
    this.connection.start();
  }

  /** Something happens on the other sides: a bio ends, the client reads, TLS is up. False: nothing was left to do. */
  async #step(): Promise<boolean> {
    const { prng, device, transport } = this;
    const choices: (() => void)[] = [];
    if (device.pending.length > 0) choices.push(() => device.finishOne(prng));
    if (transport.unread > 0) choices.push(() => transport.readOne());
    if (transport.tlsStarts > 0 && !this.connection.isTls)
      choices.push(() => this.connection.secured());
    if (choices.length === 0) return false;
    prng.pick(choices)();
    await Promise.resolve();
    this.#checkBounds();
    return true;
  }

  #checkBounds(): void {
    const { stats } = this.context;
    if (stats.peakHeldBytes > MAX_HELD) throw new Error(`${stats.peakHeldBytes} bytes were held`);
    // Counted apart from the server's own books.
    const inUse = this.device.pendingBytes + this.connection.output.unsentBytes;
    if (inUse > MAX_HELD + SMALL_REPLIES) throw new Error(`${inUse} bytes are in use`);
    // A simple request is one bio, or two reads at the edges of an unaligned write.
    const { length } = this.device.pending;
    if (this.mode === "simple" && length > 2 * LIMITS.maxRequestsPerConnection)
      throw new Error(`${length} bios are with the device`);
  }

  /** The client sends `bytes` in pieces, as fast as it may. */
  async say(bytes: Buffer): Promise<void> {
    const longest = this.prng.pick([1, 7, 100, 5000, 100_000]);
    for (let at = 0; at < bytes.length && !this.transport.isOver;) {
      const count = this.prng.between(1, bytes.length > 3000 ? Math.max(100, longest) : longest);
      this.#deliver(bytes.subarray(at, at + count));
      at += count;
      await Promise.resolve();
      if (this.connection.backlogBytes > count)
        throw new Error("the backlog is longer than a piece");
      this.#checkBounds();
      while (this.prng.chance(this.#pace)) await this.#step();
      while (this.transport.isPaused && !this.transport.isOver)
        if (!(await this.#step()))
          throw new Error("the connection hangs: paused with nothing to wait for");
    }
  }

  /** As sockets do: straight into the room there is, or as it comes. */
  #deliver(piece: Buffer): void {
    const room = this.prng.chance(0.5) ? this.connection.room() : null;
    if (room === null) {
      this.connection.feed(piece);
      return;
    }
    const count = Math.min(room.length, piece.length);
    room.set(piece.subarray(0, count));
    this.connection.filled(count);
    if (count < piece.length) this.connection.feed(piece.subarray(count));
  }

  async drain(): Promise<void> {
    while (await this.#step());
    await Promise.resolve();
  }

  /** The client closes; everything must end. */
  async close(): Promise<void> {
    await this.drain();
    this.connection.end();
    await this.drain();
    if (!this.transport.isOver)
      throw new Error("the connection hangs: it does not end with its client");
    this.connection.closed();
    await this.drain();
    const { stats, budget } = this.context;
    if (stats.heldBytes !== 0 || budget.heldBytes !== 0 || budget.waiting !== 0)
      throw new Error(`${stats.heldBytes} bytes are still held`);
    if (!this.connection.isIdle) throw new Error("something is still lent to the device");
  }
}

function takeChunks(bytes: Buffer, expected: readonly ExpectedRequest[], mode: WireMode): Chunk[] {
  // Data without a length of its own follows in simple mode only.
  const simpleReads = mode === "simple" ? expected.filter(({ type }) => type === 0) : [];
  const reads = new Map(simpleReads.map(({ cookie, length }) => [cookie, length]));
  const chunks: Chunk[] = [];
  let rest = bytes;
  while (rest.length > 0) {
    const taken = takeChunk(rest, (cookie) => reads.get(cookie) ?? 0);
    if (taken === null) throw new Error("the stream of replies ends inside a reply");
    chunks.push(taken.chunk);
    rest = rest.subarray(taken.size);
  }
  return chunks;
}

/** Why these chunks are no reply to the request, or null. */
function replyFault(
  request: ExpectedRequest,
  chunks: readonly Chunk[],
  mode: WireMode,
): string | null {
  if (mode === "extended" && chunks.some((chunk) => chunk.headerOffset !== request.offset))
    return "a reply has another offset";
  const isStatus = chunks.some((chunk) => chunk.type === 5 || chunk.type === 6);
  if (isStatus !== (request.type === 7 && chunks.at(-1)!.errno === 0))
    return "block status is answered with status, nothing else is";
  if (request.type !== 0 || chunks.at(-1)!.errno !== 0) return null;
  try {
    readResult(chunks, Number(request.offset), request.length);
    return null;
  } catch (error) {
    return String(error);
  }
}

function checkReplies(expectation: Expectation, chunks: readonly Chunk[], mode: WireMode): void {
  const open = new Map<bigint, ExpectedRequest[]>();
  const shared = new Set<bigint>();
  for (const request of expectation.requests) {
    if (open.has(request.cookie)) shared.add(request.cookie);
    open.set(request.cookie, [...(open.get(request.cookie) ?? []), request]);
  }
  const partial = new Map<bigint, Chunk[]>();
  for (const chunk of chunks) {
    const { cookie } = chunk;
    const reply = [...(partial.get(cookie) ?? []), chunk];
    partial.set(cookie, reply);
    if (!chunk.isDone) continue;
    partial.delete(cookie);
    const waiting = open.get(cookie) ?? [];
    const request = waiting.shift();
    if (request === undefined) throw new Error(`a reply to ${cookie}, which nobody asked`);
    if (waiting.length === 0) open.delete(cookie);
    // Spoiling may have given two requests one cookie: then it cannot be said whose reply this is.
    const fault = shared.has(cookie) ? null : replyFault(request, reply, mode);
    if (fault !== null) throw new Error(fault);
  }
  if (expectation.end === "clean" && open.size > 0)
    throw new Error(`${open.size} requests were not answered`);
}

/** Transmission is spoilt: what is answered is judged by the oracle. */
async function fuzzTransmission(prng: Prng): Promise<void> {
  const mode = prng.pick(["simple", "structured", "extended"] as const);
  const conversation = new Conversation(prng);
  if (conversation.context.tlsMode === "require") return;
  await conversation.say(plainHandshake(mode));
  await conversation.drain();
  if (conversation.connection.phaseName !== "transmission") throw new Error("no transmission");
  conversation.transport.sent.length = 0;
  conversation.mode = mode;
  const make = prng.chance(0.1) ? bigRequest : someRequest;
  const messages = Array.from({ length: prng.between(1, 10) }, () => make(prng, mode));
  if (prng.chance(0.3)) messages.push(Buffer.from(messages[0]!));
  const bytes = prng.chance(0.1)
    ? Buffer.concat(messages)
    : spoil(prng, messages, mode === "extended" ? 28 : 24);
  const expectation = expectationOf(bytes, mode);
  await conversation.say(bytes);
  await conversation.close();
  const isDropped = conversation.dropped !== null;
  if (isDropped !== (expectation.end !== "clean"))
    throw new Error(`ended ${expectation.end}, dropped: ${conversation.dropped}`);
  // Simple replies to reads of one cookie and different lengths cannot be told apart.
  const cookies = new Set(expectation.requests.map((request) => request.cookie));
  if (mode === "simple" && cookies.size < expectation.requests.length) return;
  const chunks = takeChunks(Buffer.concat(conversation.transport.sent), expectation.requests, mode);
  checkReplies(expectation, chunks, mode);
}

/** Everything is spoilt; it must not throw, hang or leak. */
async function fuzzHandshake(prng: Prng): Promise<void> {
  const conversation = new Conversation(prng);
  const messages = someHandshake(prng);
  await conversation.say(prng.chance(0.1) ? Buffer.concat(messages) : spoil(prng, messages, 12));
  await conversation.close();
}

const firstSeed = seedOfRun();

it(
  `NBD bears ${CONVERSATIONS} spoilt conversations (HOLDFAST_SEED=${firstSeed})`,
  { timeout: 300_000 },
  async () => {
    for (let seed = firstSeed; seed < firstSeed + CONVERSATIONS; seed += 1) {
      const prng = new Prng(seed);
      try {
        if (prng.chance(0.6)) await fuzzTransmission(prng);
        else await fuzzHandshake(prng);
      } catch (error) {
        throw new Error(`HOLDFAST_SEED=${seed} fails: ${String(error)}`, { cause: error });
      }
    }
    expect(Number.isSafeInteger(firstSeed)).toBe(true);
  },
);
