/**
 * Replies of the transmission phase in the three forms a client can have agreed on.
 *
 *   simple      header of 16 bytes, data behind it without a length of its own
 *   structured  chunks with a header of 20 bytes; success without payload is still a simple reply
 *   extended    chunks with a header of 32 bytes for everything
 *
 * Layouts: formats/nbd/transmission.ts; the offsets used here are those of its fields. Data up to 4 KiB is copied into
 * the batch (cheaper than one more piece for the kernel), longer data is lent.
 */
import {
  NBD_EXTENDED_REPLY_MAGIC,
  NBD_SIMPLE_REPLY_MAGIC,
  NBD_STRUCTURED_REPLY_MAGIC,
  ReplyFlag,
  ReplyType,
} from "../formats/nbd/constants.ts";
import {
  blockDescriptor,
  blockDescriptorExt,
  blockStatusExtHead,
  blockStatusHead,
  errorHead,
  extendedReply,
  offsetDataHead,
  offsetHole,
  simpleReply,
  structuredReply,
} from "../formats/nbd/transmission.ts";
import type { Batch, Output } from "./output.ts";
import type { NbdRequest } from "./request.ts";

export type ReplyMode = "simple" | "structured" | "extended";

export interface StatusRun {
  readonly lengthBytes: number;
  readonly status: number;
}

/** At 4 KiB both ways cost the same, but a piece for the kernel is a view more; at 8 KiB lending is a little cheaper. */
const COPIED_BYTES = 4096;
/** The protocol allows 4096; nobody reads that much. */
const MAX_MESSAGE_BYTES = 1024;
const TWO_32 = 0x1_0000_0000;

const SIMPLE = simpleReply.fields;
const STRUCTURED = structuredReply.fields;
const EXTENDED = extendedReply.fields;

function putU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, Math.floor(value / TWO_32));
  view.setUint32(at + 4, value % TWO_32);
}

export class Replies {
  readonly #output: Output;
  readonly mode: ReplyMode;

  constructor(output: Output, mode: ReplyMode) {
    this.#output = output;
    this.mode = mode;
  }

  /** Success, with no (further) payload. */
  done(request: NbdRequest, isRead: boolean): void {
    if (this.mode === "simple" || (this.mode === "structured" && !isRead)) this.#simple(request, 0);
    else this.#chunk(request, ReplyFlag.done, ReplyType.none, 0, 0);
  }

  /** Failure of the whole request. */
  error(request: NbdRequest, errno: number, message: string): void {
    if (this.mode === "simple") this.#simple(request, errno);
    else this.#errorChunk(request, errno, message, null);
  }

  /** Failure at one place of the export, bytes. */
  errorAt(request: NbdRequest, errno: number, message: string, offsetBytes: number): void {
    if (this.mode === "simple") this.#simple(request, errno);
    else this.#errorChunk(request, errno, message, offsetBytes);
  }

  /** What was read at `offsetBytes`. True if `data` is free again at once, false if it was lent. */
  data(request: NbdRequest, offsetBytes: number, data: Uint8Array, isLast: boolean): boolean {
    const output = this.#output;
    const copied = data.length <= COPIED_BYTES ? data.length : 0;
    if (this.mode === "simple") {
      this.#simple(request, 0, copied);
    } else {
      const payload = offsetDataHead.size + data.length;
      const flags = isLast ? ReplyFlag.done : 0;
      const inBatch = offsetDataHead.size + copied;
      const batch = this.#chunk(request, flags, ReplyType.offsetData, payload, inBatch);
      putU64(batch.view, batch.used, offsetBytes);
      batch.used += offsetDataHead.size;
    }
    if (copied === 0) {
      output.lend(data);
      return false;
    }
    const batch = output.room(copied);
    batch.bytes.set(data, batch.used);
    batch.used += copied;
    return true;
  }

  /** Zeros at `offsetBytes`. Not in simple mode. */
  hole(request: NbdRequest, offsetBytes: number, lengthBytes: number, isLast: boolean): void {
    const flags = isLast ? ReplyFlag.done : 0;
    const size = offsetHole.size;
    const batch = this.#chunk(request, flags, ReplyType.offsetHole, size, size);
    putU64(batch.view, batch.used, offsetBytes);
    batch.view.setUint32(batch.used + offsetHole.fields.length.offset, lengthBytes);
    batch.used += size;
  }

