/**
 * Sockets on node:net and node:tls.
 *
 * Small messages leave at once (no Nagle). On TCP, keep-alive finds peers that vanished without a word. A connection reads
 * nothing before `start`. TLS takes the same socket over: on the server's side by handing it to a tls.Server that
 * never listens, which does the checks of the peer's certificate that a bare TLSSocket leaves to its user.
 * A PSK needs ciphers of its own, which OpenSSL has for TLS 1.2.
 */
import { createHash } from "node:crypto";
import net from "node:net";
import tls from "node:tls";
import { HoldfastError } from "../../base/errors.ts";
import type {
  Connection,
  ConnectionHandlers,
  Listener,
  SocketAddress,
  Sockets,
  TlsSettings,
} from "../sockets.ts";
import { Inbox, withInbox } from "./inbox.ts";
import {
  KEEP_ALIVE_DELAY_MS,
  addressError,
  checkAddress,
  connectOnce,
  describeAddress,
  keepPrivate,
  listenOrReplace,
  peerName,
  target,
} from "./socket-addresses.ts";

/** Forward secrecy first; libnbd and qemu (GnuTLS) offer all of these. */
const PSK_CIPHERS = [
  "ECDHE-PSK-CHACHA20-POLY1305",
  "DHE-PSK-AES256-GCM-SHA384",
  "DHE-PSK-AES128-GCM-SHA256",
  "DHE-PSK-CHACHA20-POLY1305",
  "ECDHE-PSK-AES256-CBC-SHA384",
  "ECDHE-PSK-AES128-CBC-SHA256",
].join(":");

async function listen(
  address: SocketAddress,
  accept: (connection: Connection) => void,
): Promise<Listener> {
  return listenOrReplace(address, () => listenOnce(address, accept));
}

async function connect(address: SocketAddress): Promise<Connection> {
  checkAddress(address);
  try {
    return new NodeConnection(await connectOnce(address), describeAddress(address));
  } catch (error) {
    throw addressError("connect to", address, error);
  }
}

function listenOnce(
  address: SocketAddress,
  accept: (connection: Connection) => void,
): Promise<Listener> {
  return new Promise((resolve, reject) => {
    const server = net.createServer({
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: address.kind === "tcp",
      keepAliveInitialDelay: KEEP_ALIVE_DELAY_MS,
      pauseOnConnect: true,
    });
    server.on("connection", (accepted) => {
      const inbox = new Inbox();
      const socket = withInbox(accepted, inbox);
      const peer = peerOf(socket ?? accepted, address);
      accept(
        socket === null
          ? new NodeConnection(accepted, peer)
          : new NodeConnection(socket, peer, inbox),
      );
    });
    server.once("error", reject);
    server.listen(target(address), () => {
      server.off("error", reject);
      // Running out of file descriptors, say: the next client may fare better.
      server.on("error", () => {});
      keepPrivate(address);
      resolve(new NodeListener(server, address));
    });
  });
}

class NodeListener implements Listener {
  readonly address: SocketAddress;
  readonly #server: net.Server;

  constructor(server: net.Server, asked: SocketAddress) {
    this.#server = server;
    const bound = server.address();
    const isTcp = asked.kind === "tcp" && bound !== null && typeof bound === "object";
    this.address = isTcp ? { kind: "tcp", host: asked.host, port: bound.port } : asked;
  }

  close(): Promise<void> {
    // The callback would wait for the connections too.
    this.#server.close();
    return Promise.resolve();
  }
}

function peerOf(socket: net.Socket, address: SocketAddress): string {
  return peerName(address, socket.remoteAddress, socket.remotePort);
}

class NodeConnection implements Connection {
  readonly peer: string;
  readonly #socket: net.Socket;
  readonly #inbox: Inbox | null;
  #handlers: ConnectionHandlers | null = null;
  /** Callbacks of writes that are not over, oldest first. */
  readonly #unsent: (() => void)[] = [];
  #error: Error | null = null;
  #isClosed = false;
  /** TLS has taken the socket over. */
  #isHandedOver = false;

