/**
 * The handshake: fixed newstyle greeting, then options until one of them enters transmission.
 *
 *   flags -> header -> data | skip -> (answered) -> header -> ... -> GO, EXPORT_NAME: transmission
 *                                  \-> STARTTLS: everything agreed on so far is forgotten, go on in TLS
 *                                  \-> ABORT: closed
 *
 * Options and their data are bounded; a client that does not read its replies is not listened to (stalled).
 * What an option means is in haggling.ts; here is only how it is framed.
 */
import { NO_DATA } from "../base/nothing.ts";
import {
  ClientFlag,
  NBD_MAX_STRING_BYTES,
  NBD_OPTION_MAGIC,
  OptionReplyType,
  OptionType,
} from "../formats/nbd/constants.ts";
import { clientFlags, optionHeader } from "../formats/nbd/handshake.ts";
import { Haggling } from "./haggling.ts";
import { OptionReplies } from "./option-replies.ts";
import { Collector } from "./phase.ts";
import type { ConnectionHost, PartialMessage, Phase } from "./phase.ts";

type Receiving =
  | { readonly kind: "flags" }
  | { readonly kind: "header" }
  | { readonly kind: "data"; readonly option: number }
  /** Data that is too long to be kept. */
  | { readonly kind: "skip"; readonly option: number; left: number }
  /** Nothing more is expected: TLS is being started, or the connection is being closed. */
  | { readonly kind: "over" };

export class Handshake implements Phase {
  readonly name = "handshake";
  readonly exported = null;
  readonly isIdle = true;
  readonly #host: ConnectionHost;
  readonly #replies: OptionReplies;
  #haggling: Haggling;
  readonly #collector = new Collector();
  #receiving: Receiving = { kind: "flags" };
  #flags = 0;
  #messages = 0;
  /** Transmission was entered, or the connection is gone. */
  #isOver = false;

  constructor(host: ConnectionHost) {
    this.#host = host;
    this.#replies = new OptionReplies(host.output);
    this.#haggling = new Haggling(host, this.#replies);
    this.#collector.begin(clientFlags.size);
  }

  greet(): void {
    this.#replies.greeting();
  }

  /** TLS is up: everything agreed on before is forgotten, or someone in the middle could have put it there. */
  secured(): void {
    this.#haggling = new Haggling(this.#host, this.#replies);
    this.#haggling.clientFlags = this.#flags;
    this.#expectHeader();
  }

  get isStalled(): boolean {
    const { output, server } = this.#host;
    return output.unsentBytes > server.limits.maxQueuedOptionBytes;
  }

  get messages(): number {
    return this.#messages;
  }

  get partial(): PartialMessage | null {
    // The handshake as a whole has a time-out.
    return null;
  }

  consume(data: Uint8Array, from: number, end: number): number {
    let at = from;
    while (at < end && !this.#isOver && !this.isStalled) {
      const receiving = this.#receiving;
      switch (receiving.kind) {
        case "flags":
        case "header":
        case "data":
          at = this.#collector.add(data, at, end);
          if (this.#collector.isFull) this.#message(this.#collector.bytes);
          break;
        case "skip": {
          const count = Math.min(end - at, receiving.left);
          at += count;
          receiving.left -= count;
          if (receiving.left === 0) this.#skipped(receiving.option);
          break;
        }
        case "over":
          // Nobody has a reason to talk now; in front of TLS it would be smuggled into the secured session.
          this.#host.drop("the client sent data where none was expected");
          return end;
      }
      // Replies are sent option by option: a list may be long.
      this.#host.output.flush();
    }
    return at;
  }

  room(): null {
    return null;
  }

  filled(): void {
    // There never was room.
  }

  released(): void {
    this.#host.wake();
  }

  inputEnded(): void {
    this.#host.finish();
  }

  stop(): void {
    // The next option is told (haggling.ts); a client that sends none is closed by the stop time-out.
  }

  closed(): void {
    this.#isOver = true;
  }

  #message(bytes: Uint8Array): void {
    const receiving = this.#receiving;
    if (receiving.kind === "flags") this.#takeFlags(clientFlags.decode(bytes).flags);
    else if (receiving.kind === "header") this.#takeHeader(bytes);
    else if (receiving.kind === "data") this.#option(receiving.option, bytes);
  }

  #takeFlags(flags: number): void {
    if ((flags & ~(ClientFlag.fixedNewstyle | ClientFlag.noZeroes)) !== 0) {
      this.#host.drop(`unknown client flags 0x${(flags >>> 0).toString(16)}`);
      return;
    }
    this.#flags = flags;
    this.#haggling.clientFlags = flags;
    this.#expectHeader();
  }

  #expectHeader(): void {
    this.#receiving = { kind: "header" };
    this.#collector.begin(optionHeader.size);
  }

  #takeHeader(bytes: Uint8Array): void {
    const { limits } = this.#host.server;
    const { magic, option, length } = optionHeader.decode(bytes);
    if (magic !== NBD_OPTION_MAGIC) {
      this.#host.drop(`an option starts with 0x${magic.toString(16)} instead of the magic number`);
      return;
    }
    this.#messages += 1;
    if (this.#messages > limits.maxOptions) {
      this.#host.drop(`more than ${limits.maxOptions} options`);
      return;
    }
    const isTooLong =
      option === OptionType.exportName
        ? length > NBD_MAX_STRING_BYTES
        : length > limits.maxPayloadBytes;
    if (isTooLong) {
      this.#host.drop(`option ${option} has ${length} bytes of data`);
    } else if (length === 0) {
      this.#option(option, NO_DATA);
    } else if (length > limits.maxOptionBytes) {
      this.#receiving = { kind: "skip", option, left: length };
    } else {
      this.#receiving = { kind: "data", option };
      this.#collector.begin(length);
    }
  }

  #skipped(option: number): void {
    const limit = this.#host.server.limits.maxOptionBytes;
    const message = `The option's data is longer than ${limit} bytes.`;
    this.#expectHeader();
    const refusal = this.#haggling.refusalOf(option);
    if (refusal === null) this.#replies.error(option, OptionReplyType.errTooBig, message);
    else this.#replies.error(option, refusal.type, refusal.message);
  }

  #option(option: number, data: Uint8Array): void {
    const outcome = this.#haggling.answer(option, data);
    switch (outcome) {
      case "next":
        this.#expectHeader();
        break;
      case "tls":
        this.#receiving = { kind: "over" };
        this.#host.startTls();
        break;
      case "over":
        this.#receiving = { kind: "over" };
        break;
      case "entered":
        this.#isOver = true;
        break;
    }
  }
}
