/** Holdfast's error codes as NBD error numbers (proto.md, "Error values"). The only place where one becomes the other. */
import type { ErrorCode } from "../base/errors.ts";
import { NbdErrno } from "../formats/nbd/constants.ts";
import type { NbdErrnoValue } from "../formats/nbd/constants.ts";

/**
 * ENOTSUP and EOVERFLOW are not here: the protocol keeps them for a refused fast zero and an oversize request, which
 * are decided before a device is asked.
 */
const ERRNO_OF_CODE: Readonly<Record<ErrorCode, NbdErrnoValue>> = {
  usage: NbdErrno.EINVAL,
  "not-found": NbdErrno.EIO,
  permission: NbdErrno.EPERM,
  "read-only": NbdErrno.EPERM,
  io: NbdErrno.EIO,
  "data-lost": NbdErrno.EIO,
  "bad-metadata": NbdErrno.EIO,
  unsupported: NbdErrno.EINVAL,
  "cannot-start": NbdErrno.EIO,
  "no-space": NbdErrno.ENOSPC,
  busy: NbdErrno.EIO,
  protocol: NbdErrno.EIO,
  timeout: NbdErrno.EIO,
  shutdown: NbdErrno.ESHUTDOWN,
};

export function errnoOf(code: ErrorCode): NbdErrnoValue {
  return ERRNO_OF_CODE[code];
}
