/**
 * Stream sockets as Env offers them.
 *
 * A connection ends in two halves: `onEnd` says that the peer sends nothing more, `end` says so to the peer; when both are
 * said, or something breaks, or `destroy` is called, it is closed and `onClose` follows, last.
 */

export type SocketAddress =
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "tcp"; readonly host: string; readonly port: number };

/** TLS settings of one side. PEM text for certificates and keys; PSK as user name -> secret. */
export type TlsSettings =
  | {
      readonly kind: "x509";
      readonly certificatePem?: string;
      readonly keyPem?: string;
      /** Certificates that the peer's must chain to; with `requirePeer` a peer without one is refused. */
      readonly authorityPem?: string;
      readonly requirePeer: boolean;
      /** Client side: the name the server's certificate must carry. */
      readonly serverName?: string;
    }
  | {
      readonly kind: "psk";
      readonly secrets: ReadonlyMap<string, Uint8Array>;
      readonly identity?: string;
    };

export interface ConnectionHandlers {
  /** Lends `data` for the duration of the call. */
  onData(data: Uint8Array): void;
  /**
   * Where the next bytes are best put, so that nobody copies them; null for anywhere. A connection that can do so asks before it
   * receives. What it is given (not empty) belongs to it until it calls `onFilled`, which it does exactly once, whatever
   * happens, before `onEnd` and `onClose`: the system may write there even after `destroy`. Others do not ask.
   */
  room?(): Uint8Array | null;
  /**
   * Gives the room back. The next bytes of the stream, so many of them, are at its start: fewer than fit when the peer has ended or
   * the connection is being closed, or for no reason at all; 0 is possible. May be called while delivery is paused. Goes with `room`.
   */
  onFilled?(bytes: number): void;
  /** The output queue, full before, has room again. */
  onDrain(): void;
  /** The peer will send nothing more; writing is still possible. */
  onEnd(): void;
  /** Called once, last; null when closed in order. */
  onClose(error: Error | null): void;
}

export interface Connection {
  /** Who is on the other side, for messages. */
  readonly peer: string;
  /** Starts delivery. Until then nothing is read from the peer. */
  start(handlers: ConnectionHandlers): void;
  /**
   * Queues the pieces, to be sent in one go, and takes them over (the list is lent): they must not change until `sent` is called, which
   * happens once, in order of the writes: when the last byte was handed to the system, or when the connection is dead.
   * False: the queue is over its limit, wait for `onDrain` before queueing much more.
   */
  write(pieces: readonly Uint8Array[], sent?: () => void): boolean;
  /**
   * Calls it once, soon: when what the system has reported together is handed out, and before what is written meanwhile is sent.
   * Where it is absent a microtask is as good.
   */
  soon?(call: () => void): void;
  /** Bytes queued and not yet handed to the system. */
  readonly queuedBytes: number;
  pause(): void;
  resume(): void;
  /** Sends what is queued, then closes our side. */
  end(): void;
  /** Closes at once; `onClose` follows. */
  destroy(error?: Error): void;
  /**
   * Turns this connection into a TLS one and takes over the underlying bytes; handlers start anew on the result, and those
   * of this one hear nothing more. Call it when `queuedBytes` is 0. Rejects (`protocol`) when the TLS handshake fails, after
   * closing the connection; `destroy` on this connection ends a handshake that takes too long.
   */
  startTls(side: "server" | "client", settings: TlsSettings): Promise<Connection>;
}

export interface Listener {
  /** With the port that was chosen, if 0 was asked for. */
  readonly address: SocketAddress;
  /** Stops accepting; existing connections live on. */
  close(): Promise<void>;
}

export interface Sockets {
  /**
   * Rejects with `busy` (somebody listens there already), `permission`, `usage` (no such address) or `io`, naming the
   * address. A unix socket is for this user only (mode 0600); one left behind by a process that is gone is replaced;
   * closing removes it.
   */
  listen(address: SocketAddress, accept: (connection: Connection) => void): Promise<Listener>;
  /** Rejects with `not-found` (nobody listens there), `permission`, `timeout` or `io`, naming the address. */
  connect(address: SocketAddress): Promise<Connection>;
  /** Rejects with `usage` when a certificate or key cannot be used, so that not the first peer finds out. */
  checkTls(settings: TlsSettings): Promise<void>;
}
