/** Stream sockets as Env offers them. */

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
  /** Replaces the handlers (a protocol phase ended). */
  setHandlers(handlers: ConnectionHandlers): void;
  /**
   * Queues `data` and takes it over: it must not change until `sent` is called.
   * False: the queue is over its limit, wait for `onDrain` before queueing much more.
   */
  write(data: Uint8Array, sent?: () => void): boolean;
  /** Bytes queued and not yet handed to the system. */
  readonly queuedBytes: number;
  pause(): void;
  resume(): void;
  /** Sends what is queued, then closes our side. */
  end(): void;
  /** Closes at once; `onClose` follows. */
  destroy(error?: Error): void;
  /** Turns this connection into a TLS one and takes over the underlying bytes; handlers start anew on the result. */
  startTls(side: "server" | "client", settings: TlsSettings): Promise<Connection>;
}

export interface Listener {
  /** With the port that was chosen, if 0 was asked for. */
  readonly address: SocketAddress;
  /** Stops accepting; existing connections live on. */
  close(): Promise<void>;
}

export interface Sockets {
  listen(address: SocketAddress, accept: (connection: Connection) => void): Promise<Listener>;
  connect(address: SocketAddress): Promise<Connection>;
}