  /** @param inbox where the socket puts what comes; without one it comes as `data` */
  constructor(socket: net.Socket, peer: string, inbox: Inbox | null = null) {
    this.#socket = socket;
    this.#inbox = inbox;
    this.peer = peer;
    socket.on("error", this.#onError);
    socket.on("close", this.#onClose);
  }

  get queuedBytes(): number {
    return this.#socket.writableLength;
  }

  start(handlers: ConnectionHandlers): void {
    this.#handlers = handlers;
    if (this.#isClosed) {
      handlers.onClose(this.#error);
      return;
    }
    this.#socket.on("drain", this.#onDrain);
    this.#socket.on("end", this.#onEnd);
    if (this.#inbox === null) this.#socket.on("data", this.#onData);
    else this.#inbox.handlers = handlers;
    this.resume();
  }

  write(pieces: readonly Uint8Array[], sent?: () => void): boolean {
    const socket = this.#socket;
    if (socket.destroyed || socket.writableEnded || pieces.length === 0) {
      sent?.();
      return true;
    }
    if (sent !== undefined) this.#unsent.push(sent);
    const last = pieces.length - 1;
    if (last > 0) socket.cork();
    for (let i = 0; i < last; i += 1) socket.write(pieces[i]!);
    const over = sent === undefined ? undefined : this.#onWritten;
    const hasRoom = socket.write(pieces[last]!, over);
    if (last > 0) socket.uncork();
    return hasRoom;
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    if (this.#handlers === null) return;
    if (this.#inbox === null) this.#socket.resume();
    // `resume` would read on in the next tick even when `pause` is called before.
    else this.#socket.read(0);
  }

  end(): void {
    this.#socket.end();
  }

  destroy(error?: Error): void {
    this.#error ??= error ?? null;
    this.#socket.destroy();
  }

  async startTls(side: "server" | "client", settings: TlsSettings): Promise<Connection> {
    const socket = this.#socket;
    this.#isHandedOver = true;
    socket.off("data", this.#onData);
    socket.off("drain", this.#onDrain);
    socket.off("end", this.#onEnd);
    socket.pause();
    this.#leaveInbox();
    // A peer that leaves during the handshake ends it; the TLS socket takes this over from the plain one.
    socket.allowHalfOpen = false;
    try {
      const handshake = side === "server" ? serverHandshake : clientHandshake;
      return await handshake(socket, settings, this.peer);
    } catch (error) {
      socket.destroy();
      const why = error instanceof Error ? error.message : String(error);
      throw new HoldfastError("protocol", `TLS with ${this.peer} failed: ${why}.`, {
        cause: error,
      });
    }
  }

  #leaveInbox(): void {
    if (this.#inbox === null) return;
    this.#inbox.close();
    this.#inbox.handlers = null;
  }

  readonly #onData = (data: Uint8Array): void => this.#handlers?.onData(data);
  readonly #onDrain = (): void => this.#handlers?.onDrain();
  readonly #onEnd = (): void => {
    this.#inbox?.close();
    this.#handlers?.onEnd();
  };

  readonly #onWritten = (): void => this.#unsent.shift()?.();

  readonly #onError = (error: Error): void => {
    this.#error ??= error;
  };

  readonly #onClose = (): void => {
    this.#isClosed = true;
    this.#leaveInbox();
    for (let sent = this.#unsent.shift(); sent; sent = this.#unsent.shift()) sent();
    if (!this.#isHandedOver) this.#handlers?.onClose(this.#error);
  };
}

/** Options of both sides. */
function commonOptions(settings: TlsSettings): tls.SecureContextOptions {
  if (settings.kind === "psk")
    return { minVersion: "TLSv1.2", maxVersion: "TLSv1.2", ciphers: PSK_CIPHERS };
  return {
    minVersion: "TLSv1.2",
    ...(settings.certificatePem === undefined ? {} : { cert: settings.certificatePem }),
    ...(settings.keyPem === undefined ? {} : { key: settings.keyPem }),
    ...(settings.authorityPem === undefined ? {} : { ca: settings.authorityPem }),
  };
}

async function checkTls(settings: TlsSettings): Promise<void> {
  try {
    tls.createSecureContext(commonOptions(settings));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new HoldfastError("usage", `The TLS certificate and key cannot be used: ${why}.`, {
      cause: error,
    });
  }
}

/** What a user nobody knows is answered with: the handshake fails, and takes as long as with a wrong secret. */
function decoySecret(identity: string): Uint8Array {
  return createHash("sha256").update(process.hrtime.bigint().toString()).update(identity).digest();
}

/** In the very event that says it is up: its errors have a listener from the first moment on. */
function secureConnection(secured: tls.TLSSocket, peer: string): Connection {
  secured.allowHalfOpen = true;
  return new NodeConnection(secured, peer);
}

function serverHandshake(
  socket: net.Socket,
  settings: TlsSettings,
  peer: string,
): Promise<Connection> {
  const own: tls.TlsOptions =
    settings.kind === "psk"
      ? {
          pskCallback: (_socket, identity) =>
            settings.secrets.get(identity) ?? decoySecret(identity),
        }
      : { requestCert: settings.requirePeer, rejectUnauthorized: settings.requirePeer };
  const server = tls.createServer({ ...commonOptions(settings), ...own });
  return new Promise((resolve, reject) => {
    server.once("secureConnection", (secured) => resolve(secureConnection(secured, peer)));
    server.once("tlsClientError", reject);
    socket.once("close", () => reject(new Error("the connection was closed")));
    server.emit("connection", socket);
  });
}

function clientHandshake(
  socket: net.Socket,
  settings: TlsSettings,
  peer: string,
): Promise<Connection> {
  const own =
    settings.kind === "psk"
      ? {
          pskCallback: () => {
            const identity = settings.identity ?? [...settings.secrets.keys()][0] ?? "";
            const psk = settings.secrets.get(identity);
            return psk === undefined ? null : { identity, psk: Buffer.from(psk) };
          },
          // The secret vouches for the server; there is no certificate.
          checkServerIdentity: () => undefined,
        }
      : {
          rejectUnauthorized: settings.requirePeer,
          ...(settings.serverName === undefined ? {} : { servername: settings.serverName }),
        };
  return new Promise((resolve, reject) => {
    const secured = tls.connect({
      ...commonOptions(settings),
      ...own,
      socket,
    });
    secured.once("error", reject);
    secured.once("close", () => reject(new Error("the connection was closed")));
    secured.once("secureConnect", () => {
      resolve(secureConnection(secured, peer));
    });
  });
}

/**
 * Takes over a connected socket that somebody else has used up to now.
 * @param early what was read from it already
 * @param closed called once, when the socket is
 */
export function connectionOn(
  descriptor: number,
  peer: string,
  early: Uint8Array,
  closed: () => void,
): Connection {
  const socket = new net.Socket({ fd: descriptor, allowHalfOpen: true });
  socket.once("close", closed);
  if (early.length > 0) socket.unshift(early);
  return new NodeConnection(socket, peer);
}

export const nodeSockets: Sockets = { listen, connect, checkTls };
