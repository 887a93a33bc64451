/**
 * One client: its socket (env Connection) tied to its protocol (NbdConnection).
 *
 * TLS swaps the socket for the secured one while the protocol stays. The session is over when the socket is closed and
 * nothing of it is lent to a device any more.
 */
import { HoldfastError } from "../base/errors.ts";
import type { Log } from "../env/env.ts";
import type { Connection, ConnectionHandlers, TlsSettings } from "../env/sockets.ts";
import { NbdConnection } from "./connection.ts";
import type { Transport } from "./output.ts";
import type { ServerContext } from "./phase.ts";

export interface SessionOptions {
  readonly server: ServerContext;
  readonly tls: TlsSettings | null;
  readonly log: Log;
  /** The socket is closed. Requests may still be with a device: see `isOver`. */
  readonly closed: (session: Session) => void;
}

export class Session implements Transport {
  readonly protocol: NbdConnection;
  readonly #options: SessionOptions;
  #connection: Connection;
  #isClosed = false;

  constructor(connection: Connection, options: SessionOptions) {
    this.#connection = connection;
    this.#options = options;
    this.protocol = new NbdConnection(options.server, this, (why) => this.#dropped(why));
  }

  get peer(): string {
    return this.#connection.peer;
  }

  /** The socket is closed and no device works for this client. */
  get isOver(): boolean {
    return this.#isClosed && this.protocol.isIdle;
  }

  start(): void {
    this.#connection.start(this.#handlers());
    this.protocol.start();
  }

  send(pieces: readonly Uint8Array[], sent: () => void): void {
    this.#connection.write(pieces, sent);
  }

  soon(call: () => void): void {
    const connection = this.#connection;
    if (connection.soon === undefined) queueMicrotask(call);
    else connection.soon(call);
  }

  pause(): void {
    this.#connection.pause();
  }

  resume(): void {
    this.#connection.resume();
  }

  end(): void {
    this.#connection.end();
  }

  destroy(): void {
    this.#connection.destroy();
  }

  startTls(): void {
    const { tls } = this.#options;
    if (tls === null) throw new Error("STARTTLS is refused without TLS settings");
    this.#connection.startTls("server", tls).then(
      (secured) => this.#secured(secured),
      (error: unknown) => {
        const why = error instanceof HoldfastError ? error.message : String(error);
        this.protocol.drop(why);
        this.#over();
      },
    );
  }

  #secured(connection: Connection): void {
    this.#connection = connection;
    if (this.protocol.state === "closed") {
      // Dropped meanwhile.
      connection.destroy();
      this.#over();
      return;
    }
    this.protocol.secured();
    connection.start(this.#handlers());
  }

  #handlers(): ConnectionHandlers {
    const { protocol } = this;
    return {
      onData: (data) => protocol.feed(data),
      room: () => protocol.room(),
      onFilled: (bytes) => protocol.filled(bytes),
      onDrain: () => {},
      onEnd: () => protocol.end(),
      onClose: (error) => {
        if (error !== null) this.#log(`lost: ${error.message}`);
        this.#over();
      },
    };
  }

  #over(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.protocol.closed();
    this.#options.closed(this);
  }

  #dropped(why: string): void {
    this.#options.server.stats.dropped += 1;
    this.#log(`dropped: ${why}`);
  }

  #log(what: string): void {
    this.#options.log.write("debug", `NBD client ${this.peer} ${what}.`);
  }
}
