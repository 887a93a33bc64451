/**
 * One request of a client, from its header to the last byte of its answer. Objects of this class are used again by their
 * connection; `done` is made once and never again, so a request costs no closure.
 */
import type { HoldfastError } from "../base/errors.ts";
import type { ByteExtent } from "../block/bytes.ts";
import type { NbdErrnoValue } from "../formats/nbd/constants.ts";

export interface RequestOwner {
  completed(request: NbdRequest, error: HoldfastError | null): void;
}

/** Why a request is answered without asking the device. */
export interface Refusal {
  readonly errno: NbdErrnoValue;
  readonly message: string;
}

export class NbdRequest {
  type = 0;
  flags = 0;
  /** The cookie as two halves: it is given back as it came. */
  cookieHigh = 0;
  cookieLow = 0;
  offsetHigh = 0;
  offsetLow = 0;
  /** Bytes; Infinity from 2^53 on. */
  offset = 0;
  /** Bytes of the export it is about; Infinity from 2^53 on. */
  length = 0;
  /** Bytes that follow the header. */
  payloadBytes = 0;
  /** The payload of a write, or the room for a read. */
  data: Uint8Array | null = null;
  /** Bytes of memory it holds from the budget. */
  cost = 0;
  refusal: Refusal | null = null;
  /** The runs of a read that has holes in it. */
  runs: readonly ByteExtent[] | null = null;
  /** Where such a read failed first, bytes. */
  failedAt = 0;
  readonly done: (error: HoldfastError | null) => void;

  constructor(owner: RequestOwner) {
    this.done = (error) => owner.completed(this, error);
  }
}
