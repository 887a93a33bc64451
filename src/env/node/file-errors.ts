/** Errors of the operating system's file calls as HoldfastErrors: one sentence that names the path and says what to do. */
import { HoldfastError } from "../../base/errors.ts";
import type { ErrorCode } from "../../base/errors.ts";

interface Saying {
  readonly code: ErrorCode;
  /** Goes behind the path. */
  readonly text: string;
}

const SAYINGS: Readonly<Record<string, Saying>> = {
  ENOENT: { code: "not-found", text: "does not exist; check the path" },
  ENOTDIR: { code: "not-found", text: "does not exist: a part of the path is not a folder" },
  EACCES: {
    code: "permission",
    text: "may not be used by this user; change its permissions, or join the group that owns it ('disk' for block devices)",
  },
  EPERM: {
    code: "permission",
    text: "is protected by the system; check its attributes and the rights of this user",
  },
  EROFS: { code: "permission", text: "is on a read-only file system; use a path elsewhere" },
  EISDIR: { code: "usage", text: "is a folder; name a file or a block device" },
  EEXIST: { code: "usage", text: "exists already; remove it or choose another name" },
  ENOTEMPTY: { code: "usage", text: "is a folder that is not empty" },
  ELOOP: { code: "usage", text: "is a symbolic link that leads in a circle" },
  ENAMETOOLONG: { code: "usage", text: "is too long a path for this file system" },
  EFBIG: { code: "no-space", text: "would become larger than its file system allows" },
  EINVAL: { code: "usage", text: "cannot be used in this way (EINVAL)" },
  EBUSY: {
    code: "busy",
    text: "is in use (mounted, or part of a running array); release it first",
  },
  ETXTBSY: { code: "busy", text: "is in use as a program or swap file; release it first" },
  ENOSPC: {
    code: "no-space",
    text: "cannot grow: its file system is full; make room and try again",
  },
  EDQUOT: { code: "no-space", text: "cannot grow: this user's quota is used up" },
  EMFILE: { code: "io", text: "cannot be opened: too many open files; raise `ulimit -n`" },
  ENFILE: { code: "io", text: "cannot be opened: the system has too many open files" },
  EIO: { code: "io", text: "reported an I/O error (EIO): the medium or its connection is failing" },
  ENXIO: { code: "io", text: "is gone (ENXIO): the device was removed" },
  ENODEV: { code: "io", text: "is gone (ENODEV): the device was removed" },
  ENOMEDIUM: { code: "io", text: "has no medium in it" },
};

function systemCode(thrown: unknown): string | null {
  const code = thrown instanceof Error ? (thrown as NodeJS.ErrnoException).code : undefined;
  return typeof code === "string" ? code : null;
}

export function isMissing(thrown: unknown): boolean {
  const code = systemCode(thrown);
  return code === "ENOENT" || code === "ENOTDIR";
}

export function isInterrupted(thrown: unknown): boolean {
  return systemCode(thrown) === "EINTR";
}

/** @param where what was being done, to stand behind the sentence: "reading 4096 bytes at 8192" */
export function fileError(thrown: unknown, path: string, where?: string): HoldfastError {
  if (thrown instanceof HoldfastError) return thrown;
  const saying = SAYINGS[systemCode(thrown) ?? ""];
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  const sentence = saying === undefined ? `failed: ${text}` : saying.text;
  const context = where === undefined ? "" : ` (${where})`;
  return new HoldfastError(saying?.code ?? "io", `${path} ${sentence}${context}.`, {
    cause: thrown,
  });
}
