/**
 * The client's half of the NBD handshake (proto.md, "Newstyle negotiation"): GO, and EXPORT_NAME for servers that do not
 * know it. Bytes are asked for in the order in which they must come; lengths that a server says are bounded.
 */
import { HoldfastError } from "../base/errors.ts";
import {
  ClientFlag,
  HandshakeFlag,
  InfoType,
  NBD_EXPORT_NAME_PADDING,
  NBD_MAGIC,
  NBD_OPTION_MAGIC,
  NBD_OPTION_REPLY_MAGIC,
  OptionReplyType,
  OptionType,
} from "../formats/nbd/constants.ts";
import {
  clientFlags,
  exportNameReply,
  greeting,
  infoBlockSize,
  infoExport,
  optionHeader,
  optionReply,
} from "../formats/nbd/handshake.ts";

export interface RemoteExport {
  readonly sizeBytes: number;
  readonly transmissionFlags: number;
  readonly minimumBlockBytes: number;
  readonly preferredBlockBytes: number;
  readonly maximumPayloadBytes: number;
}

/** What the handshake needs of a connection. */
export interface HandshakeStream {
  /** The next bytes; rejects when the connection ends before. */
  take(count: number): Promise<Uint8Array>;
  send(bytes: Uint8Array): void;
}

/** More than any information or error text needs. */
const MAX_REPLY_BYTES = 65536;
const MAX_REPLIES = 64;
const DEFAULT_PAYLOAD_BYTES = 32 * 1024 * 1024;

const REFUSALS: ReadonlyMap<number, readonly [HoldfastError["code"], string]> = new Map([
  [OptionReplyType.errUnknown, ["not-found", "has no such export; `nbdinfo --list` shows them"]],
  [OptionReplyType.errPolicy, ["permission", "does not let this client have the export"]],
  [OptionReplyType.errTlsReqd, ["unsupported", "wants TLS, which is not supported for members"]],
  [OptionReplyType.errShutdown, ["shutdown", "is shutting down"]],
  [OptionReplyType.errBlockSizeReqd, ["unsupported", "wants its block size to be negotiated"]],
] as const);

function exportOf(
  sizeBytes: number,
  transmissionFlags: number,
  sizes: Partial<RemoteExport> = {},
): RemoteExport {
  return {
    minimumBlockBytes: 1,
    preferredBlockBytes: 4096,
    maximumPayloadBytes: DEFAULT_PAYLOAD_BYTES,
    ...sizes,
    sizeBytes,
    transmissionFlags,
  };
}

function optionMessage(option: number, data: Uint8Array): Uint8Array {
  const message = new Uint8Array(optionHeader.size + data.length);
  const header = { magic: NBD_OPTION_MAGIC, option, length: data.length };
  optionHeader.encodeInto(message, 0, header);
  message.set(data, optionHeader.size);
  return message;
}

/** Name with its length, and one information asked for: the block sizes. */
function goData(name: Uint8Array): Uint8Array {
  const data = new Uint8Array(4 + name.length + 4);
  const view = new DataView(data.buffer);
  view.setUint32(0, name.length);
  data.set(name, 4);
  view.setUint16(4 + name.length, 1);
  view.setUint16(6 + name.length, InfoType.blockSize);
  return data;
}

/** @throws HoldfastError `protocol`, `not-found`, `permission`, `unsupported` or `shutdown`, beginning with `who` */
export async function shakeHands(
  stream: HandshakeStream,
  exportName: string,
  who: string,
): Promise<RemoteExport> {
  const hello = greeting.decode(await stream.take(greeting.size));
  if (hello.magic !== NBD_MAGIC || hello.optionMagic !== NBD_OPTION_MAGIC) {
    const text = `${who} is no NBD server of the current kind; check address and port.`;
    throw new HoldfastError("protocol", text);
  }
  const isFixed = (hello.handshakeFlags & HandshakeFlag.fixedNewstyle) !== 0;
  const noZeroes = (hello.handshakeFlags & HandshakeFlag.noZeroes) !== 0;
  const flags = (isFixed ? ClientFlag.fixedNewstyle : 0) | (noZeroes ? ClientFlag.noZeroes : 0);
  stream.send(clientFlags.encode({ flags }));
  const name = new TextEncoder().encode(exportName);
  if (isFixed) {
    stream.send(optionMessage(OptionType.go, goData(name)));
    const found = await readGoReplies(stream, who);
    if (found !== null) return found;
  }
  stream.send(optionMessage(OptionType.exportName, name));
  const reply = exportNameReply.decode(await stream.take(exportNameReply.size));
  if (!noZeroes) await stream.take(NBD_EXPORT_NAME_PADDING);
  return exportOf(reply.sizeBytes, reply.transmissionFlags);
}

/** Null when the server does not know GO. */
async function readGoReplies(stream: HandshakeStream, who: string): Promise<RemoteExport | null> {
  let size: { sizeBytes: number; transmissionFlags: number } | null = null;
  let blocks: Partial<RemoteExport> = {};
  for (let i = 0; i < MAX_REPLIES; i += 1) {
    const header = optionReply.decode(await stream.take(optionReply.size));
    if (header.magic !== NBD_OPTION_REPLY_MAGIC || header.length > MAX_REPLY_BYTES)
      throw new HoldfastError("protocol", `${who} answered with something that is not NBD.`);
    const data = await stream.take(header.length);
    if (header.type === OptionReplyType.errUnsup) return null;
    if (header.type === OptionReplyType.ack) {
      if (size === null)
        throw new HoldfastError("protocol", `${who} did not say how large the export is.`);
      return exportOf(size.sizeBytes, size.transmissionFlags, blocks);
    }
    if (header.type !== OptionReplyType.info) throw refused(header.type, data, who);
    const type = data.length < 2 ? -1 : new DataView(data.buffer, data.byteOffset).getUint16(0);
    if (type === InfoType.export && data.length === infoExport.size) size = infoExport.decode(data);
    if (type === InfoType.blockSize && data.length === infoBlockSize.size) {
      const sizes = infoBlockSize.decode(data);
      blocks = {
        minimumBlockBytes: sizes.minimumBytes,
        preferredBlockBytes: sizes.preferredBytes,
        maximumPayloadBytes: sizes.maximumPayloadBytes,
      };
    }
  }
  throw new HoldfastError("protocol", `${who} does not come to an end with its answers.`);
}

function refused(type: number, data: Uint8Array, who: string): HoldfastError {
  const [code, text] = REFUSALS.get(type) ?? ["protocol", `refused with 0x${type.toString(16)}`];
  const said = new TextDecoder().decode(data.subarray(0, 200)).trim();
  return new HoldfastError(code, `${who} ${text}${said === "" ? "" : ` (it says: ${said})`}.`);
}
