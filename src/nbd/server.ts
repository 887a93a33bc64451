/**
 * The NBD server: listens, holds the sessions, looks after their clocks, stops in order.
 *
 *   stop, removeExport: no new clients -> requests in flight finish, later ones get ESHUTDOWN -> each connection is closed once
 *         it has nothing in flight -> what is left at the time limit is cut off
 *
 * Devices are lent: their owner closes them after `stop` or `removeExport`.
 */
import { createArena } from "../base/arena.ts";
import type { Arena } from "../base/arena.ts";
import { HoldfastError } from "../base/errors.ts";
import type { Env, Timer } from "../env/env.ts";
import type { Connection, Listener, SocketAddress, TlsSettings } from "../env/sockets.ts";
import { Budget } from "./budget.ts";
import { BufferPool } from "./buffers.ts";
import { ExportTable } from "./exports.ts";
import type { NbdExport, ServedExport } from "./exports.ts";
import { DEFAULT_NBD_LIMITS } from "./limits.ts";
import type { NbdLimits } from "./limits.ts";
import type { ServerContext, TlsMode } from "./phase.ts";
import { Session } from "./session.ts";
import { SessionSet } from "./session-set.ts";
import type { WhichSessions } from "./session-set.ts";
import { StatsCounters } from "./stats.ts";
import type { NbdStats } from "./stats.ts";
import { formatNbdUri } from "../formats/nbd/uri.ts";

export interface NbdTls {
  /** "on": up to the client; "require": clients without TLS are turned away. */
  readonly mode: Exclude<TlsMode, "off">;
  readonly settings: TlsSettings;
}

/** What the server needs of the world. */
export type NbdEnv = Pick<Env, "clock" | "timers" | "sockets" | "log">;

/** A place to listen at. */
export interface NbdListen {
  /** A TCP port of 0 is chosen by the system; `server.address` has it. */
  readonly listen: SocketAddress;
  /** Without it there is no TLS. */
  readonly tls?: NbdTls;
}

export interface NbdServerOptions extends NbdListen {
  /** Further places with the same exports. */
  readonly alsoListen?: readonly NbdListen[];
  readonly exports: readonly NbdExport[];
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
export async function startNbdServer(env: NbdEnv, options: NbdServerOptions): Promise<NbdServer> {
  const server = new NbdServer(env, options);
  await server.start();
  return server;
}

export class NbdServer {
  readonly #env: NbdEnv;
  readonly #places: readonly NbdListen[];
  readonly #exports: ExportTable;
  readonly #context: Omit<ServerContext, "tlsMode">;
  readonly #sessions: SessionSet;
  readonly #listeners: Listener[] = [];
  #check: Timer | null = null;
  #stopping: Promise<void> | null = null;

  constructor(env: NbdEnv, options: NbdServerOptions) {
    const limits = checkedLimits({ ...DEFAULT_NBD_LIMITS, ...options.limits });
    this.#env = env;
    this.#places = [options, ...(options.alsoListen ?? [])];
    this.#exports = new ExportTable(options.exports, limits);
    this.#sessions = new SessionSet(env.timers);
    this.#context = {
      exports: this.#exports,
      limits,
      pool: new BufferPool(POOL_BYTES, arenaOf(options)),
      budget: new Budget(limits.maxHeldBytes),
      stats: new StatsCounters(),
    };
  }

