/**
 * What each option of the handshake does (proto.md, "Option types" and "TLS support").
 *
 * Kept between options: whether structured replies or extended headers were agreed on, and the metadata contexts chosen
 * with the export they are for. They count for GO with the same export only.
 */
import { ClientFlag, InfoType, OptionReplyType, OptionType } from "../formats/nbd/constants.ts";
import { ALLOCATION_CONTEXT, ALLOCATION_CONTEXT_ID } from "./block-status.ts";
import type { ServedExport } from "./exports.ts";
import { decodeText, parseContextRequest, parseInfoRequest } from "./options.ts";
import type { ContextRequest } from "./options.ts";
import type { OptionReplies } from "./option-replies.ts";
import type { ConnectionHost } from "./phase.ts";
import type { ReplyMode } from "./replies.ts";
import { Transmission } from "./transmission.ts";

/** How it goes on after an option. */
export type Outcome =
  | "next"
  /** Transmission was entered. */
  | "entered"
  | "tls"
  /** The connection is being closed. */
  | "over";

interface OptionRefusal {
  readonly type: number;
  readonly message: string;
}

const KNOWN: ReadonlySet<number> = new Set(Object.values(OptionType));
/** Options whose data must be empty; ABORT may carry anything. */
const WITHOUT_DATA: ReadonlySet<number> = new Set([
  OptionType.list,
  OptionType.startTls,
  OptionType.structuredReply,
  OptionType.extendedHeaders,
]);

export class Haggling {
  readonly #host: ConnectionHost;
  readonly #replies: OptionReplies;
  clientFlags = 0;
  #mode: ReplyMode = "simple";
  /** The export whose base:allocation was chosen. */
  #contextsOf: ServedExport | null = null;

  constructor(host: ConnectionHost, replies: OptionReplies) {
    this.#host = host;
    this.#replies = replies;
  }

  /** Why an option is not even looked at, or null. */
  refusalOf(option: number): OptionRefusal | null {
    if (option === OptionType.abort) return null;
    if ((this.clientFlags & ClientFlag.fixedNewstyle) === 0) {
      const message = "A client that has not agreed on fixed newstyle has one option, EXPORT_NAME.";
      return { type: OptionReplyType.errInvalid, message };
    }
    if (this.#host.isStopping)
      return { type: OptionReplyType.errShutdown, message: "The server is being stopped." };
    const isForced = this.#host.server.tlsMode === "require" && !this.#host.isTls;
    if (isForced && option !== OptionType.startTls)
      return { type: OptionReplyType.errTlsReqd, message: "This server requires TLS." };
    if (!KNOWN.has(option))
      return { type: OptionReplyType.errUnsup, message: `Option ${option} is unknown here.` };
    return null;
  }

  answer(option: number, data: Uint8Array): Outcome {
    if (option === OptionType.exportName) return this.#exportName(data);
    const refusal = this.refusalOf(option);
    if (refusal !== null) return this.#refuse(option, refusal.type, refusal.message);
    if (data.length > 0 && WITHOUT_DATA.has(option))
      return this.#refuse(option, OptionReplyType.errInvalid, "This option has no data.");
    switch (option) {
      case OptionType.abort:
        this.#replies.ack(option);
        this.#host.finish();
        return "over";
      case OptionType.list:
        for (const exported of this.#host.server.exports.all)
          this.#replies.server(option, exported);
        this.#replies.ack(option);
        return "next";
      case OptionType.startTls:
        return this.#startTls();
      case OptionType.info:
      case OptionType.go:
        return this.#info(option, data);
      case OptionType.structuredReply:
        return this.#structuredReply();
      case OptionType.extendedHeaders:
        this.#mode = "extended";
        this.#replies.ack(option);
        return "next";
      default:
        return this.#contexts(option, data);
    }
  }

  #refuse(option: number, type: number, message: string): Outcome {
    this.#replies.error(option, type, message);
    return "next";
  }

  #unknownExport(option: number, name: string): Outcome {
    const message = `There is no export ${JSON.stringify(name.slice(0, 256))} here.`;
    return this.#refuse(option, OptionReplyType.errUnknown, message);
  }

