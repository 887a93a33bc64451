/** Counters of one server. Plain fields, written on the data path, read by whoever wants to know. */

export interface NbdStats {
  /** Connections now. */
  readonly connections: number;
  readonly accepted: number;
  /** Closed as they came, because there were too many. */
  readonly refused: number;
  /** Closed by the server: broken protocol, time-out, failed TLS. */
  readonly dropped: number;
  readonly requests: number;
  /** Requests answered with an error. */
  readonly failed: number;
  readonly readBytes: number;
  readonly writtenBytes: number;
  /** Bytes of payload held now and at most so far. */
  readonly heldBytes: number;
  readonly peakHeldBytes: number;
  /** Payload buffers that found no room in the arena, and lay elsewhere. */
  readonly outsideArena: number;
}

export class StatsCounters {
  accepted = 0;
  refused = 0;
  dropped = 0;
  requests = 0;
  failed = 0;
  readBytes = 0;
  writtenBytes = 0;
  heldBytes = 0;
  peakHeldBytes = 0;
}