  /** All places, or none. */
  async start(): Promise<void> {
    for (const { tls } of this.#places)
      if (tls !== undefined) await this.#env.sockets.checkTls(tls.settings);
    try {
      for (const place of this.#places) this.#listeners.push(await this.#listen(place));
    } catch (error) {
      await Promise.all(this.#listeners.map((listener) => listener.close()));
      throw error;
    }
    this.#scheduleCheck();
  }

  #listen({ listen, tls }: NbdListen): Promise<Listener> {
    const server = { ...this.#context, tlsMode: tls?.mode ?? ("off" as const) };
    return this.#env.sockets.listen(listen, (connection) =>
      this.#accept(connection, server, tls?.settings ?? null),
    );
  }

  /** Where it listens, with the port that was chosen. */
  get address(): SocketAddress {
    return this.#addressOf(0);
  }

  #addressOf(place: number): SocketAddress {
    return this.#listeners[place]?.address ?? this.#places[place]!.listen;
  }

  /** The URI of an export, for any NBD client, at the first place. */
  uri(exportName: string): string {
    return this.#uriAt(0, exportName);
  }

  /** One for each place. */
  uris(exportName: string): string[] {
    return this.#places.map((_place, index) => this.#uriAt(index, exportName));
  }

  #uriAt(place: number, exportName: string): string {
    const isForced = this.#places[place]!.tls?.mode === "require";
    const address = this.#addressOf(place);
    const isEverywhere = address.kind === "tcp" && ["0.0.0.0", "::"].includes(address.host);
    return formatNbdUri({
      address: isEverywhere ? { ...address, host: "localhost" } : address,
      exportName,
      tls: isForced ? "require" : "allow",
    });
  }

  /** @throws `usage` as startNbdServer does */
  addExport(given: NbdExport): void {
    this.#exports.add(given);
  }

  /** No new clients; those that have it keep it. */
  hideExport(exportName: string): void {
    this.#exports.remove(exportName);
  }

  /** The same device under another name: clients that have it keep it. @throws `usage` as addExport */
  renameExport(before: string, given: NbdExport): void {
    this.#exports.rename(before, given);
  }

  /** Clients that have it open. */
  clientsOf(exportName: string): number {
    const exported = this.#exports.all.find(({ name }) => name === exportName);
    if (exported === undefined) return 0;
    return this.#sessions.connected(hasOpen(exported)).length;
  }

  /** As `stop`, for the clients of one export: others notice nothing. */
  async removeExport(exportName: string): Promise<void> {
    const exported = this.#exports.remove(exportName);
    if (exported === undefined) return;
    await this.#end(hasOpen(exported), `Export ${exportName}`);
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
    const closed = Promise.all(this.#listeners.map((listener) => listener.close()));
    await this.#end(() => true, "NBD", closed);
    this.#check?.cancel();
  }

  /** @param what for the log */
  async #end(which: WhichSessions, what: string, closed?: Promise<unknown>): Promise<void> {
    const { stopTimeoutMs } = this.#context.limits;
    const sessions = this.#sessions;
    for (const { protocol } of sessions.connected(which)) protocol.stop();
    await closed;
    await sessions.over(which, Math.min(HANDSHAKE_GRACE_MS, stopTimeoutMs));
    this.#cut((session) => which(session) && session.protocol.phaseName === "handshake");
    await sessions.over(which, Math.max(0, stopTimeoutMs - HANDSHAKE_GRACE_MS));
    this.#cut(which);
    // Sockets that were cut off close in the next turns; a device that does not answer is not waited for.
    await sessions.over(which, HANDSHAKE_GRACE_MS);
    if (sessions.lingers(which))
      this.#env.log.write("warning", `Requests were still with a device when ${what} was stopped.`);
  }

  #cut(which: WhichSessions): void {
    for (const { protocol } of this.#sessions.connected(which))
      protocol.drop("the server is being stopped");
  }

  #accept(connection: Connection, server: ServerContext, tls: TlsSettings | null): void {
    const { limits, stats } = server;
    if (this.#stopping !== null || this.#sessions.size >= limits.maxConnections) {
      stats.refused += 1;
      connection.destroy();
      this.#env.log.write("debug", `NBD client ${connection.peer} refused: too many connections.`);
      return;
    }
    stats.accepted += 1;
    const session = new Session(connection, {
      server,
      tls,
      log: this.#env.log,
      closed: (closed) => this.#sessions.closed(closed),
    });
    this.#sessions.add(session);
    session.start();
  }

  #scheduleCheck(): void {
    this.#check = this.#env.timers.set(CHECK_EVERY_MS, () => {
      const nowMs = this.#env.clock.monotonicMs();
      for (const { protocol } of this.#sessions.connected(() => true)) protocol.check(nowMs);
      this.#sessions.forgetOver();
      this.#scheduleCheck();
    });
  }
}

/** Whatever it was told of its size. */
function hasOpen({ device }: ServedExport): WhichSessions {
  return ({ protocol }) => protocol.exported?.device === device;
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
