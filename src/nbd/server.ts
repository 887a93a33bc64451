/**
 * The NBD server: listens, holds the sessions, looks after their clocks, stops in order.
 *
 *   stop: no new clients -> requests in flight finish, later ones get ESHUTDOWN -> each connection is closed once
 *         it has nothing in flight -> what is left at the time limit is cut off
 *
 * Devices are lent: whoever started the server closes them after `stop`.
 */
import { createArena } from "../base/arena.ts";
import type { Arena } from "../base/arena.ts";
import { HoldfastError } from "../base/errors.ts";
import type { Env, Timer } from "../env/env.ts";
import type { Connection, Listener, SocketAddress, TlsSettings } from "../env/sockets.ts";
import { Budget } from "./budget.ts";
import { BufferPool } from "./buffers.ts";
import { ExportTable } from "./exports.ts";
import type { NbdExport } from "./exports.ts";
import { DEFAULT_NBD_LIMITS } from "./limits.ts";
import type { NbdLimits } from "./limits.ts";
import type { ServerContext, TlsMode } from "./phase.ts";
import { Session } from "./session.ts";
import { StatsCounters } from "./stats.ts";
import type { NbdStats } from "./stats.ts";
import { formatNbdUri } from "../formats/nbd/uri.ts";

export interface NbdTls {
  /** "on": up to the client; "require": clients without TLS are turned away. */
  readonly mode: Exclude<TlsMode, "off">;
  readonly settings: TlsSettings;
}

export interface NbdServerOptions {
  /** A TCP port of 0 is chosen by the system; `server.address` has it. */
  readonly listen: SocketAddress;
  readonly exports: readonly NbdExport[];
  /** Without it there is no TLS. */
  readonly tls?: NbdTls;
  readonly limits?: Partial<NbdLimits>;
  /** Where payloads lie; shared with who computes parity. Without it the server makes one of its own when it needs it. */
  readonly arena?: Arena | null;
}

/** Memory of finished requests outside the arena that is kept for the next ones. */
const POOL_BYTES = 64 * 1024 * 1024;
/** How often time-outs are looked at. */
const CHECK_EVERY_MS = 5000;
/** For a client in the handshake to hear of the stop. */
const HANDSHAKE_GRACE_MS = 1000;

/**
 * Rejects with `usage` for exports, limits or certificates that make no sense, and as Sockets.listen does.
 */
export async function startNbdServer(env: Env, options: NbdServerOptions): Promise<NbdServer> {
  const server = new NbdServer(env, options);
  await server.start();
  return server;
}

export class NbdServer {
  readonly #env: Env;
  readonly #options: NbdServerOptions;
  readonly #context: ServerContext;
  readonly #sessions = new Set<Session>();
  /** Closed, but some device still works for them. */
  readonly #lingering = new Set<Session>();
  #listener: Listener | null = null;
  #check: Timer | null = null;
  #stopping: Promise<void> | null = null;
  #changed: () => void = () => {};

