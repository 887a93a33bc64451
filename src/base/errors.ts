/**
 * The one error type of Holdfast and its one union of codes.
 *
 * A message is one sentence for a person: what was found, where, and what to do about it. Code that must
 * decide looks at `code` only. Each front end maps the codes with one exhaustive table of its own
 * (NBD errors, exit codes, HTTP statuses), so a new code does not compile until every table knows it.
 */

export type ErrorCode =
  /** The caller asked for something that makes no sense (bad option, bad URI, range outside the device). */
  | "usage"
  /** A path, volume, export or file that does not exist. */
  | "not-found"
  /** The operating system or a policy forbids it. */
  | "permission"
  /** A write to something that is open read-only. */
  | "read-only"
  /** A device could not be read or written here and now. */
  | "io"
  /** The data is gone: more members lost than the level can bear, or a range listed as bad on all copies. */
  | "data-lost"
  /** On-disk metadata that is torn, foreign, contradictory or impossible. */
  | "bad-metadata"
  /** Metadata that is valid but asks for something Holdfast does not do. */
  | "unsupported"
  /** A set of members that cannot be started as asked (too few, dirty and degraded, split brain). */
  | "cannot-start"
  /** No room left in an overlay, a file system or a bounded buffer. */
  | "no-space"
  /** Somebody else holds it. */
  | "busy"
  /** A peer broke its protocol. */
  | "protocol"
  /** A peer or device did not answer in time. */
  | "timeout"
  /** The server or device is being stopped. */
  | "shutdown";

export class HoldfastError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "HoldfastError";
    this.code = code;
  }
}

/** The given thing as a HoldfastError: unchanged if it is one, else wrapped as an `io` error with `context` in front. */
export function toHoldfastError(thrown: unknown, context?: string): HoldfastError {
  if (thrown instanceof HoldfastError) return thrown;
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  return new HoldfastError("io", context === undefined ? text : `${context}: ${text}`, {
    cause: thrown,
  });
}

/** The same error, with the name of what it was met in before it. */
export function errorIn(name: string, error: HoldfastError): HoldfastError {
  return new HoldfastError(error.code, `${name}: ${error.message}`, { cause: error });
}
