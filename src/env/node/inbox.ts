/**
 * Where a socket's bytes arrive: the room its handlers give, or a buffer that is used again and again. Node's own way is a new buffer
 * of 64 KiB for each read, from which writes of 1 MiB are copied once more: twice the processor time.
 *
 * `onread` is Node's documented option for that, but only sockets of one's own making take it, not those that a net.Server accepts.
 * So an accepted socket's handle is put into a new one, by the properties that net.Server itself uses (`_handle`, and the option `handle`),
 * which are not documented. Where they are missing the accepted socket stays as it is, and its bytes come as `data`.
 */
import net from "node:net";
import type { ConnectionHandlers } from "../sockets.ts";

const OWN_BYTES = 65_536;

/* oxlint-disable no-underscore-dangle -- Node's name for it */
interface WithHandle {
  _handle?: { readonly useUserBuffer?: unknown } | null;
}

export class Inbox {
  /** Told of what comes; nothing is read before it is set. */
  handlers: ConnectionHandlers | null = null;
  readonly #own = new Uint8Array(OWN_BYTES);
  #room: Uint8Array | null = null;

  /** Asked for by the socket once at first, and then after each read. */
  next(): Uint8Array {
    this.#room = this.handlers?.room?.() ?? null;
    return this.#room ?? this.#own;
  }

  /** So many bytes are in what `next` gave last. */
  came(bytes: number): void {
    if (this.#room === null) this.handlers?.onData(this.#own.subarray(0, bytes));
    else this.#giveBack(bytes);
  }

  /** Nothing more comes: a room that waits for it goes back. */
  close(): void {
    if (this.#room !== null) this.#giveBack(0);
  }

  #giveBack(bytes: number): void {
    this.#room = null;
    this.handlers?.onFilled?.(bytes);
  }
}

/** Has what comes on a socket that was accepted, paused, put into an inbox: returns the socket to use instead, paused. Null: as it was. */
export function withInbox(accepted: net.Socket, inbox: Inbox): net.Socket | null {
  const outer: WithHandle = accepted as unknown as WithHandle;
  const handle = outer._handle;
  if (typeof handle?.useUserBuffer !== "function") return null;
  outer._handle = null;
  // It has nothing to close any more.
  accepted.destroy();
  const options = {
    handle,
    pauseOnCreate: true,
    allowHalfOpen: true,
    onread: {
      buffer: () => inbox.next(),
      callback: (bytes: number) => {
        inbox.came(bytes);
        return true;
      },
    },
  };
  return new net.Socket(options);
}
