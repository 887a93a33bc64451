/** Holdfast's error codes as exit codes of the native verbs. The only place where one becomes the other. */
import type { ErrorCode } from "../base/errors.ts";

export const EXIT_DONE = 0;
export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;

export type ExitCode = typeof EXIT_DONE | typeof EXIT_FAILED | typeof EXIT_USAGE;

const EXIT_OF_CODE: Readonly<Record<ErrorCode, ExitCode>> = {
  usage: EXIT_USAGE,
  "not-found": EXIT_FAILED,
  permission: EXIT_FAILED,
  "read-only": EXIT_FAILED,
  io: EXIT_FAILED,
  "data-lost": EXIT_FAILED,
  "bad-metadata": EXIT_FAILED,
  unsupported: EXIT_FAILED,
  "cannot-start": EXIT_FAILED,
  "no-space": EXIT_FAILED,
  busy: EXIT_FAILED,
  protocol: EXIT_FAILED,
  timeout: EXIT_FAILED,
  shutdown: EXIT_FAILED,
};

export function exitCodeOf(code: ErrorCode): ExitCode {
  return EXIT_OF_CODE[code];
}
