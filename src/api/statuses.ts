/** Holdfast's error codes as HTTP statuses. The only place where one becomes the other. */
import type { ErrorCode } from "../base/errors.ts";

const STATUS_OF_CODE: Readonly<Record<ErrorCode, number>> = {
  usage: 400,
  permission: 403,
  "not-found": 404,
  "read-only": 409,
  "cannot-start": 409,
  busy: 409,
  "bad-metadata": 422,
  io: 500,
  "data-lost": 500,
  unsupported: 501,
  protocol: 502,
  shutdown: 503,
  timeout: 504,
  "no-space": 507,
};

export function statusOf(code: ErrorCode): number {
  return STATUS_OF_CODE[code];
}

export function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === "string" && Object.hasOwn(STATUS_OF_CODE, code);
}
