/** An NbdConnection without a socket: bytes in, messages out, and a transport that holds back what it is told to. */
import { Budget } from "../../src/nbd/budget.ts";
import { BufferPool } from "../../src/nbd/buffers.ts";
import { NbdConnection } from "../../src/nbd/connection.ts";
import { ExportTable } from "../../src/nbd/exports.ts";
import type { NbdExport } from "../../src/nbd/exports.ts";
import { DEFAULT_NBD_LIMITS } from "../../src/nbd/limits.ts";
import type { NbdLimits } from "../../src/nbd/limits.ts";
import type { Transport } from "../../src/nbd/output.ts";
import type { ServerContext, TlsMode } from "../../src/nbd/phase.ts";
import { StatsCounters } from "../../src/nbd/stats.ts";
import { takeChunk, takeOptionReply } from "./nbd-wire.ts";
import type { Chunk, OptionReply } from "./nbd-wire.ts";

export function contextFor(
  exports: readonly NbdExport[],
  limits: Partial<NbdLimits> = {},
  tlsMode: TlsMode = "off",
): ServerContext {
  const all = { ...DEFAULT_NBD_LIMITS, ...limits };
  return {
    exports: new ExportTable(exports, all),
    limits: all,
    tlsMode,
    pool: new BufferPool(1 << 20),
    budget: new Budget(all.maxHeldBytes),
    stats: new StatsCounters(),
  };
}

export class Harness implements Transport {
  readonly connection: NbdConnection;
  /** Sent and not yet looked at. */
  output = Buffer.alloc(0);
  /** With `slow`, flushes wait here for `take`. */
  readonly held: { bytes: number; sent: () => void }[] = [];
  slow = false;
  isPaused = false;
  isEnded = false;
  isDestroyed = false;
  tlsStarts = 0;
  dropped: string | null = null;
  readonly #reads = new Map<bigint, number>();

  constructor(context: ServerContext) {
    this.connection = new NbdConnection(context, this, (why) => {
      this.dropped = why;
    });
    this.connection.start();
  }

  get isOpen(): boolean {
    return !this.isEnded && !this.isDestroyed;
  }

  send(pieces: readonly Uint8Array[], sent: () => void): void {
    const bytes = Buffer.concat(pieces);
    this.output = Buffer.concat([this.output, bytes]);
    if (this.slow) this.held.push({ bytes: bytes.length, sent });
    else sent();
  }

  /** The client reads one flush. */
  take(): void {
    this.held.shift()?.sent();
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
    this.isEnded = true;
  }

  destroy(): void {
    this.isDestroyed = true;
    for (const { sent } of this.held.splice(0)) sent();
  }

  startTls(): void {
    this.tlsStarts += 1;
  }

  /** Feeds bytes in pieces of `step`, and lets later completions be sent. */
  async feed(bytes: Uint8Array, step = Infinity): Promise<void> {
    for (let at = 0; at < bytes.length; at += step)
      this.connection.feed(bytes.subarray(at, Math.min(bytes.length, at + step)));
    await this.settled();
  }

  async settled(): Promise<void> {
    await Promise.resolve();
    await Promise.resolve();
  }

  expectRead(cookie: number | bigint, length: number): void {
    this.#reads.set(BigInt(cookie), length);
  }

  /** Everything sent, taken as option replies. */
  optionReplies(): OptionReply[] {
    const replies: OptionReply[] = [];
    for (let next = takeOptionReply(this.output); next; next = takeOptionReply(this.output)) {
      replies.push(next.reply);
      this.output = this.output.subarray(next.size);
    }
    return replies;
  }

  /** Everything sent, taken as replies of the transmission phase. */
  chunks(): Chunk[] {
    const chunks: Chunk[] = [];
    for (;;) {
      const next = takeChunk(this.output, (cookie) => this.#reads.get(cookie) ?? 0);
      if (next === null) return chunks;
      chunks.push(next.chunk);
      this.output = this.output.subarray(next.size);
    }
  }
}