  constructor(env: Env, options: NbdServerOptions) {
    const limits = checkedLimits({ ...DEFAULT_NBD_LIMITS, ...options.limits });
    this.#env = env;
    this.#options = options;
    this.#context = {
      exports: new ExportTable(options.exports, limits),
      limits,
      tlsMode: options.tls?.mode ?? "off",
      pool: new BufferPool(POOL_BYTES, arenaOf(options)),
      budget: new Budget(limits.maxHeldBytes),
      stats: new StatsCounters(),
    };
  }

  async start(): Promise<void> {
    const { listen, tls } = this.#options;
    if (tls !== undefined) await this.#env.sockets.checkTls(tls.settings);
    this.#listener = await this.#env.sockets.listen(listen, (connection) =>
      this.#accept(connection),
    );
    this.#scheduleCheck();
  }

  /** Where it listens, with the port that was chosen. */
  get address(): SocketAddress {
    return this.#listener?.address ?? this.#options.listen;
  }

  /** The URI of an export, for any NBD client. */
  uri(exportName: string): string {
    const tls = this.#options.tls;
    const isForced = tls?.mode === "require";
    const { address } = this;
    const isEverywhere = address.kind === "tcp" && ["0.0.0.0", "::"].includes(address.host);
    return formatNbdUri({
      address: isEverywhere ? { ...address, host: "localhost" } : address,
      exportName,
      tls: isForced ? "require" : "allow",
    });
  }

  get stats(): NbdStats {
    const { accepted, refused, dropped, requests, failed } = this.#context.stats;
    const { readBytes, writtenBytes, heldBytes, peakHeldBytes } = this.#context.stats;
    return {
      connections: this.#sessions.size,
      accepted,
      refused,
      dropped,
      requests,
      failed,
      readBytes,
      writtenBytes,
      heldBytes,
      peakHeldBytes,
      outsideArena: this.#context.pool.outside,
    };
  }

  /**
   * Ends when no device works for a client any more, or when the time limit is over (which is logged). Further calls wait
   * for the same end.
   */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    const { stopTimeoutMs } = this.#context.limits;
    const closed = this.#listener?.close();
    for (const session of this.#sessions) session.protocol.stop();
    await closed;
    await this.#allOver(Math.min(HANDSHAKE_GRACE_MS, stopTimeoutMs));
    this.#cut((session) => session.protocol.phaseName === "handshake");
    await this.#allOver(Math.max(0, stopTimeoutMs - HANDSHAKE_GRACE_MS));
    this.#cut(() => true);
    // Sockets that were cut off close in the next turns; a device that does not answer is not waited for.
    await this.#allOver(HANDSHAKE_GRACE_MS);
    this.#check?.cancel();
    if (this.#lingering.size > 0)
      this.#env.log.write("warning", "Requests were still with a device when NBD was stopped.");
  }

  #cut(which: (session: Session) => boolean): void {
    for (const session of this.#sessions) {
      if (which(session)) session.protocol.drop("the server is being stopped");
    }
  }

  /** Waits until all sessions are over, at most so long. */
  #allOver(limitMs: number): Promise<void> {
    return new Promise((resolve) => {
      let timer: Timer | null = null;
      const end = (): void => {
        timer?.cancel();
        this.#changed = () => {};
        resolve();
      };
      this.#changed = () => {
        if (this.#isQuiet()) end();
      };
      if (this.#isQuiet()) end();
      else timer = this.#env.timers.set(limitMs, end);
    });
  }

  #isQuiet(): boolean {
    for (const session of this.#lingering) if (session.isOver) this.#lingering.delete(session);
    return this.#sessions.size === 0 && this.#lingering.size === 0;
  }

  #accept(connection: Connection): void {
    const { limits, stats } = this.#context;
    if (this.#stopping !== null || this.#sessions.size >= limits.maxConnections) {
      stats.refused += 1;
      connection.destroy();
      this.#env.log.write("debug", `NBD client ${connection.peer} refused: too many connections.`);
      return;
    }
    stats.accepted += 1;
    const session = new Session(connection, {
      server: this.#context,
      tls: this.#options.tls?.settings ?? null,
      log: this.#env.log,
      closed: (closed) => this.#closed(closed),
    });
    this.#sessions.add(session);
    session.start();
  }

  #closed(session: Session): void {
    this.#sessions.delete(session);
    if (!session.isOver) {
      this.#lingering.add(session);
      session.protocol.whenIdle(() => this.#changed());
    }
    this.#changed();
  }

  #scheduleCheck(): void {
    this.#check = this.#env.timers.set(CHECK_EVERY_MS, () => {
      const nowMs = this.#env.clock.monotonicMs();
      for (const session of this.#sessions) session.protocol.check(nowMs);
      for (const session of this.#lingering) if (session.isOver) this.#lingering.delete(session);
      this.#scheduleCheck();
    });
  }
}

function arenaOf({ arena }: NbdServerOptions): () => Arena | null {
  let own = arena;
  return () => (own === undefined ? (own = createArena()) : own);
}

function checkedLimits(limits: NbdLimits): NbdLimits {
  const { maxPayloadBytes } = limits;
  const isPower = Number.isInteger(Math.log2(maxPayloadBytes));
  if (!isPower || maxPayloadBytes < 65536 || maxPayloadBytes > 1024 ** 3)
    throw new HoldfastError(
      "usage",
      `maxPayloadBytes is ${maxPayloadBytes}; it must be a power of two from 65536 to 2^30.`,
    );
  for (const [name, value] of Object.entries(limits)) {
    if (!Number.isFinite(value) || value < 0)
      throw new HoldfastError("usage", `The NBD limit ${name} is ${value}; it must be a number.`);
  }
  return limits;
}
