/** HTTP/1.1 on unix sockets as Env offers it, for the control API: bodies are short, and whole. */

/** Who is at the other end, as the system says. */
export interface PeerCredentials {
  readonly uid: number;
  readonly gid: number;
}

export interface HttpRequest {
  /** "GET". */
  readonly verb: string;
  /** Path and query, as sent. */
  readonly target: string;
  /** Null: more than the server takes. */
  readonly body: Uint8Array | null;
  /** Null where the system does not say. */
  readonly peer: PeerCredentials | null;
}

export interface HttpReply {
  readonly status: number;
  /** JSON. */
  readonly body: string;
}

export interface HttpServing {
  /** What is longer is not read to its end. */
  readonly maxBodyBytes: number;
  /** Does not reject. */
  readonly answer: (request: HttpRequest) => Promise<HttpReply>;
}

export interface HttpListener {
  /** Takes no more clients, and removes the socket. Requests under way go on. */
  close(): void;
  /** Resolves when none is under way. */
  idle(): Promise<void>;
  /** Closes the connections that are left. */
  cut(): void;
}

export interface HttpCall {
  readonly verb: string;
  readonly target: string;
  /** Null: none. */
  readonly body: string | null;
}

export interface LocalHttp {
  /** The socket is for this user only (mode 0600). Rejects and replaces sockets that were left behind as Sockets.listen does. */
  serve(socketPath: string, serving: HttpServing): Promise<HttpListener>;
  /** However long the answer takes. Rejects as Sockets.connect does, and with `io` when the other side goes away. */
  request(socketPath: string, call: HttpCall): Promise<HttpReply>;
}
