/**
 * Which requests are refused before a device is asked, and with which error (proto.md, "Error values" and the request types).
 *
 *   stopping                                 ESHUTDOWN
 *   unknown command, flag not its own        EINVAL
 *   command that was not offered             EINVAL
 *   change of a read-only export             EPERM
 *   beyond the end: write, write zeroes      ENOSPC
 *   beyond the end: anything else            EINVAL
 *   read or cache above the maximum          EOVERFLOW, simple replies EINVAL
 *   fast zero that would not be fast         ENOTSUP
 * A length of 0 is unspecified: it succeeds and does nothing, save block status, which has nothing to say then.
 */
import { Command, CommandFlag, NbdErrno } from "../formats/nbd/constants.ts";
import type { NbdErrnoValue } from "../formats/nbd/constants.ts";
import type { ServedExport } from "./exports.ts";
import type { ReplyMode } from "./replies.ts";
import type { NbdRequest, Refusal } from "./request.ts";

export interface RequestRules {
  readonly exported: ServedExport;
  readonly mode: ReplyMode;
  /** The client has chosen metadata contexts. */
  readonly hasContexts: boolean;
}

function refusal(errno: NbdErrnoValue, message: string): Refusal {
  return { errno, message };
}

const STOPPING = refusal(NbdErrno.ESHUTDOWN, "The server is being stopped.");
const UNKNOWN = refusal(NbdErrno.EINVAL, "This server does not know the command.");
const BAD_FLAGS = refusal(NbdErrno.EINVAL, "The command does not take one of these flags.");
const NO_PAYLOAD = refusal(
  NbdErrno.EINVAL,
  "With extended headers a write carries the flag PAYLOAD_LEN.",
);
const NO_CONTEXT = refusal(NbdErrno.EINVAL, "No metadata context was chosen in the handshake.");
const NO_TRIM = refusal(NbdErrno.EINVAL, "This export does not offer trim.");
const NOT_ZERO = refusal(NbdErrno.EINVAL, "A flush has offset 0 and length 0.");
const EMPTY_STATUS = refusal(NbdErrno.EINVAL, "A block status request has a length above 0.");
const READ_ONLY = refusal(NbdErrno.EPERM, "The export is read-only.");
const NOT_FAST = refusal(NbdErrno.ENOTSUP, "Zeroing is not faster than writing zeros here.");
export const BEYOND_END = refusal(NbdErrno.EINVAL, "The range reaches beyond the export's end.");
const NO_SPACE = refusal(NbdErrno.ENOSPC, "The range reaches beyond the export's end.");
const TOO_LONG = refusal(NbdErrno.EOVERFLOW, "The length is above the maximum payload size.");
const TOO_LONG_SIMPLE = refusal(NbdErrno.EINVAL, TOO_LONG.message);

/** The flags that a command may carry, or null for a command that does not exist. */
function flagsOf(type: number, rules: RequestRules): number | null {
  // FUA is valid for every command once it was offered.
  const common = rules.exported.readOnly ? 0 : CommandFlag.fua;
  const isExtended = rules.mode === "extended";
  switch (type) {
    case Command.read:
      return common | (rules.mode === "simple" ? 0 : CommandFlag.df);
    case Command.write:
      return common | (isExtended ? CommandFlag.payloadLen : 0);
    case Command.writeZeroes:
      return common | CommandFlag.noHole | CommandFlag.fastZero;
    case Command.blockStatus:
      return common | CommandFlag.reqOne | (isExtended ? CommandFlag.payloadLen : 0);
    case Command.flush:
    case Command.trim:
    case Command.cache:
      return common;
    default:
      return null;
  }
}

function changes(type: number): boolean {
  return type === Command.write || type === Command.trim || type === Command.writeZeroes;
}

/** Why the request is refused, or null. */
export function refusalOf(
  request: NbdRequest,
  rules: RequestRules,
  isStopping: boolean,
): Refusal | null {
  if (isStopping) return STOPPING;
  const { type, flags } = request;
  const allowed = flagsOf(type, rules);
  if (allowed === null) return UNKNOWN;
  // A client may well try to change a read-only export with FUA: that the export is read-only is the better news.
  if (changes(type) && rules.exported.readOnly) return READ_ONLY;
  if ((flags & ~allowed) !== 0) return BAD_FLAGS;
  if (type === Command.flush) return request.offset === 0 && request.length === 0 ? null : NOT_ZERO;
  return refusalOfRange(request, rules);
}

function refusalOfRange(request: NbdRequest, rules: RequestRules): Refusal | null {
  const { type, flags } = request;
  const { exported } = rules;
  const isWrite = type === Command.write || type === Command.writeZeroes;
  if (type === Command.blockStatus) {
    if (!rules.hasContexts) return NO_CONTEXT;
    // With a payload the length is in there.
    if ((flags & CommandFlag.payloadLen) !== 0) return null;
    if (request.length === 0) return EMPTY_STATUS;
  }
  if (type === Command.trim && !exported.canDiscard) return NO_TRIM;
  if (type === Command.write && rules.mode === "extended") {
    if ((flags & CommandFlag.payloadLen) === 0) return NO_PAYLOAD;
  }
  if (request.offset + request.length > exported.sizeBytes) return isWrite ? NO_SPACE : BEYOND_END;
  const isBounded = type === Command.read || type === Command.cache;
  if (isBounded && request.length > exported.maximumBytes)
    return rules.mode === "simple" ? TOO_LONG_SIMPLE : TOO_LONG;
  if (type === Command.writeZeroes && (flags & CommandFlag.fastZero) !== 0 && !exported.canFastZero)
    return NOT_FAST;
  return null;
}
