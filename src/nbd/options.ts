/** The data of the options that have any (proto.md, "Option types"): what was asked, or why it makes no sense. */
import { NBD_MAX_STRING_BYTES, OptionReplyType } from "../formats/nbd/constants.ts";

export interface OptionFault {
  readonly kind: "fault";
  /** OptionReplyType of the refusal. */
  readonly type: number;
  readonly message: string;
}

export interface InfoRequest {
  readonly kind: "info";
  readonly exportName: string;
  /** InfoType of what the client would like to know. */
  readonly wanted: ReadonlySet<number>;
}

export interface ContextRequest {
  readonly kind: "contexts";
  readonly exportName: string;
  readonly queries: readonly string[];
}

function invalid(message: string): OptionFault {
  return { kind: "fault", type: OptionReplyType.errInvalid, message };
}

/** Null if it is not a string in the protocol's sense: UTF-8 without NUL. */
export function decodeText(bytes: Uint8Array): string | null {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    return text.includes("\0") ? null : text;
  } catch {
    return null;
  }
}

/** Walks over an option's data. `failed` once something was asked for that is not there. */
class Reader {
  readonly #data: Uint8Array;
  readonly #view: DataView;
  #at = 0;
  #fault: OptionFault | null = null;

  constructor(data: Uint8Array) {
    this.#data = data;
    this.#view = new DataView(data.buffer, data.byteOffset, data.length);
  }

  get fault(): OptionFault | null {
    if (this.#fault === null && this.#at !== this.#data.length)
      return invalid("There are bytes behind the option's data.");
    return this.#fault;
  }

  get failed(): boolean {
    return this.#fault !== null;
  }

  u16(): number {
    return this.#take(2) ? this.#view.getUint16(this.#at - 2) : 0;
  }

  u32(): number {
    return this.#take(4) ? this.#view.getUint32(this.#at - 4) : 0;
  }

  /** A string behind its length of 32 bits. */
  text(what: string): string {
    const length = this.u32();
    if (this.failed) return "";
    if (length > NBD_MAX_STRING_BYTES) {
      const message = `The ${what} has ${length} bytes; the protocol allows ${NBD_MAX_STRING_BYTES}.`;
      this.#fault = { kind: "fault", type: OptionReplyType.errTooBig, message };
      return "";
    }
    if (!this.#take(length)) return "";
    const text = decodeText(this.#data.subarray(this.#at - length, this.#at));
    if (text === null) this.#fault = invalid(`The ${what} is not UTF-8 text without NUL.`);
    return text ?? "";
  }

  #take(count: number): boolean {
    if (this.#fault !== null) return false;
    if (this.#at + count > this.#data.length) {
      this.#fault = invalid("The option's data is shorter than its contents say.");
      return false;
    }
    this.#at += count;
    return true;
  }
}

/** Data of INFO and GO. */
export function parseInfoRequest(data: Uint8Array): InfoRequest | OptionFault {
  const reader = new Reader(data);
  const exportName = reader.text("export name");
  const count = reader.u16();
  const wanted = new Set<number>();
  for (let i = 0; i < count && !reader.failed; i += 1) wanted.add(reader.u16());
  return reader.fault ?? { kind: "info", exportName, wanted };
}

/** Data of LIST_META_CONTEXT and SET_META_CONTEXT. */
export function parseContextRequest(data: Uint8Array): ContextRequest | OptionFault {
  const reader = new Reader(data);
  const exportName = reader.text("export name");
  const count = reader.u32();
  const queries: string[] = [];
  for (let i = 0; i < count && !reader.failed; i += 1) queries.push(reader.text("query"));
  return reader.fault ?? { kind: "contexts", exportName, queries };
}
