/** What listening and connecting have in common, whatever carries the bytes: names, errors, and unix sockets that were left behind. */
import { chmodSync } from "node:fs";
import { lstat, unlink } from "node:fs/promises";
import net from "node:net";
import { HoldfastError } from "../../base/errors.ts";
import type { ErrorCode } from "../../base/errors.ts";
import type { Listener, SocketAddress } from "../sockets.ts";

export const KEEP_ALIVE_DELAY_MS = 60_000;
/** sockaddr_un: 108 bytes with the NUL. Node cuts longer paths without a word. */
const MAX_UNIX_PATH_BYTES = 107;

/** Has `listenOnce` listen; where a unix socket stands in the way that nobody listens on, once more without it. */
export async function listenOrReplace(
  address: SocketAddress,
  listenOnce: () => Promise<Listener>,
): Promise<Listener> {
  checkAddress(address);
  try {
    return await listenOnce();
  } catch (error) {
    if (
      errnoName(error) !== "EADDRINUSE" ||
      address.kind !== "unix" ||
      !(await isLeftover(address))
    )
      throw addressError("listen on", address, error);
  }
  try {
    await unlink(address.path);
    return await listenOnce();
  } catch (error) {
    throw addressError("listen on", address, error);
  }
}

export function describeAddress(address: SocketAddress): string {
  return address.kind === "unix"
    ? address.path
    : net.isIPv6(address.host)
      ? `[${address.host}]:${address.port}`
      : `${address.host}:${address.port}`;
}

/** @throws HoldfastError `usage` */
export function checkAddress(address: SocketAddress): void {
  if (address.kind === "unix" && Buffer.byteLength(address.path) > MAX_UNIX_PATH_BYTES)
    throw new HoldfastError(
      "usage",
      `The unix socket path ${address.path} is longer than ${MAX_UNIX_PATH_BYTES} bytes, the most the system allows; use a shorter one.`,
    );
}

export function target(address: SocketAddress): net.ListenOptions & net.SocketConnectOpts {
  if (address.kind === "unix") return { path: address.path };
  return { host: address.host, port: address.port };
}

/** Of a client that was accepted. */
export function peerName(address: SocketAddress, host?: string, port?: number): string {
  if (address.kind === "unix") return `a client on ${address.path}`;
  return describeAddress({ kind: "tcp", host: host ?? "unknown", port: port ?? 0 });
}

/** Whoever may write a unix socket may connect: its owner alone, whatever the umask says. */
export function keepPrivate(address: SocketAddress): void {
  if (address.kind === "unix") chmodSync(address.path, 0o600);
}

export function connectOnce(address: SocketAddress): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({
      ...target(address),
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: address.kind === "tcp",
      keepAliveInitialDelay: KEEP_ALIVE_DELAY_MS,
    });
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve(socket);
    });
  });
}

/** Whether a unix socket has nobody behind it. */
async function isLeftover(address: SocketAddress & { kind: "unix" }): Promise<boolean> {
  const stat = await lstat(address.path).catch(() => null);
  if (stat === null || !stat.isSocket()) return false;
  try {
    (await connectOnce(address)).destroy();
    return false;
  } catch (error) {
    return errnoName(error) === "ECONNREFUSED";
  }
}

function errnoName(error: unknown): string {
  return error instanceof Error ? String((error as NodeJS.ErrnoException).code) : "";
}

const ADDRESS_ERRORS: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  EADDRINUSE: ["busy", "something is there already"],
  EACCES: ["permission", "permission denied"],
  EPERM: ["permission", "permission denied"],
  EADDRNOTAVAIL: ["usage", "this machine does not have that address"],
  ENOTFOUND: ["usage", "the host name is not known"],
  EAI_AGAIN: ["usage", "the host name could not be looked up"],
  ENOENT: ["not-found", "there is no such file or folder"],
  ENOTDIR: ["not-found", "there is no such folder"],
  ECONNREFUSED: ["not-found", "nobody listens there"],
  ENOTSOCK: ["not-found", "that is not a socket"],
  ETIMEDOUT: ["timeout", "no answer"],
};

export function addressError(verb: string, address: SocketAddress, error: unknown): HoldfastError {
  const message = error instanceof Error ? error.message : String(error);
  const [code, why] = ADDRESS_ERRORS[errnoName(error)] ?? (["io", message] as const);
  return new HoldfastError(code, `Cannot ${verb} ${describeAddress(address)}: ${why}.`, {
    cause: error,
  });
}