  /** Cannot be refused, only dropped. */
  #exportName(data: Uint8Array): Outcome {
    const { server, isStopping, isTls } = this.#host;
    const name = decodeText(data);
    const exported = name === null ? undefined : server.exports.find(name);
    let why: string | null = null;
    if (isStopping) why = "the server is being stopped";
    else if (server.tlsMode === "require" && !isTls)
      why = "EXPORT_NAME without TLS, which is required";
    else if (this.#mode === "extended") why = "EXPORT_NAME after extended headers were agreed on";
    else if (exported === undefined) why = "EXPORT_NAME of an export that does not exist";
    if (exported === undefined || why !== null) {
      this.#host.drop(why ?? "EXPORT_NAME failed");
      return "over";
    }
    const noZeroes = (this.clientFlags & ClientFlag.noZeroes) !== 0;
    this.#replies.exportName(exported, this.#flagsFor(exported), noZeroes);
    return this.#enter(exported);
  }

  #startTls(): Outcome {
    const option = OptionType.startTls;
    if (this.#host.isTls)
      return this.#refuse(option, OptionReplyType.errInvalid, "TLS has been started already.");
    if (this.#host.server.tlsMode === "off")
      return this.#refuse(option, OptionReplyType.errPolicy, "This server is not set up for TLS.");
    this.#replies.ack(option);
    return "tls";
  }

  #structuredReply(): Outcome {
    const option = OptionType.structuredReply;
    if (this.#mode === "extended") {
      const message = "Extended headers have been agreed on already.";
      return this.#refuse(option, OptionReplyType.errExtHeaderReqd, message);
    }
    this.#mode = "structured";
    this.#replies.ack(option);
    return "next";
  }

  #info(option: number, data: Uint8Array): Outcome {
    const request = parseInfoRequest(data);
    if (request.kind === "fault") return this.#refuse(option, request.type, request.message);
    const exported = this.#host.server.exports.find(request.exportName);
    if (exported === undefined) return this.#unknownExport(option, request.exportName);
    this.#replies.infoExport(option, exported, this.#flagsFor(exported));
    if (request.wanted.has(InfoType.name))
      this.#replies.infoText(option, InfoType.name, exported.name);
    if (request.wanted.has(InfoType.description) && exported.description !== "")
      this.#replies.infoText(option, InfoType.description, exported.description);
    // Unasked it would only repeat the defaults.
    if (request.wanted.has(InfoType.blockSize)) this.#replies.infoBlockSize(option, exported);
    this.#replies.ack(option);
    return option === OptionType.go ? this.#enter(exported) : "next";
  }

  #contexts(option: number, data: Uint8Array): Outcome {
    // Set replaces what was set before even when it fails.
    if (option === OptionType.setMetaContext) this.#contextsOf = null;
    if (this.#mode === "simple") {
      const message = "Structured replies have to be agreed on first.";
      return this.#refuse(option, OptionReplyType.errInvalid, message);
    }
    const request = parseContextRequest(data);
    if (request.kind === "fault") return this.#refuse(option, request.type, request.message);
    const exported = this.#host.server.exports.find(request.exportName);
    if (exported === undefined) return this.#unknownExport(option, request.exportName);
    const isSet = option === OptionType.setMetaContext;
    if (isSet ? selectsAllocation(request) : listsAllocation(request)) {
      // The id in a list is reserved.
      this.#replies.metaContext(option, isSet ? ALLOCATION_CONTEXT_ID : 0, ALLOCATION_CONTEXT);
      if (isSet) this.#contextsOf = exported;
    }
    this.#replies.ack(option);
    return "next";
  }

  #flagsFor(exported: ServedExport): number {
    return exported.transmissionFlags(this.#mode, this.#contextsOf === exported);
  }

  #enter(exported: ServedExport): Outcome {
    const hasContexts = this.#contextsOf === exported;
    const rules = { exported, mode: this.#mode, hasContexts };
    this.#host.enter(new Transmission(this.#host, rules));
    return "entered";
  }
}

/** No query selects nothing; "base:" is no context, and other namespaces are not known here. */
function selectsAllocation(request: ContextRequest): boolean {
  return request.queries.includes(ALLOCATION_CONTEXT);
}

/** No query asks for all there is, and "base:" for all of that namespace. */
function listsAllocation(request: ContextRequest): boolean {
  return (
    request.queries.length === 0 || request.queries.includes("base:") || selectsAllocation(request)
  );
}