  /** The status of consecutive runs from the request's offset on. Not in simple mode. */
  blockStatus(request: NbdRequest, contextId: number, runs: readonly StatusRun[]): void {
    const isExtended = this.mode === "extended";
    const head = isExtended ? blockStatusExtHead.size : blockStatusHead.size;
    const each = isExtended ? blockDescriptorExt.size : blockDescriptor.size;
    const payload = new Uint8Array(head + each * runs.length);
    const view = new DataView(payload.buffer);
    view.setUint32(0, contextId);
    if (isExtended) view.setUint32(blockStatusExtHead.fields.count.offset, runs.length);
    runs.forEach((run, i) => {
      const at = head + i * each;
      if (isExtended) {
        putU64(view, at, run.lengthBytes);
        putU64(view, at + blockDescriptorExt.fields.status.offset, run.status);
      } else {
        view.setUint32(at, run.lengthBytes);
        view.setUint32(at + blockDescriptor.fields.status.offset, run.status);
      }
    });
    const type = isExtended ? ReplyType.blockStatusExt : ReplyType.blockStatus;
    this.#chunk(request, ReplyFlag.done, type, payload.length, 0);
    if (payload.length <= COPIED_BYTES) this.#output.append(payload);
    else this.#output.lend(payload);
  }

  #simple(request: NbdRequest, errno: number, behind = 0): void {
    const batch = this.#output.room(simpleReply.size + behind);
    const { view, used } = batch;
    view.setUint32(used, NBD_SIMPLE_REPLY_MAGIC);
    view.setUint32(used + SIMPLE.error.offset, errno);
    view.setUint32(used + SIMPLE.cookie.offset, request.cookieHigh);
    view.setUint32(used + SIMPLE.cookie.offset + 4, request.cookieLow);
    batch.used += simpleReply.size;
  }

  /** Writes a chunk's header; `behind` more bytes have room behind it. */
  #chunk(
    request: NbdRequest,
    flags: number,
    type: number,
    payloadBytes: number,
    behind: number,
  ): Batch {
    const isExtended = this.mode === "extended";
    const size = isExtended ? extendedReply.size : structuredReply.size;
    const batch = this.#output.room(size + behind);
    const { view, used } = batch;
    // Both headers are the same up to the cookie.
    view.setUint32(used, isExtended ? NBD_EXTENDED_REPLY_MAGIC : NBD_STRUCTURED_REPLY_MAGIC);
    view.setUint16(used + EXTENDED.flags.offset, flags);
    view.setUint16(used + EXTENDED.type.offset, type);
    view.setUint32(used + EXTENDED.cookie.offset, request.cookieHigh);
    view.setUint32(used + EXTENDED.cookie.offset + 4, request.cookieLow);
    if (isExtended) {
      view.setUint32(used + EXTENDED.offset.offset, request.offsetHigh);
      view.setUint32(used + EXTENDED.offset.offset + 4, request.offsetLow);
      putU64(view, used + EXTENDED.length.offset, payloadBytes);
    } else {
      view.setUint32(used + STRUCTURED.length.offset, payloadBytes);
    }
    batch.used += size;
    return batch;
  }

  #errorChunk(
    request: NbdRequest,
    errno: number,
    message: string,
    offsetBytes: number | null,
  ): void {
    const text = new TextEncoder().encode(message);
    const cut = text.subarray(0, wholeCharacters(text, MAX_MESSAGE_BYTES));
    const size = errorHead.size + cut.length + (offsetBytes === null ? 0 : 8);
    const type = offsetBytes === null ? ReplyType.error : ReplyType.errorOffset;
    const batch = this.#chunk(request, ReplyFlag.done, type, size, size);
    const at = batch.used;
    batch.view.setUint32(at, errno);
    batch.view.setUint16(at + errorHead.fields.messageLength.offset, cut.length);
    batch.bytes.set(cut, at + errorHead.size);
    if (offsetBytes !== null) putU64(batch.view, at + errorHead.size + cut.length, offsetBytes);
    batch.used += size;
  }
}

/** The most bytes of UTF-8 `text`, at most `limit`, that do not end inside a character. */
function wholeCharacters(text: Uint8Array, limit: number): number {
  if (text.length <= limit) return text.length;
  let end = limit;
  while (end > 0 && (text[end]! & 0xc0) === 0x80) end -= 1;
  return end;
}
