/** Bounds and time-outs of the NBD server. The first five bound its memory whatever its clients do. */

export interface NbdLimits {
  /** Further connections are closed as they come. */
  readonly maxConnections: number;
  /** Requests of one connection that are not yet answered, the reply being on its way out included. */
  readonly maxRequestsPerConnection: number;
  /** Bytes of payload held for one connection, in both directions. */
  readonly maxHeldBytesPerConnection: number;
  /** The same over all connections, the reserves not counted. */
  readonly maxHeldBytes: number;
  /** What each connection may hold besides, so that ordinary I/O goes on whatever others hold. */
  readonly reserveBytesPerConnection: number;
  /** Largest payload of a read or write; what is advertised as the maximum. */
  readonly maxPayloadBytes: number;
  /** Options in one handshake. */
  readonly maxOptions: number;
  /** Data of one option; longer ones are skipped and refused. */
  readonly maxOptionBytes: number;
  /** Reply bytes waiting for a client in handshake; no further option is looked at above this. */
  readonly maxQueuedOptionBytes: number;
  readonly maxExtentsPerReply: number;
  /** From the connection to the transmission phase, TLS included. */
  readonly handshakeTimeoutMs: number;
  /** For a client that stops in the middle of a message, or takes no replies. */
  readonly stallTimeoutMs: number;
  /** Such a message has the stall time-out and, besides, the time its bytes take at this rate. */
  readonly slowestBytesPerSecond: number;
  /** Without any request; 0 for ever. */
  readonly idleTimeoutMs: number;
  /** For the peer's own goodbye after ours. */
  readonly closeTimeoutMs: number;
  /** For requests in flight when the server is stopped. */
  readonly stopTimeoutMs: number;
}

const MIB = 1024 * 1024;

export const DEFAULT_NBD_LIMITS: NbdLimits = {
  maxConnections: 128,
  maxRequestsPerConnection: 128,
  maxHeldBytesPerConnection: 64 * MIB,
  maxHeldBytes: 256 * MIB,
  reserveBytesPerConnection: MIB,
  maxPayloadBytes: 32 * MIB,
  maxOptions: 128,
  maxOptionBytes: 65536,
  maxQueuedOptionBytes: MIB,
  maxExtentsPerReply: 4096,
  handshakeTimeoutMs: 60_000,
  stallTimeoutMs: 120_000,
  slowestBytesPerSecond: 65536,
  idleTimeoutMs: 0,
  closeTimeoutMs: 10_000,
  stopTimeoutMs: 30_000,
};
