/** HTTP on unix sockets by node:http. */
import http from "node:http";
import { HoldfastError } from "../../base/errors.ts";
import { ignore } from "../../base/nothing.ts";
import type { HttpCall, HttpListener, HttpReply, HttpServing, LocalHttp } from "../http.ts";
import { peerCredentials } from "./peer.ts";
import { addressError, checkAddress, keepPrivate, listenOrReplace } from "./socket-addresses.ts";

/** For a client to send all of a request. */
const REQUEST_TIMEOUT_MS = 30_000;
const MAX_CONNECTIONS = 256;

async function serve(socketPath: string, serving: HttpServing): Promise<HttpListener> {
  const address = { kind: "unix", path: socketPath } as const;
  const listener = new NodeHttpListener(serving);
  await listenOrReplace(address, async () => {
    await listener.listen(socketPath);
    keepPrivate(address);
    return { address, close: () => Promise.resolve() };
  });
  return listener;
}

class NodeHttpListener implements HttpListener {
  readonly #serving: HttpServing;
  readonly #server: http.Server;
  #underWay = 0;
  #idle: () => void = ignore;

  constructor(serving: HttpServing) {
    this.#serving = serving;
    this.#server = http.createServer(
      { requestTimeout: REQUEST_TIMEOUT_MS },
      (request, response) => {
        this.#underWay += 1;
        void this.#answer(request, response).finally(() => {
          this.#underWay -= 1;
          if (this.#underWay === 0) this.#idle();
        });
      },
    );
    this.#server.maxConnections = MAX_CONNECTIONS;
  }

  listen(socketPath: string): Promise<void> {
    const server = this.#server;
    return new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen({ path: socketPath }, () => {
        server.off("error", reject);
        // Running out of file descriptors, say: the next client may fare better.
        server.on("error", ignore);
        resolve();
      });
    });
  }

  close(): void {
    this.#server.close();
    this.#server.closeIdleConnections();
  }

  idle(): Promise<void> {
    if (this.#underWay === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#idle = resolve;
    });
  }

  cut(): void {
    this.#server.closeAllConnections();
  }

  /** Ends when the answer has left, or the client has gone. */
  async #answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const peer = peerCredentials(request.socket);
    let body: Uint8Array | null;
    try {
      body = await wholeBody(request, this.#serving.maxBodyBytes);
    } catch {
      // The client has gone before it had said all.
      response.destroy();
      return;
    }
    const { method: verb = "GET", url: target = "/" } = request;
    const reply = await this.#serving.answer({ verb, target, body, peer });
    const headers = {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(reply.body),
      // What was not read would be taken for the next request.
      ...(body === null ? { connection: "close" } : {}),
    };
    await new Promise<void>((resolve) => {
      response.once("close", resolve);
      response.writeHead(reply.status, headers);
      response.end(reply.body);
    });
  }
}

async function wholeBody(message: http.IncomingMessage, limit: number): Promise<Uint8Array | null> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of message.iterator({ destroyOnReturn: false })) {
    bytes += (piece as Buffer).length;
    if (bytes > limit) return null;
    pieces.push(piece as Buffer);
  }
  return Buffer.concat(pieces);
}

/** Of what the daemon has to say; far more than the longest list of arrays. */
const MAX_REPLY_BYTES = 256 * 1024 * 1024;

function ask(socketPath: string, { verb, target, body }: HttpCall): Promise<HttpReply> {
  const address = { kind: "unix", path: socketPath } as const;
  checkAddress(address);
  return new Promise((resolve, reject) => {
    let isConnected = false;
    const failed = (error: unknown): void => {
      const gone = `The other side of ${socketPath} went away before it had answered.`;
      reject(
        isConnected
          ? new HoldfastError("io", gone, { cause: error })
          : addressError("connect to", address, error),
      );
    };
    const headers = body === null ? {} : { "content-type": "application/json" };
    const sent = http.request({ socketPath, method: verb, path: target, headers, agent: false });
    sent.once("error", failed);
    sent.once("socket", (socket) => socket.once("connect", () => (isConnected = true)));
    sent.once("response", (response) => {
      wholeBody(response, MAX_REPLY_BYTES).then((bytes) => {
        const text = Buffer.from(bytes ?? new Uint8Array(0)).toString();
        resolve({ status: response.statusCode ?? 0, body: text });
      }, failed);
    });
    sent.end(body ?? undefined);
  });
}

export const nodeHttp: LocalHttp = { serve, request: ask };
