/** Replies to options: each a header and its data, put into the output. */
import { NO_DATA } from "../base/nothing.ts";
import {
  HandshakeFlag,
  InfoType,
  NBD_EXPORT_NAME_PADDING,
  NBD_MAGIC,
  NBD_OPTION_MAGIC,
  NBD_OPTION_REPLY_MAGIC,
  OptionReplyType,
} from "../formats/nbd/constants.ts";
import {
  exportNameReply,
  greeting,
  infoBlockSize,
  infoExport,
  infoTextHead,
  metaContextHead,
  optionReply,
  serverHead,
} from "../formats/nbd/handshake.ts";
import type { ServedExport } from "./exports.ts";
import type { Output } from "./output.ts";

function joined(head: Uint8Array, ...texts: string[]): Uint8Array {
  const encoder = new TextEncoder();
  return Buffer.concat([head, ...texts.map((text) => encoder.encode(text))]);
}

export class OptionReplies {
  readonly #output: Output;

  constructor(output: Output) {
    this.#output = output;
  }

  greeting(): void {
    this.#output.append(
      greeting.encode({
        magic: NBD_MAGIC,
        optionMagic: NBD_OPTION_MAGIC,
        handshakeFlags: HandshakeFlag.fixedNewstyle | HandshakeFlag.noZeroes,
      }),
    );
  }

  reply(option: number, type: number, data: Uint8Array = NO_DATA): void {
    const magic = NBD_OPTION_REPLY_MAGIC;
    this.#output.append(optionReply.encode({ magic, option, type, length: data.length }));
    this.#output.append(data);
  }

  ack(option: number): void {
    this.reply(option, OptionReplyType.ack);
  }

  /** @param message for the person at the client */
  error(option: number, type: number, message: string): void {
    this.reply(option, type, new TextEncoder().encode(message));
  }

  server(option: number, exported: ServedExport): void {
    const nameLength = new TextEncoder().encode(exported.name).length;
    const head = serverHead.encode({ nameLength });
    this.reply(option, OptionReplyType.server, joined(head, exported.name, exported.description));
  }

  infoExport(option: number, exported: ServedExport, transmissionFlags: number): void {
    const { sizeBytes } = exported;
    const data = infoExport.encode({ type: InfoType.export, sizeBytes, transmissionFlags });
    this.reply(option, OptionReplyType.info, data);
  }

  infoText(option: number, type: number, text: string): void {
    this.reply(option, OptionReplyType.info, joined(infoTextHead.encode({ type }), text));
  }

  infoBlockSize(option: number, exported: ServedExport): void {
    const data = infoBlockSize.encode({
      type: InfoType.blockSize,
      minimumBytes: exported.minimumBytes,
      preferredBytes: exported.preferredBytes,
      maximumPayloadBytes: exported.maximumBytes,
    });
    this.reply(option, OptionReplyType.info, data);
  }

  metaContext(option: number, contextId: number, name: string): void {
    const data = joined(metaContextHead.encode({ contextId }), name);
    this.reply(option, OptionReplyType.metaContext, data);
  }

  /** The answer to EXPORT_NAME, which is no option reply. */
  exportName(exported: ServedExport, transmissionFlags: number, noZeroes: boolean): void {
    const { sizeBytes } = exported;
    this.#output.append(exportNameReply.encode({ sizeBytes, transmissionFlags }));
    if (!noZeroes) this.#output.append(new Uint8Array(NBD_EXPORT_NAME_PADDING));
  }
}
