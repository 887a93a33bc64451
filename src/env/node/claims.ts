/**
 * Exclusive use of an open file, between processes, for as long as it is open (docs/decisions/0011-locks.md).
 *
 *   block device on Linux                O_EXCL at opening: what mount and the kernel's own arrays ask for too
 *   everything else, first that works:   flock through koffi
 *                                        flock(1) on the descriptor that it inherits: the lock is the open file's, so it outlives the program
 *                                        O_EXLOCK (macOS, BSD): the same lock, by a second descriptor
 *                                        a name that the system takes back with the process: an abstract socket (Linux), a pipe (Windows)
 *
 * Each is the system's: none outlives its process, however that ends. All but the last exclude each other.
 */
import { spawn } from "node:child_process";
import { close, constants, open } from "node:fs";
import type { BigIntStats } from "node:fs";
import net from "node:net";
import { HoldfastError } from "../../base/errors.ts";
import { koffi, libcFunction } from "./koffi.ts";
import type { NativeFunction } from "./koffi.ts";

export interface ClaimedFile {
  readonly path: string;
  readonly descriptor: number;
  readonly stats: BigIntStats;
}

/** Gives back what closing the descriptor does not. */
export type ReleaseClaim = () => void;

/** `held`: by somebody else; `unknown`: this way does not work here. */
export type ClaimOutcome = ReleaseClaim | "held" | "unknown";

export type ClaimWay = (file: ClaimedFile) => ClaimOutcome | Promise<ClaimOutcome>;

const LOCK_EX_NB = 2 | 4;

const withDescriptor: ReleaseClaim = () => {};

let flock: NativeFunction | null | undefined;

function nativeFlock(): NativeFunction | null {
  if (flock === undefined) {
    const native = process.platform === "win32" ? null : koffi();
    flock = native && libcFunction(native, ["flock"], "int", ["int", "int"]);
  }
  return flock;
}

const byFlock: ClaimWay = ({ descriptor }) => {
  const call = nativeFlock();
  if (call === null) return "unknown";
  if (Number(call(descriptor, LOCK_EX_NB)) === 0) return withDescriptor;
  const native = koffi()!;
  const errno = native.errno();
  return errno === native.os.errno["EWOULDBLOCK"] || errno === native.os.errno["EAGAIN"]
    ? "held"
    : "unknown";
};

/** util-linux and BusyBox: 0 taken, 1 somebody else's. */
const byProgram: ClaimWay = ({ descriptor }) =>
  new Promise((resolve) => {
    if (process.platform !== "linux") {
      resolve("unknown");
      return;
    }
    const child = spawn("flock", ["-n", "3"], {
      stdio: ["ignore", "ignore", "ignore", descriptor],
    });
    child.once("error", () => resolve("unknown"));
    child.once("close", (code) =>
      resolve(code === 0 ? withDescriptor : code === 1 ? "held" : "unknown"),
    );
  });

const EXLOCK_PLATFORMS: readonly string[] = ["darwin", "freebsd", "openbsd", "netbsd"];
/** open(2) of macOS and the BSDs; Node does not name it. */
const O_EXLOCK = 0x20;

const byOpening: ClaimWay = ({ path }) =>
  new Promise((resolve) => {
    if (!EXLOCK_PLATFORMS.includes(process.platform)) {
      resolve("unknown");
      return;
    }
    open(path, constants.O_RDONLY | constants.O_NONBLOCK | O_EXLOCK, (error, second) => {
      if (error === null) resolve(() => close(second, () => {}));
      else resolve(error.code === "EAGAIN" || error.code === "EWOULDBLOCK" ? "held" : "unknown");
    });
  });

const NAME_PREFIXES: Readonly<Record<string, string>> = {
  linux: "\0",
  win32: String.raw`\\.\pipe` + "\\",
};

const byName: ClaimWay = ({ stats }) =>
  new Promise((resolve) => {
    const prefix = NAME_PREFIXES[process.platform];
    if (prefix === undefined) {
      resolve("unknown");
      return;
    }
    const server = net.createServer((socket) => socket.destroy());
    server.unref();
    server.once("error", (error: NodeJS.ErrnoException) =>
      resolve(error.code === "EADDRINUSE" || error.code === "EACCES" ? "held" : "unknown"),
    );
    server.listen(`${prefix}holdfast-claim-${stats.dev}-${stats.ino}-${stats.rdev}`, () => {
      resolve(() => void server.close());
    });
  });

export const CLAIM_WAYS = { byFlock, byProgram, byOpening, byName } as const;

function isTakenByOpening({ stats }: ClaimedFile): boolean {
  return process.platform === "linux" && stats.isBlockDevice();
}

/** @throws HoldfastError `busy` when somebody else has it, `unsupported` where nothing can tell */
export async function claimFile(
  file: ClaimedFile,
  ways: readonly ClaimWay[] = Object.values(CLAIM_WAYS),
): Promise<ReleaseClaim> {
  if (isTakenByOpening(file)) return withDescriptor;
  for (const way of ways) {
    const outcome = await way(file);
    if (outcome === "held")
      throw new HoldfastError(
        "busy",
        `${file.path} is in use by another program that writes to it (a running array, another holdfast); stop that first.`,
      );
    if (outcome !== "unknown") return outcome;
  }
  throw new HoldfastError(
    "unsupported",
    `${file.path} cannot be locked on this system, so nothing would keep two programs from writing to it at once; install the optional package koffi.`,
  );
}
